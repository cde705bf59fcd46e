/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back asynchronously is waited for by the method that began it, on a thread of the
 * host. */
#include "work.h"

#include <dext_virtual.h>
#include <mach/clock_types.h>
#include <mach/mach_time.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BYTES	     512
#define TIMEOUT_MSEC 5000

/* What a method works with. */
struct tools {
	IOMemoryDescriptor *memory; /* of BYTES */
	uint8_t *bytes;		    /* of it */
	OSAction *action;
};

/* How many completions have come, of whatever; their target is the service. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned count;
	kern_return_t status;
} done = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
finish(unsigned count, kern_return_t status)
{
	pthread_mutex_lock(&done.lock);
	done.count += count;
	done.status = status;
	pthread_cond_broadcast(&done.changed);
	pthread_mutex_unlock(&done.lock);
}

static unsigned
begin(void)
{
	unsigned count;

	pthread_mutex_lock(&done.lock);
	count = done.count;
	pthread_mutex_unlock(&done.lock);
	return count;
}

/* Until so many have come since `before`. */
static kern_return_t
await(unsigned before, unsigned count)
{
	kern_return_t status = kIOReturnTimeout;
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += TIMEOUT_MSEC / 1000;
	pthread_mutex_lock(&done.lock);
	while (done.count - before < count &&
	       pthread_cond_timedwait(&done.changed, &done.lock, &end) == 0)
		;
	if (done.count - before >= count)
		status = done.status;
	pthread_mutex_unlock(&done.lock);
	return status;
}

/* --- transfers --- */

static kern_return_t
make_buffer(const Worker *self, IOBufferMemoryDescriptor **ret_buffer, uint8_t **ret_bytes)
{
	IOAddressSegment range = {0};
	kern_return_t status = IOUSBHostInterface_CreateIOBuffer(
		ivars(self)->interface, kIOMemoryDirectionInOut, BYTES, ret_buffer);

	if (status != kIOReturnSuccess)
		return status;
	status = IOBufferMemoryDescriptor_GetAddressRange(*ret_buffer, &range);
	if (status == kIOReturnSuccess)
		status = IOBufferMemoryDescriptor_SetLength(*ret_buffer, BYTES);
	*ret_bytes = (uint8_t *)(uintptr_t)range.address;
	if (status != kIOReturnSuccess)
		OSSafeReleaseNULL(*ret_buffer);
	return status;
}

static void
transferred(OSObject *target, OSAction *action, IOReturn status, uint32_t bytes, uint64_t time)
{
	finish(1, status);
}

static kern_return_t
send_and_receive(const struct Worker_IVars *worker, IOMemoryDescriptor *memory, uint8_t *bytes)
{
	uint32_t moved = 0;
	kern_return_t status;

	for (unsigned i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)(i * 3);
	status = IOUSBHostPipe_IO(worker->out, memory, BYTES, &moved, TIMEOUT_MSEC);
	if (status != kIOReturnSuccess)
		return status;
	memset(bytes, 0, BYTES);
	status = IOUSBHostPipe_IO(worker->in, memory, BYTES, &moved, TIMEOUT_MSEC);
	for (unsigned i = 0; i < BYTES && status == kIOReturnSuccess; i++)
		if (bytes[i] != (uint8_t)(i * 3))
			status = kIOReturnBadMedia; /* which no fault excuses */
	return status;
}

/* Nothing is there to be received, so it is aborted. */
static kern_return_t
receive_and_abort(const struct Worker_IVars *worker, IOMemoryDescriptor *memory, OSAction *action)
{
	unsigned before = begin();
	kern_return_t status = IOUSBHostPipe_AsyncIO(worker->in, memory, BYTES, action, 0);

	if (status != kIOReturnSuccess)
		return status;
	status = IOUSBHostPipe_Abort(worker->in, kIOUSBAbortSynchronous, kIOReturnAborted, NULL);
	if (status == kIOReturnSuccess)
		status = await(before, 1);
	if (status == kIOReturnAborted)
		status = IOUSBHostPipe_ClearStall(worker->in, true);
	return status == kIOReturnSuccess ? IOUSBHostPipe_ClearStall(worker->in, false) : status;
}

