/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back asynchronously is waited for by the method that began it, on a thread of the
 * host. */
#include "worker.h"

#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>
#include <dext_virtual.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BYTES	     512
#define TIMEOUT_MSEC 5000

typedef struct Worker Worker;
extern const OSMetaClass gWorkerMetaClass, gWorkerUserClientMetaClass;

struct Worker_IVars {
	IOUSBHostInterface *interface;
	IOUSBHostPipe *out, *in;
	IOBufferMemoryDescriptor *left; /* of a transfer that its Stop does not end */
};
struct WorkerUserClient_IVars {
	Worker *worker;
	IOMemoryDescriptor *shown; /* to be read only */
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

/* --- the service --- */

#define ivars(self) OSObjectIVars(Worker, self)

static kern_return_t
open_interface(Worker *self)
{
	struct Worker_IVars *worker = ivars(self);
	kern_return_t status =
		IOUSBHostInterface_Open(worker->interface, (IOService *)self, 0, NULL);

	OSSafeReleaseNULL(worker->out);
	OSSafeReleaseNULL(worker->in);
	if (status == kIOReturnSuccess)
		status = IOUSBHostInterface_CopyPipe(worker->interface, DEXT_VIRTUAL_ENDPOINT_IN,
						     &worker->in);
	/* A source has none. */
	if (status == kIOReturnSuccess)
		IOUSBHostInterface_CopyPipe(worker->interface, DEXT_VIRTUAL_ENDPOINT_OUT,
					    &worker->out);
	return status;
}

static kern_return_t
Worker_Start(IOService *self, IOService *provider)
{
	struct Worker_IVars *worker = ivars(self);
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status != kIOReturnSuccess)
		return status;
	worker->interface = OSRequiredCast(IOUSBHostInterface, provider);
	status = open_interface((Worker *)self);
	return status == kIOReturnSuccess ? IOService_RegisterService(self) : status;
}

static kern_return_t
Worker_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->interface != NULL && ivars(self)->left == NULL)
		IOUSBHostInterface_Close(ivars(self)->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
Worker_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t status = IOService_Create(self, self, "UserClientProperties", &client);

	if (status == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return status;
}

static void
Worker_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->out);
	OSSafeReleaseNULL(ivars(self)->in);
	OSSafeReleaseNULL(ivars(self)->left);
	IOService_free_Impl((IOService *)self);
}

static const OSObjectMethods worker_object = {
	.size = sizeof(OSObjectMethods),
	.free = Worker_free,
};
static const IOServiceMethods worker_service = {
	.size = sizeof(IOServiceMethods),
	.Start = Worker_Start,
	.Stop = Worker_Stop,
	.NewUserClient = Worker_NewUserClient,
};
const OSMetaClass gWorkerMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = WORKER_SERVICE,
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Worker_IVars),
	.object = &worker_object,
	.service = &worker_service,
};

/* --- transfers --- */

