/* SPDX-License-Identifier: Apache-2.0 */
/* A driver without a device, for tests of everything between an app and a driver. */
#include "echo.h"

#include <DriverKit/DriverKit.h>

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct Echo_IVars {
	IOService *children[ECHO_CHILDREN_MAX];
	unsigned child_count;
};

struct EchoUserClient_IVars {
	IOBufferMemoryDescriptor *memory, *read_only;
	OSAction *completion;
	IOMemoryDescriptor *kept;
	IOMemoryMap *map; /* of it */
	bool counted;
	uint64_t last_words; /* completions that Stop sends */
};

extern const OSMetaClass gEchoMetaClass, gEchoUserClientMetaClass, gEchoChildMetaClass;

static atomic_uint clients;

/* --- the service --- */

/* Of enum echo_start. */
static uint64_t
get_mode(IOService *self)
{
	uint64_t mode = ECHO_START_REGISTERS;
	OSDictionary *properties = NULL;

	if (IOService_CopyProperties(self, &properties) == kIOReturnSuccess)
		OSDictionaryGetUInt64Value(properties, "EchoStart", &mode);
	OSRelease(properties);
	return mode;
}

static kern_return_t
Echo_Start(IOService *self, IOService *provider)
{
	kern_return_t status = IOService_Start_Impl(self, provider);
	uint64_t mode = get_mode(self);

	if (status != kIOReturnSuccess)
		return status;
	if (mode == ECHO_START_CRASHES)
		abort();
	if (mode == ECHO_START_FAILS)
		return kIOReturnNotPermitted;
	return mode == ECHO_START_SILENT ? kIOReturnSuccess : IOService_RegisterService(self);
}

static kern_return_t
Echo_Stop(IOService *self, IOService *provider)
{
	struct Echo_IVars *own = OSObjectIVars(Echo, self);

	while (get_mode(self) == ECHO_START_HANGS_LATER)
		poll(NULL, 0, -1);
	while (own->child_count > 0)
		OSRelease(own->children[--own->child_count]);
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
Echo_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t status = IOService_Create(self, self, "UserClientProperties", &client);

	if (status == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return status;
}

static kern_return_t
Echo_SetProperties(IOService *self, OSDictionary *properties)
{
	if (OSDictionaryGetValue(properties, ECHO_SET_REFUSE) != NULL)
		return kIOReturnNotPermitted;
	while (OSDictionaryGetValue(properties, ECHO_SET_HANG) != NULL) {
		os_log(OS_LOG_DEFAULT, "Echo hangs");
		poll(NULL, 0, -1);
	}
	return IOService_SetProperties_Impl(self, properties);
}

static const IOServiceMethods echo_service = {
	.size = sizeof(IOServiceMethods),
	.Start = Echo_Start,
	.Stop = Echo_Stop,
	.NewUserClient = Echo_NewUserClient,
	.SetProperties = Echo_SetProperties,
};

const OSMetaClass gEchoMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Echo",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Echo_IVars),
	.service = &echo_service,
};

const OSMetaClass gEchoChildMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "EchoChild",
	.superclass = OSTypeID(IOService),
};

/* --- its user client --- */

static struct EchoUserClient_IVars *
ivars(const void *self)
{
	return OSObjectIVars(EchoUserClient, self);
}

static kern_return_t
client_start(IOService *self, IOService *provider)
{
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status == kIOReturnSuccess)
		status = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, ECHO_MEMORY_SIZE,
							 0, &ivars(self)->memory);
	if (status == kIOReturnSuccess) {
		atomic_fetch_add(&clients, 1);
		ivars(self)->counted = true;
	}
	return status;
}

/* The driver's last completions, when the app has heard that the end is near. */
static void
say_last_words(IOUserClient *self)
{
	struct EchoUserClient_IVars *own = ivars(self);
	IOAddressSegment range = {0, 0};

	if (own->last_words == 0 ||
	    IOBufferMemoryDescriptor_GetAddressRange(own->memory, &range) != kIOReturnSuccess)
		return;
	while (*(volatile unsigned char *)(uintptr_t)range.address != ECHO_GO)
		poll(NULL, 0, 1);
	for (uint64_t i = 0; i < own->last_words; i++)
		IOUserClient_AsyncCompletion(self, own->completion, kIOReturnSuccess, &i, 1);
}