static kern_return_t
empty(Worker *self)
{
	return IOUSBHostInterface_DeviceRequest(ivars(self)->interface, 0x40,
						DEXT_VIRTUAL_REQUEST_RESET, 0, 0, 0, NULL, NULL,
						TIMEOUT_MSEC);
}

static kern_return_t
create_transferred(OSObject *self, OSAction **ret_action)
{
	return IOUSBHostPipe_CreateActionCompleteAsyncIO(self, transferred, 0, ret_action);
}

static kern_return_t
transfer(Worker *self, const struct tools *tools)
{
	/* What an earlier one has left in it. */
	kern_return_t status = empty(self);

	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_ClearStall(ivars(self)->out, true);
	if (status == kIOReturnSuccess)
		status = send_and_receive(ivars(self), tools->memory, tools->bytes);
	if (status == kIOReturnSuccess)
		status = receive_and_abort(ivars(self), tools->memory, tools->action);
	return status;
}

/* --- requests --- */

static void
requested(OSObject *target, OSAction *action, IOReturn status, uint16_t bytes)
{
	finish(1, status);
}

static kern_return_t
ask_both_ways(Worker *self, IOMemoryDescriptor *memory, OSAction *action)
{
	struct Worker_IVars *worker = ivars(self);
	unsigned before = begin();
	kern_return_t status = empty(self);

	if (status == kIOReturnSuccess)
		status = IOUSBHostInterface_AsyncDeviceRequest(
			worker->interface, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, 0, 0,
			sizeof(struct dext_virtual_state), memory, action, TIMEOUT_MSEC);
	return status == kIOReturnSuccess ? await(before, 1) : status;
}

static kern_return_t
had(const void *descriptor)
{
	IOUSBHostFreeDescriptor(descriptor);
	return descriptor != NULL ? kIOReturnSuccess : kIOReturnError;
}

static kern_return_t
copy_descriptors(IOUSBHostDevice *device)
{
	uint16_t length = 18;
	kern_return_t status = had(IOUSBHostDevice_CopyDeviceDescriptor(device));

	if (status == kIOReturnSuccess)
		status = had(IOUSBHostDevice_CopyConfigurationDescriptor(device, 0));
	if (status == kIOReturnSuccess)
		status = had(IOUSBHostDevice_CopyStringDescriptor(device, 1));
	if (status == kIOReturnSuccess)
		status = had(IOUSBHostDevice_CopyDescriptor(device, kIOUSBDescriptorTypeDevice,
							    &length, 0, 0, 0, 0));
	/* Only some devices have it. */
	IOUSBHostFreeDescriptor(IOUSBHostDevice_CopyCapabilityDescriptors(device));
	return status;
}

static kern_return_t
create_requested(OSObject *self, OSAction **ret_action)
{
	return IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(self, requested, 0,
									 ret_action);
}

static kern_return_t
control(Worker *self, const struct tools *tools)
{
	IOUSBHostDevice *device = NULL;
	kern_return_t status = ask_both_ways(self, tools->memory, tools->action);

	if (status == kIOReturnSuccess)
		status = IOUSBHostInterface_CopyDevice(ivars(self)->interface, &device);
	if (status == kIOReturnSuccess)
		status = copy_descriptors(device);
	OSSafeReleaseNULL(device);
	return status;
}

/* --- bundles --- */

static void
bundled(OSObject *target, OSAction *action, uint32_t index, uint32_t count, const uint32_t *bytes,
	int bytes_count, const kern_return_t *statuses, int statuses_count)
{
	finish(count, statuses[0]);
}

static kern_return_t
create_bundled(OSObject *self, OSAction **ret_action)
{
	return IOUSBHostPipe_CreateActionCompleteAsyncIOBundled(self, bundled, 0, ret_action);
}

