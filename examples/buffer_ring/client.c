/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BufferRingUserClient: the app's connection. Its methods and actions run on the driver's queue,
 * one after the other, so nothing here needs a lock.
 */
#include "driver.h"

#include "ring.h"

#include <dext_virtual.h>

#define ivars(self) OSObjectIVars(BufferRingUserClient, self)

/* An app's own memory, as this process sees it. */
struct shared {
	IOMemoryDescriptor *descriptor; /* kept: that is what keeps it shared */
	IOMemoryMap *map;
};

struct BufferRingUserClient_IVars {
	BufferRing *driver;
	IOBufferMemoryDescriptor *buffers[RING_BUFFERS];
	OSAction *actions[RING_BUFFERS]; /* one for each buffer: it tells CompleteAsyncIO which */
	bool in_flight[RING_BUFFERS];
	OSAction *completion; /* the app's callback */
	IOBufferMemoryDescriptor *statistics;
	struct shared status;
	struct shared settings;
};

static struct ring_status *
get_statistics(void *self)
{
	IOAddressSegment range = {0};

	IOBufferMemoryDescriptor_GetAddressRange(ivars(self)->statistics, &range);
	return (struct ring_status *)(uintptr_t)range.address;
}

/* --- step 2: the app's own memory --- */

static kern_return_t
share(struct shared *shared, IOMemoryDescriptor *descriptor)
{
	IOMemoryMap *map = NULL;
	kern_return_t result;

	if (descriptor == NULL || shared->descriptor != NULL)
		return kIOReturnBadArgument;
	result = IOMemoryDescriptor_CreateMapping(descriptor, 0, 0, 0, 0, 0, &map);
	if (result != kIOReturnSuccess)
		return result;
	OSRetain(descriptor);
	shared->descriptor = descriptor;
	shared->map = map;
	return kIOReturnSuccess;
}

static void
unshare(struct shared *shared)
{
	OSSafeReleaseNULL(shared->map);
	OSSafeReleaseNULL(shared->descriptor);
}

static kern_return_t
ShareStatus(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	struct shared *shared = &ivars(self)->status;
	kern_return_t result = share(shared, arguments->structureOutputDescriptor);

	if (result == kIOReturnSuccess)
		*(struct ring_status *)(uintptr_t)IOMemoryMap_GetAddress(shared->map) =
			*get_statistics(self);
	return result;
}

/* The mapping of an input structure is read-only. */
static kern_return_t
ShareSettings(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	return share(&ivars(self)->settings, arguments->structureInputDescriptor);
}

/* What must not be done: writing to an input structure ends this process. */
static kern_return_t
WriteSettings(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	IOMemoryMap *map = ivars(self)->settings.map;

	if (map == NULL)
		return kIOReturnNotReady;
	((volatile struct ring_settings *)(uintptr_t)IOMemoryMap_GetAddress(map))->longest = 0;
	return kIOReturnSuccess;
}

static uint64_t
longest(void *self)
{
	IOMemoryMap *map = ivars(self)->settings.map;
	uint64_t limit;

	if (map == NULL)
		return RING_BUFFER_SIZE;
	/* The app may change it at any moment: read it once, then use what was read. */
	limit = ((const volatile struct ring_settings *)(uintptr_t)IOMemoryMap_GetAddress(map))
			->longest;
	return limit < RING_BUFFER_SIZE ? limit : RING_BUFFER_SIZE;
}

/* --- step 3 and step 9: memory types --- */

static kern_return_t
BufferRingUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
					     IOMemoryDescriptor **memory)
{
	IOBufferMemoryDescriptor *found;

	if (type < RING_BUFFERS) {
		found = ivars(self)->buffers[type];
	} else if (type == kRingStatistics) {
		found = ivars(self)->statistics;
		*options = kIOUserClientMemoryReadOnly;
	} else {
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	}
	OSRetain(found);
	*memory = (IOMemoryDescriptor *)found;
	return kIOReturnSuccess;
}

/* --- step 4: the app's callback --- */

static kern_return_t
Register(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	OSRetain(arguments->completion);
	OSSafeReleaseNULL(ivars(self)->completion);
	ivars(self)->completion = arguments->completion;
	return kIOReturnSuccess;
}

/* --- steps 6 to 8: sending --- */

static kern_return_t
Send(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	uint64_t i = arguments->scalarInput[0];
	uint64_t length = arguments->scalarInput[1];
	IOUSBHostPipe *pipe = OSObjectIVars(BufferRing, ivars(self)->driver)->pipe;
	kern_return_t result;

	if (i >= RING_BUFFERS || length > longest(self))
		return kIOReturnBadArgument;
	if (ivars(self)->in_flight[i])
		return kIOReturnBusy;
	result = IOUSBHostPipe_AsyncIO(pipe, (IOMemoryDescriptor *)ivars(self)->buffers[i],
				       (uint32_t)length, ivars(self)->actions[i], 0);
	if (result == kIOReturnSuccess)
		ivars(self)->in_flight[i] = true;
	return result;
}

static void
CompleteAsyncIO(OSObject *self, OSAction *action, IOReturn status, uint32_t actualByteCount,
		uint64_t completionTimestamp)
{
	uint64_t i = *(uint64_t *)OSAction_GetReference(action);
	uint64_t arguments[2] = {i, actualByteCount};
	struct ring_status *statistics = get_statistics(self);
	IOMemoryMap *map = ivars(self)->status.map;

	ivars(self)->in_flight[i] = false;
	statistics->buffers_sent++;
	statistics->bytes_sent += actualByteCount;
	if (map != NULL) /* appears in the app's own memory */
		*(struct ring_status *)(uintptr_t)IOMemoryMap_GetAddress(map) = *statistics;
	if (ivars(self)->completion != NULL)
		IOUserClient_AsyncCompletion(OSRequiredCast(IOUserClient, self),
					     ivars(self)->completion, status, arguments, 2);
}