static kern_return_t
client_stop(IOService *self, IOService *provider)
{
	say_last_words((IOUserClient *)self);
	if (ivars(self)->counted)
		atomic_fetch_sub(&clients, 1);
	ivars(self)->counted = false;
	OSSafeReleaseNULL(ivars(self)->completion);
	return IOService_Stop_Impl(self, provider);
}

static void
client_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->completion);
	OSSafeReleaseNULL(ivars(self)->map);
	OSSafeReleaseNULL(ivars(self)->kept);
	OSSafeReleaseNULL(ivars(self)->memory);
	OSSafeReleaseNULL(ivars(self)->read_only);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static kern_return_t
echo(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	uint32_t count = arguments->scalarInputCount;

	if (count > arguments->scalarOutputCount)
		return kIOReturnBadArgument;
	memcpy(arguments->scalarOutput, arguments->scalarInput, count * sizeof(uint64_t));
	arguments->scalarOutputCount = count;
	if (arguments->structureInput != NULL)
		arguments->structureOutput =
			OSDataCreate(OSDataGetBytesPtr(arguments->structureInput),
				     OSDataGetLength(arguments->structureInput));
	if (arguments->structureInput != NULL && arguments->structureOutput == NULL)
		return kIOReturnNoMemory;
	return kIOReturnSuccess;
}

static kern_return_t
complete(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct EchoUserClient_IVars *own = ivars(target);

	OSSafeReleaseNULL(own->completion);
	OSRetain(arguments->completion);
	own->completion = arguments->completion;
	return IOUserClient_AsyncCompletion((IOUserClient *)target, own->completion,
					    kIOReturnSuccess, arguments->scalarInput,
					    arguments->scalarInputCount);
}

static kern_return_t
hang(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	if (arguments->completion != NULL)
		IOUserClient_AsyncCompletion((IOUserClient *)target, arguments->completion,
					     kIOReturnSuccess, NULL, 0);
	while (poll(NULL, 0, -1) != 0)
		;
	return kIOReturnError;
}

static kern_return_t
wait_for_go(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	IOAddressSegment range = {0, 0};
	kern_return_t status =
		IOBufferMemoryDescriptor_GetAddressRange(ivars(target)->memory, &range);

	while (status == kIOReturnSuccess &&
	       *(volatile unsigned char *)(uintptr_t)range.address != ECHO_GO)
		poll(NULL, 0, 1);
	return status;
}

static kern_return_t
send_nonsense(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	/* Behind the standard ones and the registry's; what is no socket takes nothing. */
	for (int fd = 4; fd < 256; fd++)
		send(fd, "nonsense", 8, MSG_NOSIGNAL | MSG_DONTWAIT);
	return kIOReturnSuccess;
}

static kern_return_t
count(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	arguments->scalarOutput[0] = atomic_load(&clients);
	return kIOReturnSuccess;
}

static kern_return_t
fill_with(OSObject *target, uint64_t byte)
{
	IOAddressSegment range = {0, 0};
	kern_return_t status =
		IOBufferMemoryDescriptor_GetAddressRange(ivars(target)->memory, &range);

	if (status == kIOReturnSuccess)
		memset((void *)(uintptr_t)range.address, (int)byte, (size_t)range.length);
	return status;
}

static kern_return_t
fill(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return fill_with(target, arguments->scalarInput[0]);
}

static kern_return_t
client_set_properties(IOService *self, OSDictionary *properties)
{
	uint64_t byte;

	if (!OSDictionaryGetUInt64Value(properties, ECHO_SET_FILL, &byte))
		return kIOReturnBadArgument;
	return fill_with((OSObject *)self, byte);
}

static kern_return_t
crash(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	abort();
}

static kern_return_t
keep(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct EchoUserClient_IVars *own = ivars(target);
	uint64_t length = 0;
	kern_return_t status;

	OSSafeReleaseNULL(own->map);
	OSSafeReleaseNULL(own->kept);
	own->kept = arguments->structureOutputDescriptor;
	if (own->kept == NULL)
		own->kept = arguments->structureInputDescriptor;
	if (own->kept == NULL)
		return kIOReturnBadArgument;
	OSRetain(own->kept);
	status = IOMemoryDescriptor_CreateMapping(own->kept, 0, 0, 0, 0, 0, &own->map);
	if (status == kIOReturnSuccess)
		status = IOMemoryDescriptor_GetLength(own->kept, &length);
	arguments->scalarOutput[0] = length;
	return status;
}