static kern_return_t
bundle(Worker *self, const struct tools *tools)
{
	IOUSBHostPipe *pipe = ivars(self)->out;
	const uint32_t lengths[kIOUSBHostPipeBundlingMax] = {BYTES, BYTES};
	unsigned before = begin();
	uint32_t accepted = 0;
	kern_return_t status = IOUSBHostPipe_CreateMemoryDescriptorRing(pipe, 4);

	if (status == kIOReturnExclusiveAccess) /* it has one from the last time */
		status = kIOReturnSuccess;
	for (uint32_t i = 0; i < 2 && status == kIOReturnSuccess; i++)
		status = IOUSBHostPipe_SetMemoryDescriptor(pipe, tools->memory, i);
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_AsyncIOBundled(pipe, 0, 2, &accepted, lengths, 2,
						      tools->action, TIMEOUT_MSEC);
	if (accepted > 0) {
		kern_return_t ended = await(before, accepted);

		status = status == kIOReturnSuccess ? ended : status;
	}
	for (uint32_t i = 0; i < 2; i++)
		IOUSBHostPipe_SetMemoryDescriptor(pipe, NULL, i);
	return status;
}

/* --- isochronous --- */

static void
streamed(OSObject *target, OSAction *action, IOReturn status)
{
	finish(1, status);
}

static kern_return_t
create_streamed(OSObject *self, OSAction **ret_action)
{
	return IOUSBHostPipe_CreateActionCompleteAsyncIsochIO(self, streamed, 0, ret_action);
}

static kern_return_t
stream(Worker *self, const struct tools *tools)
{
	IOBufferMemoryDescriptor *list = NULL;
	uint8_t *frames = NULL;
	unsigned before = begin();
	kern_return_t status = make_buffer(self, &list, &frames);

	if (status == kIOReturnSuccess)
		status =
			IOBufferMemoryDescriptor_SetLength(list, 2 * sizeof(IOUSBIsochronousFrame));
	if (status == kIOReturnSuccess) {
		for (unsigned i = 0; i < 2; i++)
			((IOUSBIsochronousFrame *)frames)[i] =
				(IOUSBIsochronousFrame){.requestCount = 64};
		status = IOUSBHostPipe_IsochIO(ivars(self)->out, tools->memory,
					       (IOMemoryDescriptor *)list, 0, tools->action);
	}
	if (status == kIOReturnSuccess)
		status = await(before, 1);
	OSSafeReleaseNULL(list);
	return status;
}

/* The pipes of the setting of before do not work any more: they are taken anew. */
static kern_return_t
select_setting(struct Worker_IVars *worker, uint8_t setting)
{
	kern_return_t status;

	OSSafeReleaseNULL(worker->out);
	OSSafeReleaseNULL(worker->in);
	status = IOUSBHostInterface_SelectAlternateSetting(worker->interface, setting);
	if (IOUSBHostInterface_CopyPipe(worker->interface, DEXT_VIRTUAL_ENDPOINT_OUT,
					&worker->out) != kIOReturnSuccess ||
	    IOUSBHostInterface_CopyPipe(worker->interface, DEXT_VIRTUAL_ENDPOINT_IN, &worker->in) !=
		    kIOReturnSuccess)
		return status != kIOReturnSuccess ? status : kIOReturnNoResources;
	return status;
}

static kern_return_t
isochronous(Worker *self, const struct tools *tools)
{
	struct Worker_IVars *worker = ivars(self);
	kern_return_t status = select_setting(worker, DEXT_VIRTUAL_SETTING_ISOCHRONOUS), back;

	if (status == kIOReturnSuccess)
		status = stream(self, tools);
	back = select_setting(worker, 0);
	if (back != kIOReturnSuccess)
		select_setting(worker, 0); /* the others need it */
	return status != kIOReturnSuccess ? status : back;
}

/* --- the device --- */

static kern_return_t
look_at_interfaces(IOUSBHostDevice *device)
{
	IOUSBHostInterface *interface = NULL;
	uintptr_t iterator = 0;
	kern_return_t status = IOUSBHostDevice_CreateInterfaceIterator(device, &iterator);

	if (status != kIOReturnSuccess)
		return status;
	status = IOUSBHostDevice_CopyInterface(device, iterator, &interface);
	OSSafeReleaseNULL(interface);
	IOUSBHostDevice_DestroyInterfaceIterator(device, iterator);
	return status;
}