/* What the virtual sink itself knows: how much it received, and from which pages. */
static kern_return_t
AskDevice(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	IOUSBHostInterface *interface = OSObjectIVars(BufferRing, ivars(self)->driver)->interface;
	IOBufferMemoryDescriptor *buffer = NULL;
	IOAddressSegment range = {0};
	uint16_t bytes = 0;
	kern_return_t result;

	result = IOUSBHostInterface_CreateIOBuffer(interface, kIOMemoryDirectionIn,
						   sizeof(struct dext_virtual_state), &buffer);
	if (result != kIOReturnSuccess)
		return result;
	result = IOUSBHostInterface_DeviceRequest(interface, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, 0, 0,
						  sizeof(struct dext_virtual_state),
						  (IOMemoryDescriptor *)buffer, &bytes, 1000);
	if (result == kIOReturnSuccess)
		result = IOBufferMemoryDescriptor_GetAddressRange(buffer, &range);
	if (result == kIOReturnSuccess) {
		arguments->structureOutput = OSDataCreate((void *)(uintptr_t)range.address, bytes);
		if (arguments->structureOutput == NULL)
			result = kIOReturnNoMemory;
	}
	OSRelease(buffer);
	return result;
}

/* --- calls --- */

/* Columns: completion, scalars in, structure in, scalars out, structure out. */
static const IOUserClientMethodDispatch methods[] = {
	[kRingShareStatus] = {ShareStatus, 0, 0, 0, 0, RING_SHARED_SIZE},
	[kRingShareSettings] = {ShareSettings, 0, 0, RING_SHARED_SIZE, 0, 0},
	[kRingRegister] = {Register, 1, 0, 0, 0, 0},
	[kRingSend] = {Send, 0, 2, 0, 0, 0},
	[kRingAskDevice] = {AskDevice, 0, 0, 0, 0, sizeof(struct dext_virtual_state)},
	[kRingWriteSettings] = {WriteSettings, 0, 0, 0, 0, 0},
};

static kern_return_t
BufferRingUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
				    IOUserClientMethodArguments *arguments,
				    const IOUserClientMethodDispatch *dispatch, OSObject *target,
				    void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0]))
		return kIOReturnUnsupported;
	/* The library checks the counts against the row, and calls its function. */
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, NULL);
}

/* --- beginning and end --- */

static kern_return_t
BufferRingUserClient_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	if (result != kIOReturnSuccess)
		return result;
	ivars(self)->driver = OSRequiredCast(BufferRing, provider);
	OSObjectIVars(BufferRing, provider)->busy = true;
	result = IOBufferMemoryDescriptor_Create(
		kIOMemoryDirectionInOut, sizeof(struct ring_status), 0, &ivars(self)->statistics);
	for (uint64_t i = 0; i < RING_BUFFERS && result == kIOReturnSuccess; i++) {
		result = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, RING_BUFFER_SIZE,
							 0, &ivars(self)->buffers[i]);
		if (result == kIOReturnSuccess)
			result = IOUSBHostPipe_CreateActionCompleteAsyncIO(
				(OSObject *)self, CompleteAsyncIO, sizeof(i),
				&ivars(self)->actions[i]);
		if (result == kIOReturnSuccess)
			*(uint64_t *)OSAction_GetReference(ivars(self)->actions[i]) = i;
	}
	return result;
}

/* Step 10: the app closed, or died. What it had underway comes back before Abort returns. */
static kern_return_t
BufferRingUserClient_Stop(IOService *self, IOService *provider)
{
	struct BufferRing_IVars *driver;

	if (ivars(self)->driver != NULL) {
		driver = OSObjectIVars(BufferRing, ivars(self)->driver);
		IOUSBHostPipe_Abort(driver->pipe, kIOUSBAbortSynchronous, kIOReturnAborted, self);
		driver->busy = false;
	}
	/* An action holds its target, which is this object: released here, not in free. */
	for (unsigned i = 0; i < RING_BUFFERS; i++)
		OSSafeReleaseNULL(ivars(self)->actions[i]);
	OSSafeReleaseNULL(ivars(self)->completion);
	unshare(&ivars(self)->status);
	unshare(&ivars(self)->settings);
	return IOService_Stop_Impl(self, provider);
}

static void
BufferRingUserClient_free(OSObject *self)
{
	for (unsigned i = 0; i < RING_BUFFERS; i++)
		OSSafeReleaseNULL(ivars(self)->buffers[i]);
	OSSafeReleaseNULL(ivars(self)->statistics);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = BufferRingUserClient_free,
};
static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = BufferRingUserClient_Start,
	.Stop = BufferRingUserClient_Stop,
};
static const IOUserClientMethods user_client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = BufferRingUserClient_ExternalMethod,
	.CopyClientMemoryForType = BufferRingUserClient_CopyClientMemoryForType,
};
const OSMetaClass gBufferRingUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "BufferRingUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct BufferRingUserClient_IVars),
	.object = &object_methods,
	.service = &service_methods,
	.user_client = &user_client_methods,
};