static volatile unsigned char *
kept_byte(OSObject *target, const IOUserClientMethodArguments *arguments)
{
	IOMemoryMap *map = ivars(target)->map;

	if (map == NULL || arguments->scalarInput[0] >= IOMemoryMap_GetLength(map))
		return NULL;
	return (volatile unsigned char *)(uintptr_t)(IOMemoryMap_GetAddress(map) +
						     arguments->scalarInput[0]);
}

static kern_return_t
poke(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	volatile unsigned char *byte = kept_byte(target, arguments);

	if (byte == NULL)
		return kIOReturnNotReady;
	*byte = (unsigned char)arguments->scalarInput[1];
	return kIOReturnSuccess;
}

static kern_return_t
peek(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	const volatile unsigned char *byte = kept_byte(target, arguments);

	if (byte == NULL)
		return kIOReturnNotReady;
	arguments->scalarOutput[0] = *byte;
	return kIOReturnSuccess;
}

static kern_return_t
back(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	IOMemoryMap *map = NULL;
	kern_return_t status;

	if (arguments->structureInputDescriptor == NULL)
		return kIOReturnBadArgument;
	status = IOMemoryDescriptor_CreateMapping(arguments->structureInputDescriptor, 0, 0, 0, 0,
						  0, &map);
	if (status != kIOReturnSuccess)
		return status;
	arguments->structureOutput = OSDataCreate((void *)(uintptr_t)IOMemoryMap_GetAddress(map),
						  IOMemoryMap_GetLength(map));
	OSRelease(map);
	return arguments->structureOutput != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

static kern_return_t
add_child(IOService *service)
{
	struct Echo_IVars *own = OSObjectIVars(Echo, service);
	IOService *child = NULL;
	kern_return_t status = IOService_Create(service, service, "ChildProperties", &child);

	if (status == kIOReturnSuccess)
		status = IOService_RegisterService(child);
	if (status == kIOReturnSuccess)
		own->children[own->child_count++] = child;
	return status;
}

static kern_return_t
children(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	IOService *service = IOService_GetProvider((IOService *)target);
	struct Echo_IVars *own = OSObjectIVars(Echo, service);
	kern_return_t status = kIOReturnSuccess;

	if (arguments->scalarInput[0] > ECHO_CHILDREN_MAX)
		return kIOReturnBadArgument;
	while (status == kIOReturnSuccess && own->child_count < arguments->scalarInput[0])
		status = add_child(service);
	while (status == kIOReturnSuccess && own->child_count > arguments->scalarInput[0]) {
		IOService *child = own->children[--own->child_count];

		status = IOService_Terminate(child, 0);
		OSRelease(child);
	}
	return status;
}

static kern_return_t
set(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	OSDictionary *properties = OSDictionaryCreate(1);
	kern_return_t status;

	OSDictionarySetUInt64Value(properties, "EchoNumber", arguments->scalarInput[0]);
	status = IOService_SetProperties(IOService_GetProvider((IOService *)target), properties);
	OSRelease(properties);
	return status;
}

static void
put(OSDictionary *properties, const char *key, const void *object)
{
	OSDictionarySetValue(properties, key, object);
	OSRelease(object);
}

static kern_return_t
set_kinds(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	OSDictionary *properties = OSDictionaryCreate(8), *inner = OSDictionaryCreate(1);
	OSArray *array = OSArrayCreate(2);
	kern_return_t status;

	put(properties, "Number8", OSNumberCreate(200, 8));
	put(properties, "Number16", OSNumberCreate(0xfffe, 16));
	put(properties, "Number32", OSNumberCreate(0xfd120000, 32));
	put(properties, "Number64", OSNumberCreate(UINT64_MAX - 3, 64));
	put(properties, "String",
	    OSStringCreateWithCString("Gr\xc3\xbc\xc3\x9f"
				      "e"));
	put(properties, "Data", OSDataCreate("\0\1\xff", 3));
	put(properties, "NoData", OSDataCreate("", 0));
	OSDictionarySetValue(properties, "True", kOSBooleanTrue);
	OSDictionarySetValue(properties, "False", kOSBooleanFalse);
	OSArrayAppendValue(array, OSDictionaryGetValue(properties, "Number8"));
	OSArrayAppendValue(array, kOSBooleanTrue);
	OSDictionarySetValue(inner, "Array", array);
	put(properties, "Array", array);
	put(properties, "Dictionary", inner);
	status = IOService_SetProperties(IOService_GetProvider((IOService *)target), properties);
	OSRelease(properties);
	return status;
}

static kern_return_t
end(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct EchoUserClient_IVars *own = ivars(target);

	OSSafeReleaseNULL(own->completion);
	OSRetain(arguments->completion);
	own->completion = arguments->completion;
	own->last_words = arguments->scalarInput[0];
	return IOService_Terminate(IOService_GetProvider((IOService *)target), 0);
}

static kern_return_t
keep_client_memory(OSObject *target, IOUserClientMethodArguments *arguments, uint64_t options,
		   uint32_t count, const IOAddressSegment *segments)
{
	struct EchoUserClient_IVars *own = ivars(target);
	kern_return_t status;

	OSSafeReleaseNULL(own->map);
	OSSafeReleaseNULL(own->kept);
	status = IOUserClient_CreateMemoryDescriptorFromClient((IOUserClient *)target, options,
							       count, segments, &own->kept);
	if (status == kIOReturnSuccess)
		status = IOMemoryDescriptor_CreateMapping(own->kept, 0, 0, 0, 0, 0, &own->map);
	if (status == kIOReturnSuccess)
		status = IOMemoryDescriptor_GetLength(own->kept, &arguments->scalarOutput[0]);
	return status;
}

static kern_return_t
client_memory(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	IOAddressSegment segments[64];
	size_t size = OSDataGetLength(arguments->structureInput);

	if (arguments->structureInput == NULL || size > sizeof(segments))
		return kIOReturnBadArgument;
	memcpy(segments, OSDataGetBytesPtr(arguments->structureInput), size);
	return keep_client_memory(target, arguments, arguments->scalarInput[0],
				  (uint32_t)(size / sizeof(segments[0])), segments);
}

static kern_return_t
client_range(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	const uint64_t *input = arguments->scalarInput;
	uint64_t beside = (input[0] & ECHO_CLIENT_BESIDE) != 0;

	return keep_client_memory(target, arguments, input[0] & ~(uint64_t)ECHO_CLIENT_BESIDE, 1,
				  &(IOAddressSegment){input[1] + beside, input[2]});
}

/*
 * Exported and not inlined, so that a backtrace has their names. The crash is meant: a sanitizer
 * that halts before it would keep it from being seen.
 */
__attribute__((noinline, visibility("default"), no_sanitize("undefined"))) void
echo_fall(uint64_t how);
__attribute__((noinline, visibility("default"))) void echo_stumble(uint64_t how);

__attribute__((noinline, visibility("default"))) unsigned echo_recurse(unsigned depth);

/* Much for each call: the runtime of a sanitizer does not stand as many as there could be. */
unsigned
echo_recurse(unsigned depth)
{
	volatile char room[16384];

	if (depth == UINT32_MAX)
		return 0;
	room[depth % sizeof(room)] = 1;
	return echo_recurse(depth + 1) + (unsigned)room[depth % sizeof(room)];
}

void
echo_fall(uint64_t how)
{
	static volatile int *nowhere;
	static volatile int calls;

	if (how == ECHO_TALK_SEGV)
		*nowhere = 1;
	else if (how == ECHO_TALK_ABORT)
		abort();
	else if (how == ECHO_TALK_ILL)
		raise(SIGILL);
	else if (how == ECHO_TALK_FPE)
		raise(SIGFPE);
	else if (how == ECHO_TALK_BUS)
		raise(SIGBUS);
	else if (how == ECHO_TALK_RECURSE)
		calls += (int)echo_recurse(0);
	else if (how == ECHO_TALK_EXIT)
		_exit(0);
	calls++; /* no jump instead of a call here and above */
}

void
echo_stumble(uint64_t how)
{
	static volatile int calls;

	echo_fall(how);
	calls++;
}

static kern_return_t
talk(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	for (uint64_t i = 0; i < arguments->scalarInput[0]; i++)
		fprintf(stderr, "talk %u \033[31mred\033[0m \302\233 \377\n", (unsigned)i);
	if (arguments->scalarInput[1] != ECHO_TALK_ENDS)
		echo_stumble(arguments->scalarInput[1]);
	return kIOReturnSuccess;
}

#define ANY kIOUserClientVariableStructureSize

static const IOUserClientMethodDispatch methods[] = {
	[ECHO_ECHO] = {echo, 0, ANY, ANY, ANY, ANY},
	[ECHO_COMPLETE] = {complete, 1, ANY, 0, 0, 0},
	[ECHO_HANG] = {hang, ANY, 0, 0, 0, 0},
	[ECHO_CLIENTS] = {count, 0, 0, 0, 1, 0},
	[ECHO_FILL] = {fill, 0, 1, 0, 0, 0},
	[ECHO_CRASH] = {crash, 0, 0, 0, 0, 0},
	[ECHO_KEEP] = {keep, 0, 0, ANY, 1, ANY},
	[ECHO_POKE] = {poke, 0, 2, 0, 0, 0},
	[ECHO_PEEK] = {peek, 0, 1, 0, 1, 0},
	[ECHO_BACK] = {back, 0, 0, ANY, 0, ANY},
	[ECHO_CHILDREN] = {children, 0, 1, 0, 0, 0},
	[ECHO_SET] = {set, 0, 1, 0, 0, 0},
	[ECHO_TALK] = {talk, 0, 2, 0, 0, 0},
	[ECHO_WAIT] = {wait_for_go, 0, 0, 0, 0, 0},
	[ECHO_NONSENSE] = {send_nonsense, 0, 0, 0, 0, 0},
	[ECHO_SET_KINDS] = {set_kinds, 0, 0, 0, 0, 0},
	[ECHO_END] = {end, 1, 1, 0, 0, 0},
	[ECHO_CLIENT_MEMORY] = {client_memory, 0, 1, ANY, 1, 0},
	[ECHO_CLIENT_RANGE] = {client_range, 0, 3, 0, 1, 0},
};

static kern_return_t
external_method(IOUserClient *self, uint64_t selector, IOUserClientMethodArguments *arguments,
		const IOUserClientMethodDispatch *dispatch, OSObject *target, void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0]))
		return kIOReturnUnsupported;
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, reference);
}