static kern_return_t
use_device(Worker *self, const struct tools *tools)
{
	IOUSBHostDevice *device = NULL;
	kern_return_t status = IOUSBHostInterface_CopyDevice(ivars(self)->interface, &device);

	if (status == kIOReturnSuccess)
		status = look_at_interfaces(device);
	OSSafeReleaseNULL(device);
	return status;
}

static kern_return_t
reset_device(Worker *self, const struct tools *tools)
{
	IOUSBHostDevice *device = NULL;
	kern_return_t status = IOUSBHostInterface_CopyDevice(ivars(self)->interface, &device);

	if (status == kIOReturnSuccess)
		status = IOUSBHostDevice_Open(device, (IOService *)self, 0, 0);
	if (status == kIOReturnSuccess) {
		/* Whether it may be while an interface is open is the device's affair. */
		IOUSBHostDevice_SetConfiguration(device, 1, false);
		status = IOUSBHostDevice_Reset(device);
		IOUSBHostDevice_Close(device, (IOService *)self, 0);
		if (status != kIOReturnSuccess)
			abort(); /* without the interface it is of no use */
	}
	OSSafeReleaseNULL(device);
	return status;
}

static kern_return_t
pull_out(Worker *self, const struct tools *tools)
{
	kern_return_t status =
		IOUSBHostInterface_DeviceRequest(ivars(self)->interface, 0x40, WORKER_REQUEST_PULL,
						 0, 0, 0, NULL, NULL, TIMEOUT_MSEC);

	return status == kIOReturnSuccess ? IOUSBHostPipe_ClearStall(ivars(self)->out, true)
					  : status;
}

/* --- what is left at the end --- */

static void
stay(void *context)
{
	finish(1, kIOReturnSuccess);
	for (;;)
		pause();
}

static kern_return_t
leave(Worker *self, const struct tools *tools)
{
	IODispatchQueue *queue = NULL;
	kern_return_t status = empty(self);
	unsigned before;

	OSSafeReleaseNULL(ivars(self)->left);
	ivars(self)->left = tools->memory;
	OSRetain(tools->memory);
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_AsyncIO(ivars(self)->in, tools->memory, BYTES, tools->action,
					       0);
	if (status == kIOReturnSuccess)
		status = IODispatchQueue_Create("stays", 0, 0, &queue);
	before = begin();
	if (status == kIOReturnSuccess) {
		IODispatchQueue_DispatchAsync_f(queue, NULL, stay);
		status = await(before, 1);
	}
	OSSafeReleaseNULL(queue);
	return status;
}

/* --- cancelling --- */

static void
ended(void *context)
{
	finish(1, kIOReturnSuccess);
}

static void
occurred(OSObject *target, OSAction *action, uint64_t time)
{
}

static kern_return_t
cancel_source(Worker *self, IODispatchQueue *queue)
{
	IOTimerDispatchSource *timer = NULL;
	OSAction *action = NULL;
	unsigned before = begin(), begun = 0;
	kern_return_t status = IOTimerDispatchSource_Create(queue, &timer), other;

	if (status == kIOReturnSuccess)
		status = IOTimerDispatchSource_CreateActionTimerOccurred((OSObject *)self, occurred,
									 0, &action);
	if (status == kIOReturnSuccess)
		status = IOTimerDispatchSource_SetHandler(timer, action);
	if (timer != NULL) {
		other = IODispatchSource_Cancel_f((IODispatchSource *)timer, NULL, ended);
		begun += other == kIOReturnSuccess;
		status = status == kIOReturnSuccess ? other : status;
	}
	if (action != NULL) {
		other = OSAction_Cancel_f(action, NULL, ended);
		begun += other == kIOReturnSuccess;
		status = status == kIOReturnSuccess ? other : status;
	}
	if (begun > 0 && await(before, begun) != kIOReturnSuccess)
		status = kIOReturnTimeout;
	OSSafeReleaseNULL(action);
	OSSafeReleaseNULL(timer);
	return status;
}

