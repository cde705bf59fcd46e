/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app's connection: does what the test asks for and says what it sees. Everything runs on the
 * driver's queue.
 */
#include "driver.h"

#include <string.h>

#include <dext_virtual.h>

#define ivars(self) OSObjectIVars(ScenarioUserClient, self)

struct ScenarioUserClient_IVars {
	Scenario *driver;
	IOMemoryDescriptor *kept; /* a structure of the app */
	IOMemoryMap *map;	  /* of it, so that its rights can be seen */
	OSAction *completions[SCENARIO_COMPLETIONS];
	IOMemoryDescriptor *memory[SCENARIO_TYPES]; /* made when it is first asked for */
	IOMemoryDescriptor *parts[2];		    /* of the joined one */
	bool started;
};

static void
count(enum scenario_count which)
{
	atomic_fetch_add(&scenario_counts[which], 1);
}

/* --- an app's own memory --- */

static volatile uint8_t *
bytes_of(IOMemoryMap *map)
{
	return (volatile uint8_t *)(uintptr_t)IOMemoryMap_GetAddress(map);
}

static kern_return_t
use(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	IOMemoryDescriptor *memory = arguments->structureOutputDescriptor;
	IOMemoryMap *map = NULL;
	kern_return_t status;
	uint64_t length;

	if (memory == NULL)
		memory = arguments->structureInputDescriptor;
	if (memory == NULL)
		return kIOReturnBadArgument;
	status = IOMemoryDescriptor_CreateMapping(memory, 0, 0, 0, 0, 0, &map);
	if (status != kIOReturnSuccess)
		return status;
	length = IOMemoryMap_GetLength(map);
	arguments->scalarOutput[0] = IOMemoryMap_GetAddress(map);
	arguments->scalarOutput[1] = length;
	arguments->scalarOutput[2] = 0;
	for (uint64_t i = 0; i < length; i++)
		arguments->scalarOutput[2] += bytes_of(map)[i];
	if (memory == arguments->structureOutputDescriptor)
		memset((void *)bytes_of(map), (int)arguments->scalarInput[1], (size_t)length);
	OSSafeReleaseNULL(ivars(self)->map);
	OSSafeReleaseNULL(ivars(self)->kept);
	if (arguments->scalarInput[0] != 0) {
		OSRetain(memory);
		ivars(self)->kept = memory;
	}
	if (arguments->scalarInput[0] == 2)
		ivars(self)->map = map;
	else
		OSRelease(map);
	return kIOReturnSuccess;
}

/* A byte of a descriptor, through a mapping that is made for it. */
static kern_return_t
touch(IOMemoryDescriptor *memory, uint64_t offset, const uint64_t *write, uint64_t *ret_read)
{
	IOMemoryMap *map = NULL;
	kern_return_t status;

	if (memory == NULL)
		return kIOReturnNotReady;
	status = IOMemoryDescriptor_CreateMapping(memory, 0, 0, offset, 1, 0, &map);
	if (status != kIOReturnSuccess)
		return status;
	if (write != NULL)
		*bytes_of(map) = (uint8_t)*write;
	else
		*ret_read = *bytes_of(map);
	OSRelease(map);
	return kIOReturnSuccess;
}

static kern_return_t
poke(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	return touch(ivars(self)->kept, arguments->scalarInput[0], &arguments->scalarInput[1],
		     NULL);
}

static kern_return_t
peek(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	return touch(ivars(self)->kept, arguments->scalarInput[0], NULL,
		     &arguments->scalarOutput[0]);
}

/* --- the driver's memory --- */

static kern_return_t
create(uint64_t size, IOMemoryDescriptor **memory)
{
	return IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, size, 8,
					       (IOBufferMemoryDescriptor **)memory);
}

static kern_return_t get(void *self, uint64_t type, IOMemoryDescriptor **memory);