static kern_return_t
copy_read_only(IOUserClient *self, IOMemoryDescriptor **memory)
{
	struct EchoUserClient_IVars *own = ivars(self);
	IOAddressSegment range = {0, 0};

	if (own->read_only == NULL &&
	    IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, ECHO_READ_ONLY_SIZE, 0,
					    &own->read_only) != kIOReturnSuccess)
		return kIOReturnNoMemory;
	IOBufferMemoryDescriptor_GetAddressRange(own->read_only, &range);
	memset((void *)(uintptr_t)range.address, ECHO_READ_ONLY_BYTE, ECHO_READ_ONLY_SIZE);
	OSRetain(own->read_only);
	*memory = (IOMemoryDescriptor *)own->read_only;
	return kIOReturnSuccess;
}

static kern_return_t
copy_memory(IOUserClient *self, uint64_t type, uint64_t *options, IOMemoryDescriptor **memory)
{
	if (type == ECHO_TYPE_NEW)
		return IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 1, 0,
						       (IOBufferMemoryDescriptor **)memory);
	if (type == ECHO_TYPE_READ_ONLY) {
		*options |= kIOUserClientMemoryReadOnly;
		return copy_read_only(self, memory);
	}
	if (type != 0)
		return kIOReturnBadArgument;
	OSRetain(ivars(self)->memory);
	*memory = (IOMemoryDescriptor *)ivars(self)->memory;
	return kIOReturnSuccess;
}

static const OSObjectMethods client_object = {
	.size = sizeof(OSObjectMethods),
	.free = client_free,
};

static const IOServiceMethods client_service = {
	.size = sizeof(IOServiceMethods),
	.Start = client_start,
	.Stop = client_stop,
	.SetProperties = client_set_properties,
};

static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = external_method,
	.CopyClientMemoryForType = copy_memory,
};

const OSMetaClass gEchoUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "EchoUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct EchoUserClient_IVars),
	.object = &client_object,
	.service = &client_service,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Echo), OSTypeID(EchoUserClient), OSTypeID(EchoChild))