static void
transferred(OSObject *target, OSAction *action, IOReturn status, uint32_t bytes, uint64_t time)
{
	finish(1, status);
}

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
transfer(Worker *self)
{
	IOBufferMemoryDescriptor *buffer = NULL;
	OSAction *action = NULL;
	uint8_t *bytes = NULL;
	kern_return_t status = make_buffer(self, &buffer, &bytes);

	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_CreateActionCompleteAsyncIO((OSObject *)self, transferred, 0,
								   &action);
	/* What an earlier one has left in it. */
	if (status == kIOReturnSuccess)
		status = empty(self);
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_ClearStall(ivars(self)->out, true);
	if (status == kIOReturnSuccess)
		status = send_and_receive(ivars(self), (IOMemoryDescriptor *)buffer, bytes);
	if (status == kIOReturnSuccess)
		status = receive_and_abort(ivars(self), (IOMemoryDescriptor *)buffer, action);
	OSSafeReleaseNULL(action);
	OSSafeReleaseNULL(buffer);
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
control(Worker *self)
{
	IOBufferMemoryDescriptor *buffer = NULL;
	IOUSBHostDevice *device = NULL;
	OSAction *action = NULL;
	uint8_t *bytes = NULL;
	kern_return_t status = make_buffer(self, &buffer, &bytes);

	if (status == kIOReturnSuccess)
		status = IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(
			(OSObject *)self, requested, 0, &action);
	if (status == kIOReturnSuccess)
		status = ask_both_ways(self, (IOMemoryDescriptor *)buffer, action);
	if (status == kIOReturnSuccess)
		status = IOUSBHostInterface_CopyDevice(ivars(self)->interface, &device);
	if (status == kIOReturnSuccess)
		status = copy_descriptors(device);
	OSSafeReleaseNULL(device);
	OSSafeReleaseNULL(action);
	OSSafeReleaseNULL(buffer);
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
send_bundle(IOUSBHostPipe *pipe, IOMemoryDescriptor *memory, OSAction *action)
{
	const uint32_t lengths[kIOUSBHostPipeBundlingMax] = {BYTES, BYTES};
	unsigned before = begin();
	uint32_t accepted = 0;
	kern_return_t status = IOUSBHostPipe_CreateMemoryDescriptorRing(pipe, 4);

	if (status == kIOReturnExclusiveAccess) /* it has one from the last time */
		status = kIOReturnSuccess;
	for (uint32_t i = 0; i < 2 && status == kIOReturnSuccess; i++)
		status = IOUSBHostPipe_SetMemoryDescriptor(pipe, memory, i);
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_AsyncIOBundled(pipe, 0, 2, &accepted, lengths, 2, action,
						      TIMEOUT_MSEC);
	if (accepted > 0) {
		kern_return_t ended = await(before, accepted);

		status = status == kIOReturnSuccess ? ended : status;
	}
	for (uint32_t i = 0; i < 2; i++)
		IOUSBHostPipe_SetMemoryDescriptor(pipe, NULL, i);
	return status;
}

static kern_return_t
bundle(Worker *self)
{
	IOBufferMemoryDescriptor *buffer = NULL;
	OSAction *action = NULL;
	uint8_t *bytes = NULL;
	kern_return_t status = make_buffer(self, &buffer, &bytes);

	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_CreateActionCompleteAsyncIOBundled((OSObject *)self, bundled,
									  0, &action);
	if (status == kIOReturnSuccess)
		status = send_bundle(ivars(self)->out, (IOMemoryDescriptor *)buffer, action);
	OSSafeReleaseNULL(action);
	OSSafeReleaseNULL(buffer);
	return status;
}

/* --- isochronous --- */

static void
streamed(OSObject *target, OSAction *action, IOReturn status)
{
	finish(1, status);
}

static kern_return_t
stream(Worker *self, IOUSBHostPipe *pipe)
{
	IOBufferMemoryDescriptor *buffer = NULL, *list = NULL;
	OSAction *action = NULL;
	uint8_t *bytes = NULL, *frames = NULL;
	unsigned before = begin();
	kern_return_t status = make_buffer(self, &buffer, &bytes);

	if (status == kIOReturnSuccess)
		status = make_buffer(self, &list, &frames);
	if (status == kIOReturnSuccess)
		status =
			IOBufferMemoryDescriptor_SetLength(list, 2 * sizeof(IOUSBIsochronousFrame));
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_CreateActionCompleteAsyncIsochIO((OSObject *)self, streamed,
									0, &action);
	if (status == kIOReturnSuccess) {
		for (unsigned i = 0; i < 2; i++)
			((IOUSBIsochronousFrame *)frames)[i] =
				(IOUSBIsochronousFrame){.requestCount = 64};
		status = IOUSBHostPipe_IsochIO(pipe, (IOMemoryDescriptor *)buffer,
					       (IOMemoryDescriptor *)list, 0, action);
	}
	if (status == kIOReturnSuccess)
		status = await(before, 1);
	OSSafeReleaseNULL(action);
	OSSafeReleaseNULL(list);
	OSSafeReleaseNULL(buffer);
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
isochronous(Worker *self)
{
	struct Worker_IVars *worker = ivars(self);
	kern_return_t status = select_setting(worker, DEXT_VIRTUAL_SETTING_ISOCHRONOUS), back;

	if (status == kIOReturnSuccess)
		status = stream(self, worker->out);
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
use_device(Worker *self)
{
	IOUSBHostDevice *device = NULL;
	kern_return_t status = IOUSBHostInterface_CopyDevice(ivars(self)->interface, &device);

	if (status == kIOReturnSuccess)
		status = look_at_interfaces(device);
	OSSafeReleaseNULL(device);
	return status;
}

static kern_return_t
reset_device(Worker *self)
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
pull_out(Worker *self)
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
	for (;;)
		pause();
}

static kern_return_t
leave(Worker *self)
{
	IODispatchQueue *queue = NULL;
	OSAction *action = NULL;
	uint8_t *bytes = NULL;
	kern_return_t status = make_buffer(self, &ivars(self)->left, &bytes);

	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_CreateActionCompleteAsyncIO((OSObject *)self, transferred, 0,
								   &action);
	if (status == kIOReturnSuccess)
		status = empty(self);
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_AsyncIO(
			ivars(self)->in, (IOMemoryDescriptor *)ivars(self)->left, BYTES, action, 0);
	if (status == kIOReturnSuccess)
		status = IODispatchQueue_Create("stays", 0, 0, &queue);
	if (status == kIOReturnSuccess)
		IODispatchQueue_DispatchAsync_f(queue, NULL, stay);
	OSSafeReleaseNULL(queue);
	OSSafeReleaseNULL(action);
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
cancel(Worker *self)
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

/* --- the user client --- */

static kern_return_t (*const methods[WORKER_METHODS])(Worker *self) = {
	[WORKER_TRANSFER] = transfer,	    [WORKER_CONTROL] = control,	  [WORKER_BUNDLE] = bundle,
	[WORKER_ISOCHRONOUS] = isochronous, [WORKER_DEVICE] = use_device, [WORKER_CANCEL] = cancel,
	[WORKER_RESET] = reset_device,	    [WORKER_PULL] = pull_out,	  [WORKER_LEAVE] = leave,
};

/* Its methods wait for completions, which come on the service's queue, so it needs another one. */
static kern_return_t
client_start(IOService *self, IOService *provider)
{
	IODispatchQueue *queue = NULL;
	kern_return_t status = IOService_Start_Impl(self, provider);

	OSObjectIVars(WorkerUserClient, self)->worker = (Worker *)provider;
	if (status == kIOReturnSuccess)
		status = IODispatchQueue_Create("client", 0, 0, &queue);
	if (status == kIOReturnSuccess)
		status = OSObject_SetDispatchQueue((OSObject *)self, kIOServiceDefaultQueueName,
						   queue);
	OSSafeReleaseNULL(queue);
	return status;
}

/* --- memory --- */

static kern_return_t
make_pages(unsigned count, IOMemoryDescriptor **ret_memory)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	IOBufferMemoryDescriptor *buffer = NULL;
	IOAddressSegment range = {0};
	kern_return_t status = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut,
							       count * page, page, &buffer);

	if (status != kIOReturnSuccess)
		return status;
	status = IOBufferMemoryDescriptor_GetAddressRange(buffer, &range);
	for (unsigned i = 0; i < count && status == kIOReturnSuccess; i++)
		((uint8_t *)(uintptr_t)range.address)[i * page] = WORKER_BYTE;
	*ret_memory = (IOMemoryDescriptor *)buffer;
	return status;
}

static kern_return_t
join(IOMemoryDescriptor **ret_memory)
{
	IOMemoryDescriptor *parts[2] = {NULL};
	kern_return_t status = make_pages(1, &parts[0]);

	if (status == kIOReturnSuccess)
		status = make_pages(1, &parts[1]);
	if (status == kIOReturnSuccess)
		status = IOMemoryDescriptor_CreateWithMemoryDescriptors(kIOMemoryDirectionInOut, 2,
									parts, ret_memory);
	OSSafeReleaseNULL(parts[0]);
	OSSafeReleaseNULL(parts[1]);
	return status;
}

static kern_return_t
take_part(IOMemoryDescriptor **ret_memory)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	IOMemoryDescriptor *whole = NULL;
	kern_return_t status = make_pages(4, &whole);

	if (status == kIOReturnSuccess)
		status = IOMemoryDescriptor_CreateSubMemoryDescriptor(kIOMemoryDirectionInOut, page,
								      2 * page, whole, ret_memory);
	OSSafeReleaseNULL(whole);
	return status;
}

static kern_return_t
copy_memory(IOUserClient *self, uint64_t type, uint64_t *options, IOMemoryDescriptor **memory)
{
	struct WorkerUserClient_IVars *client = OSObjectIVars(WorkerUserClient, self);
	kern_return_t status;

	if (type == WORKER_PART)
		return take_part(memory);
	if (type == WORKER_JOINED)
		return join(memory);
	if (type != WORKER_READ_ONLY)
		return kIOReturnBadArgument;
	*options = kIOUserClientMemoryReadOnly;
	status = make_pages(2, memory);
	if (status == kIOReturnSuccess) {
		OSSafeReleaseNULL(client->shown);
		client->shown = *memory;
		OSRetain(*memory);
	}
	return status;
}

/* What the app may only read the driver can still write, through another mapping, too. */
static kern_return_t
map_again(struct WorkerUserClient_IVars *client)
{
	IOMemoryMap *map = NULL;
	kern_return_t status;

	if (client->shown == NULL)
		return kIOReturnNotReady;
	status = IOMemoryDescriptor_CreateMapping(client->shown, 0, 0, 0, 0, 0, &map);
	if (status == kIOReturnSuccess) {
		IOMemoryMap *over = NULL;
		uint64_t taken = IOMemoryMap_GetAddress(map);

		*(uint8_t *)(uintptr_t)taken = WORKER_BYTE;
		/* Something is there. */
		if (IOMemoryDescriptor_CreateMapping(client->shown, kIOMemoryMapFixedAddress, taken,
						     0, 0, 0, &over) == kIOReturnSuccess)
			status = kIOReturnBadMedia;
		OSSafeReleaseNULL(over);
	}
	OSSafeReleaseNULL(map);
	return status;
}

static kern_return_t
external_method(IOUserClient *self, uint64_t selector, IOUserClientMethodArguments *arguments,
		const IOUserClientMethodDispatch *dispatch, OSObject *target, void *reference)
{
	if (selector == WORKER_REMAP)
		return map_again(OSObjectIVars(WorkerUserClient, self));
	return selector < WORKER_METHODS
		       ? methods[selector](OSObjectIVars(WorkerUserClient, self)->worker)
		       : kIOReturnUnsupported;
}

static void
client_free(OSObject *self)
{
	OSSafeReleaseNULL(OSObjectIVars(WorkerUserClient, self)->shown);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods client_object = {
	.size = sizeof(OSObjectMethods),
	.free = client_free,
};
static const IOServiceMethods client_service = {
	.size = sizeof(IOServiceMethods),
	.Start = client_start,
};
static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = external_method,
	.CopyClientMemoryForType = copy_memory,
};
const OSMetaClass gWorkerUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "WorkerUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct WorkerUserClient_IVars),
	.object = &client_object,
	.service = &client_service,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Worker), OSTypeID(WorkerUserClient))