static kern_return_t
make(void *self, uint64_t type, IOMemoryDescriptor **memory)
{
	static const uint64_t sizes[SCENARIO_BUFFERS] = SCENARIO_BUFFER_SIZES;
	IOMemoryDescriptor *parent = NULL, **parts = ivars(self)->parts;
	kern_return_t status;

	switch (type) {
	case SCENARIO_WINDOW:
		status = get(self, SCENARIO_PARENT, &parent);
		if (status != kIOReturnSuccess)
			return status;
		return IOMemoryDescriptor_CreateSubMemoryDescriptor(
			kIOMemoryDirectionInOut, SCENARIO_WINDOW_OFFSET, SCENARIO_WINDOW_SIZE,
			parent, memory);
	case SCENARIO_JOINED:
		status = create(SCENARIO_JOINED_FIRST, &parts[0]);
		if (status == kIOReturnSuccess)
			status = create(SCENARIO_JOINED_SECOND, &parts[1]);
		if (status != kIOReturnSuccess)
			return status;
		return IOMemoryDescriptor_CreateWithMemoryDescriptors(kIOMemoryDirectionInOut, 2,
								      parts, memory);
	case SCENARIO_READONLY:
		return create(SCENARIO_READONLY_SIZE, memory);
	case SCENARIO_PARENT:
		return create(SCENARIO_PARENT_SIZE, memory);
	default:
		return create(sizes[type], memory);
	}
}

/* The memory of a type, borrowed: the same descriptor each time. */
static kern_return_t
get(void *self, uint64_t type, IOMemoryDescriptor **memory)
{
	IOMemoryDescriptor **place;

	if (type >= SCENARIO_TYPES)
		return kIOReturnBadArgument;
	place = &ivars(self)->memory[type];
	if (*place == NULL) {
		kern_return_t status = make(self, type, place);

		if (status != kIOReturnSuccess)
			return status;
	}
	*memory = *place;
	return kIOReturnSuccess;
}

static kern_return_t
copy_memory(IOUserClient *self, uint64_t type, uint64_t *options, IOMemoryDescriptor **memory)
{
	IOMemoryDescriptor *found = NULL;
	kern_return_t status;

	if (type >= SCENARIO_PARENT)
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	status = get(self, type, &found);
	if (status != kIOReturnSuccess)
		return status;
	if (type == SCENARIO_READONLY)
		*options = kIOUserClientMemoryReadOnly;
	OSRetain(found);
	*memory = found;
	return kIOReturnSuccess;
}

/* The creator's own mapping of a buffer: a new one is not to be had once it is read-only. */
static kern_return_t
find(void *self, uint64_t type, uint64_t offset, uint8_t **ret_byte)
{
	IOMemoryDescriptor *memory = NULL;
	IOBufferMemoryDescriptor *buffer;
	IOAddressSegment range = {0};
	kern_return_t status;

	if (type == SCENARIO_JOINED && ivars(self)->parts[1] != NULL) {
		memory = ivars(self)->parts[offset >= SCENARIO_JOINED_FIRST];
		offset -= offset >= SCENARIO_JOINED_FIRST ? SCENARIO_JOINED_FIRST : 0;
		status = kIOReturnSuccess;
	} else if (type == SCENARIO_WINDOW) {
		status = get(self, SCENARIO_PARENT, &memory);
		offset += SCENARIO_WINDOW_OFFSET;
	} else {
		status = get(self, type, &memory);
	}
	buffer = OSDynamicCast(IOBufferMemoryDescriptor, memory);
	if (status == kIOReturnSuccess && buffer == NULL)
		status = kIOReturnNotReady;
	if (status == kIOReturnSuccess)
		status = IOBufferMemoryDescriptor_GetAddressRange(buffer, &range);
	if (status == kIOReturnSuccess && offset >= range.length)
		status = kIOReturnBadArgument;
	if (status == kIOReturnSuccess)
		*ret_byte = (uint8_t *)(uintptr_t)(range.address + offset);
	return status;
}

static kern_return_t
write_byte(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	const uint64_t *input = arguments->scalarInput;
	uint8_t *byte = NULL;
	kern_return_t status = find(self, input[0], input[1], &byte);

	if (status == kIOReturnSuccess)
		*(volatile uint8_t *)byte = (uint8_t)input[2];
	return status;
}