static kern_return_t
cancel(Worker *self, const struct tools *tools)
{
	IODispatchQueue *queue = NULL;
	unsigned before;
	kern_return_t status = IODispatchQueue_Create("worker", 0, 0, &queue), other;

	if (status != kIOReturnSuccess)
		return status;
	before = begin();
	IODispatchQueue_DispatchConcurrent_f(queue, NULL, ended);
	status = await(before, 1);
	if (status == kIOReturnSuccess)
		status = cancel_source(self, queue);
	before = begin();
	other = IODispatchQueue_Cancel_f(queue, NULL, ended);
	if (other == kIOReturnSuccess)
		other = await(before, 1);
	OSSafeReleaseNULL(queue);
	return status == kIOReturnSuccess ? other : status;
}

/* --- IOLib --- */

#define DELAY_USEC 1000

/* At least so long, whatever signals come. */
static bool
delays(void)
{
	uint64_t before = mach_absolute_time();

	IODelay(DELAY_USEC);
	return mach_absolute_time() - before >= DELAY_USEC * NSEC_PER_USEC;
}

/* All are held at once. */
static bool
hold_and_wait(IOLock *lock, IORecursiveLock *nested, IORWLock *shared)
{
	bool waited;

	IOLockLock(lock);
	IORecursiveLockLock(nested);
	IORecursiveLockLock(nested);
	IORWLockRead(shared);
	waited = delays();
	IORWLockUnlock(shared);
	IORecursiveLockUnlock(nested);
	IORecursiveLockUnlock(nested);
	IOLockUnlock(lock);
	return waited;
}

static kern_return_t
use_io_lib(Worker *self, const struct tools *tools)
{
	IOLock *lock = IOLockAlloc();
	IORecursiveLock *nested = IORecursiveLockAlloc();
	IORWLock *shared = IORWLockAlloc();
	uint8_t *bytes = IOMalloc(BYTES), *zeroed = IOMallocZero(BYTES);
	uint32_t *numbers = IONewZero(uint32_t, BYTES);
	kern_return_t status = kIOReturnNoMemory;

	if (lock != NULL && nested != NULL && shared != NULL && bytes != NULL && zeroed != NULL &&
	    numbers != NULL) {
		memset(bytes, WORKER_BYTE, BYTES);
		status = zeroed[BYTES - 1] == 0 && numbers[BYTES - 1] == 0 &&
					 hold_and_wait(lock, nested, shared)
				 ? kIOReturnSuccess
				 : kIOReturnBadMedia; /* which no fault excuses */
	}
	IOSafeDeleteNULL(numbers, uint32_t, BYTES);
	IOFree(zeroed, BYTES);
	IOFree(bytes, BYTES);
	IORWLockFree(shared);
	IORecursiveLockFree(nested);
	IOLockFree(lock);
	return status;
}

/* --- which --- */

/* What it works with; without `create` it takes nothing. */
static const struct {
	kern_return_t (*create)(OSObject *self, OSAction **ret_action);
	kern_return_t (*run)(Worker *self, const struct tools *tools);
} methods[WORKER_METHODS] = {
	[WORKER_TRANSFER] = {create_transferred, transfer},
	[WORKER_CONTROL] = {create_requested, control},
	[WORKER_BUNDLE] = {create_bundled, bundle},
	[WORKER_ISOCHRONOUS] = {create_streamed, isochronous},
	[WORKER_DEVICE] = {NULL, use_device},
	[WORKER_CANCEL] = {NULL, cancel},
	[WORKER_IO_LIB] = {NULL, use_io_lib},
	[WORKER_RESET] = {NULL, reset_device},
	[WORKER_PULL] = {NULL, pull_out},
	[WORKER_LEAVE] = {create_transferred, leave},
};

kern_return_t
worker_do(Worker *self, uint64_t method)
{
	IOBufferMemoryDescriptor *buffer = NULL;
	struct tools tools = {.memory = NULL};
	kern_return_t status = kIOReturnSuccess;

	if (method >= WORKER_METHODS)
		return kIOReturnUnsupported;
	if (methods[method].create != NULL)
		status = make_buffer(self, &buffer, &tools.bytes);
	tools.memory = (IOMemoryDescriptor *)buffer;
	if (methods[method].create != NULL && status == kIOReturnSuccess)
		status = methods[method].create((OSObject *)self, &tools.action);
	if (status == kIOReturnSuccess)
		status = methods[method].run(self, &tools);
	OSSafeReleaseNULL(tools.action);
	OSSafeReleaseNULL(buffer);
	return status;
}