static kern_return_t
read_byte(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	const uint64_t *input = arguments->scalarInput;
	uint8_t *byte = NULL;
	kern_return_t status = find(self, input[0], input[1], &byte);

	if (status == kIOReturnSuccess)
		arguments->scalarOutput[0] = *(volatile uint8_t *)byte;
	return status;
}

/* --- completions --- */

static kern_return_t
keep_completion(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	uint64_t numbers[2];

	for (uint64_t i = 0; i < SCENARIO_COMPLETIONS; i++) {
		if (ivars(self)->completions[i] != NULL)
			continue;
		OSRetain(arguments->completion);
		ivars(self)->completions[i] = arguments->completion;
		numbers[0] = i;
		numbers[1] = OSDataGetLength(arguments->structureInput);
		if (arguments->scalarOutputCount == 2)
			memcpy(arguments->scalarOutput, numbers, sizeof(numbers));
		else
			arguments->structureOutput = OSDataCreate(numbers, sizeof(numbers));
		return kIOReturnSuccess;
	}
	return kIOReturnNoSpace;
}

static kern_return_t
complete(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	const uint64_t *input = arguments->scalarInput;
	uint64_t values[kIOUserClientAsyncArgumentsCountMax];

	if (input[0] >= SCENARIO_COMPLETIONS || ivars(self)->completions[input[0]] == NULL ||
	    input[2] > kIOUserClientAsyncArgumentsCountMax)
		return kIOReturnBadArgument;
	for (uint64_t i = 0; i < input[2]; i++)
		values[i] = input[3] + i;
	return IOUserClient_AsyncCompletion(OSRequiredCast(IOUserClient, self),
					    ivars(self)->completions[input[0]], (IOReturn)input[1],
					    values, (uint32_t)input[2]);
}

static kern_return_t
forget(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	if (arguments->scalarInput[0] >= SCENARIO_COMPLETIONS)
		return kIOReturnBadArgument;
	OSSafeReleaseNULL(ivars(self)->completions[arguments->scalarInput[0]]);
	return kIOReturnSuccess;
}

/* --- sending --- */

static IOUSBHostPipe *
pipe_of(void *self)
{
	return OSObjectIVars(Scenario, ivars(self)->driver)->pipe;
}

static void
sent(OSObject *self, OSAction *action, IOReturn status, uint32_t actualByteCount,
     uint64_t completionTimestamp)
{
	uint64_t values[SCENARIO_SENT_MAX] = {
		[SCENARIO_TYPE] = *(uint64_t *)OSAction_GetReference(action),
		[SCENARIO_BYTES] = actualByteCount,
		[SCENARIO_TIMESTAMP] = completionTimestamp,
	};

	count(SCENARIO_COMPLETED);
	if (status == kIOReturnAborted)
		count(SCENARIO_ABORTED);
	if (ivars(self)->completions[0] != NULL)
		IOUserClient_AsyncCompletion(OSRequiredCast(IOUserClient, self),
					     ivars(self)->completions[0], status, values,
					     SCENARIO_SENT_MAX);
}

static kern_return_t
send(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	IOMemoryDescriptor *memory = NULL;
	kern_return_t status = get(self, arguments->scalarInput[0], &memory);
	OSAction *action = NULL;

	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_CreateActionCompleteAsyncIO(self, sent, sizeof(uint64_t),
								   &action);
	if (status != kIOReturnSuccess)
		return status;
	*(uint64_t *)OSAction_GetReference(action) = arguments->scalarInput[0];
	status = IOUSBHostPipe_AsyncIO(pipe_of(self), memory, (uint32_t)arguments->scalarInput[1],
				       action, 0);
	OSRelease(action);
	return status;
}

static kern_return_t
clear(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	return IOUSBHostPipe_ClearStall(pipe_of(self), true);
}

static kern_return_t
ask_device(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	IOUSBHostInterface *interface = OSObjectIVars(Scenario, ivars(self)->driver)->interface;
	IOBufferMemoryDescriptor *buffer = NULL;
	IOAddressSegment range = {0};
	kern_return_t status;
	uint16_t bytes = 0;

	status = IOUSBHostInterface_CreateIOBuffer(interface, kIOMemoryDirectionIn,
						   sizeof(struct dext_virtual_state), &buffer);
	if (status != kIOReturnSuccess)
		return status;
	status = IOUSBHostInterface_DeviceRequest(interface, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, 0, 0,
						  sizeof(struct dext_virtual_state),
						  (IOMemoryDescriptor *)buffer, &bytes, 1000);
	if (status == kIOReturnSuccess)
		status = IOBufferMemoryDescriptor_GetAddressRange(buffer, &range);
	if (status == kIOReturnSuccess)
		arguments->structureOutput = OSDataCreate((void *)(uintptr_t)range.address, bytes);
	OSRelease(buffer);
	return status;
}

/* --- calls --- */

static kern_return_t
tell_counts(OSObject *self, void *reference, IOUserClientMethodArguments *arguments)
{
	for (unsigned i = 0; i < SCENARIO_COUNTS_MAX; i++)
		arguments->scalarOutput[i] = atomic_load(&scenario_counts[i]);
	return kIOReturnSuccess;
}

#define ANY kIOUserClientVariableStructureSize

static const IOUserClientMethodDispatch methods[] = {
	[SCENARIO_COUNTS] = {tell_counts, 0, 0, 0, SCENARIO_COUNTS_MAX, 0},
	[SCENARIO_USE] = {use, 0, 2, ANY, 3, ANY},
	[SCENARIO_POKE] = {poke, 0, 2, 0, 0, 0},
	[SCENARIO_PEEK] = {peek, 0, 1, 0, 1, 0},
	[SCENARIO_REGISTER] = {keep_completion, 1, 0, ANY, ANY, ANY},
	[SCENARIO_COMPLETE] = {complete, 0, 4, 0, 0, 0},
	[SCENARIO_FORGET] = {forget, 0, 1, 0, 0, 0},
	[SCENARIO_SEND] = {send, 0, 2, 0, 0, 0},
	[SCENARIO_ASK_DEVICE] = {ask_device, 0, 0, 0, 0, sizeof(struct dext_virtual_state)},
	[SCENARIO_CLEAR] = {clear, 0, 0, 0, 0, 0},
	[SCENARIO_WRITE] = {write_byte, 0, 3, 0, 0, 0},
	[SCENARIO_READ] = {read_byte, 0, 2, 0, 1, 0},
};

static kern_return_t
external_method(IOUserClient *self, uint64_t selector, IOUserClientMethodArguments *arguments,
		const IOUserClientMethodDispatch *dispatch, OSObject *target, void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0]))
		return kIOReturnUnsupported;
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, NULL);
}

static kern_return_t
start(IOService *self, IOService *provider)
{
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status != kIOReturnSuccess)
		return status;
	ivars(self)->driver = OSRequiredCast(Scenario, provider);
	ivars(self)->started = true;
	count(SCENARIO_STARTS);
	return kIOReturnSuccess;
}

static kern_return_t
stop(IOService *self, IOService *provider)
{
	if (ivars(self)->started) {
		IOUSBHostPipe_Abort(pipe_of(self), kIOUSBAbortSynchronous, kIOReturnAborted, self);
		count(SCENARIO_STOPS);
	}
	for (unsigned i = 0; i < SCENARIO_COMPLETIONS; i++)
		OSSafeReleaseNULL(ivars(self)->completions[i]);
	OSSafeReleaseNULL(ivars(self)->map);
	OSSafeReleaseNULL(ivars(self)->kept);
	return IOService_Stop_Impl(self, provider);
}

static void
deinit(OSObject *self)
{
	for (unsigned i = 0; i < SCENARIO_TYPES; i++)
		OSSafeReleaseNULL(ivars(self)->memory[i]);
	OSSafeReleaseNULL(ivars(self)->parts[0]);
	OSSafeReleaseNULL(ivars(self)->parts[1]);
	count(SCENARIO_FREES);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = deinit,
};
static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = start,
	.Stop = stop,
};
static const IOUserClientMethods user_client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = external_method,
	.CopyClientMemoryForType = copy_memory,
};
const OSMetaClass gScenarioUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "ScenarioUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct ScenarioUserClient_IVars),
	.object = &object_methods,
	.service = &service_methods,
	.user_client = &user_client_methods,
};
