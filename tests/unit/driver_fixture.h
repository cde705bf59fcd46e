/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver of a few lines in this process, on a loop of its own: what the tests of the driver layer
 * start, open and stop. Its methods count how often they ran.
 */
#ifndef TESTS_UNIT_DRIVER_FIXTURE_H
#define TESTS_UNIT_DRIVER_FIXTURE_H

#include <check.h>
#include <stdlib.h>

#include "bounds.h"
#include "bundle.h"
#include "connection.h"
#include "log.h"
#include "memfd.h"
#include "meter.h"
#include "queue.h"
#include "queue_private.h"
#include "service.h"

#include <DriverKit/DextRingDispatchSource.h>
#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/IODataQueueDispatchSource.h>
#include <DriverKit/IOUserClient.h>

typedef struct TestDriver TestDriver;
typedef struct TestClient TestClient;
typedef struct TestChild TestChild;

/* What the driver does, and what it did. */
struct fixture {
	struct loop *loop;
	struct bundle *bundle;
	IODispatchQueue *queue;
	IOService *provider;
	IOService *root;
	kern_return_t start_result;
	bool stop_in_start; /* a failing Start calls Stop itself */
	bool register_in_start;
	bool no_super_start;  /* Start never reaches the base class */
	bool no_super_stop;   /* Stop never reaches the base class */
	bool late_super_stop; /* it does later, when fixture_super_stop is called */
	bool plain_free;      /* free goes past the superclass */
	bool init_fails;
	bool no_user_client; /* NewUserClient brings a child service */
	/* Start makes this the Default queue, then raises entered and waits for go. */
	IODispatchQueue *queue_in_start;
	struct meter driver_started, driver_stopped, driver_freed;
	struct meter client_started, client_stopped, client_freed;
	struct meter child_stopped;
	struct meter aborted; /* the handler of a kept completion */
	unsigned stopped_at_abort;
	struct meter entered; /* TEST_BLOCK began */
	struct meter go;      /* TEST_BLOCK and TEST_WORK end when this is raised */
	struct meter wanted;  /* TEST_WORK was */
	struct meter taken;   /* entries of data queues and rings */
	IOUserClient *client; /* the last one, borrowed */
	IOService *stopping;  /* of late_super_stop, +1 */
};

static struct fixture fixture;

static const OSMetaClass gTestDriverMetaClass, gTestClientMetaClass, gTestChildMetaClass;

enum test_method {
	TEST_ECHO,	/* scalars + 1 */
	TEST_STRUCTURE, /* the input structure is the output structure */
	TEST_KEEP,	/* keeps the completion */
	TEST_COMPLETE,	/* completes: scalar 0 times, argument 0 counts from scalar 1 on */
	TEST_RELEASE,	/* releases the completion */
	TEST_BLOCK,	/* until fixture.go */
	TEST_LARGE, /* adds the input's bytes up, fills the output with 0x5a; scalar 0: keep both */
	TEST_TOO_LONG,	  /* a structure one byte longer than the room */
	TEST_TOO_MANY,	  /* one scalar more than the room */
	TEST_KEEP_DATA,	  /* keeps structureInput */
	TEST_KEPT_DATA,	  /* returns it */
	TEST_LET_GO,	  /* of the large structures and data that were kept */
	TEST_FAIL,	  /* kIOReturnNoMedia, with output */
	TEST_TERMINATE,	  /* ends itself */
	TEST_OWN_QUEUE,	  /* its methods run on a queue of their own from now on */
	TEST_HOLD,	  /* keeps the large structures, which it does not look at */
	TEST_HOLD_MAPPED, /* keeps only a mapping of the large input, until TEST_LET_GO */
	TEST_ASK, /* asks for the memory of scalars 1 (address) and 2, options scalar 0; keeps it */
	TEST_WORK,    /* leaves its thread work, until that is wanted or fixture.go */
	TEST_ENQUEUE, /* scalar 0 entries of 8 bytes into the data queue of type scalar 1 */
	TEST_METHODS,
};

struct TestClient_IVars {
	OSAction *completion;
	IOMemoryDescriptor *memory[16], *large;
	IOMemoryDescriptor *kept_input, *kept_output;
	IOMemoryMap *kept_map;
	OSData *data;
	IODataQueueDispatchSource *queues[2];
	DextRingDispatchSource *ring;
};

struct TestDriver_IVars {
	unsigned clients;
};

/* --- the user client --- */

static kern_return_t
test_large(struct TestClient_IVars *ivars, IOUserClientMethodArguments *arguments)
{
	IOMemoryDescriptor *in = arguments->structureInputDescriptor;
	IOMemoryDescriptor *out = arguments->structureOutputDescriptor;
	IOMemoryMap *map = NULL;
	uint64_t sum = 0;

	if (in != NULL) {
		const uint8_t *bytes;

		ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(in, 0, 0, 0, 0, 0, &map), 0);
		bytes = (const uint8_t *)(uintptr_t)IOMemoryMap_GetAddress(map);
		for (uint64_t i = 0; i < IOMemoryMap_GetLength(map); i++)
			sum += bytes[i];
		OSSafeReleaseNULL(map);
	}
	if (out != NULL) {
		ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(out, 0, 0, 0, 0, 0, &map), 0);
		memset((void *)(uintptr_t)IOMemoryMap_GetAddress(map), 0x5a,
		       IOMemoryMap_GetLength(map));
		OSSafeReleaseNULL(map);
	}
	if (arguments->scalarInputCount > 0 && arguments->scalarInput[0]) {
		OSRetain(in);
		OSRetain(out);
		ivars->kept_input = in;
		ivars->kept_output = out;
	}
	if (arguments->scalarOutputCount > 0)
		arguments->scalarOutput[0] = sum;
	return kIOReturnSuccess;
}

static void
test_aborted(void *context)
{
	fixture.stopped_at_abort = meter_read(&fixture.client_stopped);
	meter_raise(&fixture.aborted);
}

static kern_return_t
test_complete(TestClient *self, OSAction *completion, IOUserClientMethodArguments *arguments)
{
	for (uint64_t i = 0; i < arguments->scalarInput[0]; i++) {
		uint64_t argument = arguments->scalarInput[1] + i;
		kern_return_t res = IOUserClient_AsyncCompletion((IOUserClient *)self, completion,
								 kIOReturnSuccess, &argument, 1);

		if (res != kIOReturnSuccess)
			return res;
	}
	return kIOReturnSuccess;
}

static kern_return_t
test_own_queue(IOUserClient *self)
{
	IODispatchQueue *queue = NULL;
	kern_return_t res = queue_create("own", &queue);

	if (res == kIOReturnSuccess)
		res = OSObject_SetDispatchQueue((OSObject *)self,
						kIOUserClientQueueNameExternalMethod, queue);
	OSRelease(queue);
	return res;
}

/* --- data queues --- */

#define FIXTURE_QUEUE_BYTES 256u

static void
test_take(void *context, const void *data, size_t size)
{
	uint64_t sum = 0;

	/* Every byte, for the sanitizer to see where it is. */
	for (size_t i = 0; i < size; i++)
		sum += ((const uint8_t *)data)[i];
	*(volatile uint64_t *)context = sum;
	meter_raise(&fixture.taken);
}

static void
test_take_all(IODataQueueDispatchSource *queue)
{
	uint64_t sum;

	while (IODataQueueDispatchSource_Dequeue_f(queue, &sum, test_take) == kIOReturnSuccess)
		;
}

static void
test_available(OSObject *self, OSAction *action)
{
	struct TestClient_IVars *ivars = OSObjectIVars(TestClient, self);

	for (int i = 0; i < 2; i++)
		if (ivars->queues[i] != NULL)
			test_take_all(ivars->queues[i]);
}

/* Types 19 and 20, of the two layouts. */
static kern_return_t
test_copy_queue(IOUserClient *self, uint64_t type, IOMemoryDescriptor **memory)
{
	IODataQueueDispatchSource **queue = &OSObjectIVars(TestClient, self)->queues[type - 19];
	OSAction *action = NULL;

	if (*queue == NULL) {
		ck_assert_int_eq(
			(type == 19 ? dext_data_queue_create : IODataQueueDispatchSource_Create)(
				FIXTURE_QUEUE_BYTES, fixture.queue, queue),
			kIOReturnSuccess);
		ck_assert_int_eq(IODataQueueDispatchSource_CreateActionDataAvailable(
					 (OSObject *)self, test_available, 0, &action),
				 kIOReturnSuccess);
		ck_assert_int_eq(IODataQueueDispatchSource_SetDataAvailableHandler(*queue, action),
				 kIOReturnSuccess);
		OSRelease(action);
	}
	return IODataQueueDispatchSource_CopyMemory(*queue, memory);
}

#define FIXTURE_RING_ENTRIES 16u
#define FIXTURE_RING_ENTRY   64u

/* Gives back what it can of what came. */
static void
test_ring_ready(OSObject *self, OSAction *action)
{
	DextRingDispatchSource *ring = OSObjectIVars(TestClient, self)->ring;
	uint8_t entry[FIXTURE_RING_ENTRY];
	uint32_t count;

	while (DextRingDispatchSource_Pop(ring, entry, 1, &count) == kIOReturnSuccess) {
		meter_raise(&fixture.taken);
		DextRingDispatchSource_Push(ring, entry, 1, &count);
	}
}

/* Type 22. */
static kern_return_t
test_copy_ring(IOUserClient *self, IOMemoryDescriptor **memory)
{
	DextRingDispatchSource **ring = &OSObjectIVars(TestClient, self)->ring;
	OSAction *action = NULL;

	if (*ring == NULL) {
		ck_assert_int_eq(DextRingDispatchSource_Create(
					 FIXTURE_RING_ENTRY, FIXTURE_RING_ENTRIES,
					 2 * FIXTURE_RING_ENTRIES, fixture.queue, ring),
				 kIOReturnSuccess);
		ck_assert_int_eq(DextRingDispatchSource_CreateActionReady(
					 (OSObject *)self, test_ring_ready, 0, &action),
				 kIOReturnSuccess);
		ck_assert_int_eq(DextRingDispatchSource_SetReadyHandler(*ring, action),
				 kIOReturnSuccess);
		OSRelease(action);
	}
	return DextRingDispatchSource_CopyMemory(*ring, memory);
}

static void
test_put(void *context, void *data, size_t size)
{
	memset(data, 0x11, size);
}

/* From then on the driver is the one that produces. */
static kern_return_t
test_enqueue(struct TestClient_IVars *ivars, const uint64_t *scalars)
{
	IODataQueueDispatchSource *queue = ivars->queues[scalars[1] - 19];
	kern_return_t res = IODataQueueDispatchSource_SetDataAvailableHandler(queue, NULL);

	for (uint64_t i = 0; i < scalars[0] && res == kIOReturnSuccess; i++)
		res = IODataQueueDispatchSource_Enqueue_f(queue, 8, NULL, test_put);
	return res;
}

static void
test_work(struct loop_task *task)
{
	bool wanted;

	while (!(wanted = loop_is_wanted()) && meter_read(&fixture.go) == 0)
		sched_yield();
	if (wanted)
		meter_raise(&fixture.wanted);
	free(task);
}

static kern_return_t
TestClient_ExternalMethod(IOUserClient *self, uint64_t selector,
			  IOUserClientMethodArguments *arguments,
			  const IOUserClientMethodDispatch *dispatch, OSObject *target,
			  void *reference)
{
	struct TestClient_IVars *ivars = OSObjectIVars(TestClient, self);

	switch (selector) {
	case TEST_ECHO:
		for (uint32_t i = 0; i < arguments->scalarOutputCount; i++)
			arguments->scalarOutput[i] +=
				i < arguments->scalarInputCount ? arguments->scalarInput[i] + 1 : 0;
		return kIOReturnSuccess;
	case TEST_STRUCTURE:
		arguments->structureOutput =
			OSDataCreate(OSDataGetBytesPtr(arguments->structureInput),
				     OSDataGetLength(arguments->structureInput));
		return kIOReturnSuccess;
	case TEST_KEEP:
		OSRelease(ivars->completion);
		ivars->completion = arguments->completion;
		OSRetain(ivars->completion);
		return OSAction_SetAbortedHandler_f(ivars->completion, NULL, test_aborted);
	case TEST_COMPLETE:
		return test_complete((TestClient *)self, ivars->completion, arguments);
	case TEST_RELEASE:
		OSSafeReleaseNULL(ivars->completion);
		return kIOReturnSuccess;
	case TEST_BLOCK:
		meter_raise(&fixture.entered);
		meter_wait(&fixture.go, 1);
		/* The object is there for as long as a method of it runs. */
		return ivars->completion == NULL ? kIOReturnSuccess : kIOReturnBusy;
	case TEST_LARGE:
		return test_large(ivars, arguments);
	case TEST_TOO_LONG: {
		uint8_t bytes[DEXT_STRUCTURE_INLINE_MAX + 1] = {0};

		if (arguments->structureOutputMaximumSize > DEXT_STRUCTURE_INLINE_MAX)
			return kIOReturnBadArgument;
		arguments->structureOutput =
			OSDataCreate(bytes, arguments->structureOutputMaximumSize + 1);
		return kIOReturnSuccess;
	}
	case TEST_TOO_MANY:
		arguments->scalarOutputCount++;
		return kIOReturnSuccess;
	case TEST_KEEP_DATA:
		OSRelease(ivars->data);
		ivars->data = arguments->structureInput;
		OSRetain(ivars->data);
		return kIOReturnSuccess;
	case TEST_KEPT_DATA:
		OSRetain(ivars->data);
		arguments->structureOutput = ivars->data;
		return kIOReturnSuccess;
	case TEST_LET_GO:
		OSSafeReleaseNULL(ivars->kept_input);
		OSSafeReleaseNULL(ivars->kept_output);
		OSSafeReleaseNULL(ivars->kept_map);
		OSSafeReleaseNULL(ivars->data);
		return kIOReturnSuccess;
	case TEST_TERMINATE:
		return IOService_Terminate((IOService *)self, 0);
	case TEST_OWN_QUEUE:
		return test_own_queue(self);
	case TEST_HOLD:
		OSRetain(arguments->structureInputDescriptor);
		OSRetain(arguments->structureOutputDescriptor);
		ivars->kept_input = arguments->structureInputDescriptor;
		ivars->kept_output = arguments->structureOutputDescriptor;
		return kIOReturnSuccess;
	case TEST_HOLD_MAPPED:
		return IOMemoryDescriptor_CreateMapping(arguments->structureInputDescriptor, 0, 0,
							0, 0, 0, &ivars->kept_map);
	case TEST_ASK:
		OSSafeReleaseNULL(ivars->kept_input);
		return IOUserClient_CreateMemoryDescriptorFromClient(
			self, arguments->scalarInput[0], 1,
			&(IOAddressSegment){arguments->scalarInput[1], arguments->scalarInput[2]},
			&ivars->kept_input);
	case TEST_WORK: {
		/* One for each call: the thread of the last one may still be at its own. */
		struct loop_task *work;

		if (!loop_is_here(queue_loop))
			return kIOReturnUnsupported;
		work = calloc(1, sizeof(*work));
		ck_assert_ptr_nonnull(work);
		work->run = test_work;
		loop_defer(queue_loop, work);
		return kIOReturnSuccess;
	}
	case TEST_ENQUEUE:
		return test_enqueue(ivars, arguments->scalarInput);
	case TEST_FAIL:
		arguments->scalarOutput[0] = 1;
		return kIOReturnNoMedia;
	default:
		return IOUserClient_ExternalMethod_Impl(self, selector, arguments, dispatch, target,
							reference);
	}
}

/* Two pages that begin with 'a' and 10 that begin with 'b'. */
static kern_return_t
test_join(IOMemoryDescriptor **ret_memory)
{
	const uint64_t lengths[2] = {2 * page_size(), 10};
	IOMemoryDescriptor *parts[2] = {NULL, NULL};
	kern_return_t res = kIOReturnSuccess;

	for (int i = 0; i < 2; i++) {
		IOBufferMemoryDescriptor *buffer = NULL;
		IOAddressSegment range;

		ck_assert_int_eq(IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut,
								 lengths[i], 0, &buffer),
				 kIOReturnSuccess);
		ck_assert_int_eq(IOBufferMemoryDescriptor_GetAddressRange(buffer, &range),
				 kIOReturnSuccess);
		*(char *)(uintptr_t)range.address = (char)('a' + i);
		parts[i] = (IOMemoryDescriptor *)buffer;
	}
	res = IOMemoryDescriptor_CreateWithMemoryDescriptors(kIOMemoryDirectionInOut, 2, parts,
							     ret_memory);
	OSRelease(parts[0]);
	OSRelease(parts[1]);
	return res;
}

#define FIXTURE_LARGE_TYPES 1000u
#define FIXTURE_LARGE_BYTES (UINT64_C(4) << 20)

static kern_return_t
test_copy_large(struct TestClient_IVars *ivars, IOMemoryDescriptor **memory)
{
	if (ivars->large == NULL &&
	    IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, FIXTURE_LARGE_BYTES, 0,
					    (IOBufferMemoryDescriptor **)&ivars->large) !=
		    kIOReturnSuccess)
		return kIOReturnNoMemory;
	OSRetain(ivars->large);
	*memory = ivars->large;
	return kIOReturnSuccess;
}

/* Types 0 to 7: writable buffers of type + 1 bytes; 8 to 15: read-only ones; 16: none, with
 * success; 17: a new buffer each time; 18: two joined; 19 and 20: data queues; 22: rings; 23: 5
 * MiB; from FIXTURE_LARGE_TYPES on: one buffer of FIXTURE_LARGE_BYTES, whose every type counts. */
static kern_return_t
TestClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
				   IOMemoryDescriptor **memory)
{
	struct TestClient_IVars *ivars = OSObjectIVars(TestClient, self);

	ck_assert_uint_eq(*options, 0);
	if (type == 16)
		return kIOReturnSuccess;
	if (type == 17)
		return IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 1, 0,
						       (IOBufferMemoryDescriptor **)memory);
	if (type == 23)
		return IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 5 << 20, 0,
						       (IOBufferMemoryDescriptor **)memory);
	if (type == 18)
		return test_join(memory);
	if (type == 19 || type == 20)
		return test_copy_queue(self, type, memory);
	if (type == 22)
		return test_copy_ring(self, memory);
	if (type >= FIXTURE_LARGE_TYPES)
		return test_copy_large(ivars, memory);
	if (type > 20)
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	if (ivars->memory[type] == NULL &&
	    IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, type + 1, 0,
					    (IOBufferMemoryDescriptor **)&ivars->memory[type]) !=
		    kIOReturnSuccess)
		return kIOReturnNoMemory;
	if (type >= 8)
		*options |= kIOUserClientMemoryReadOnly;
	OSRetain(ivars->memory[type]);
	*memory = ivars->memory[type];
	return kIOReturnSuccess;
}

static kern_return_t
TestClient_Start(IOService *self, IOService *provider)
{
	kern_return_t res = IOService_Start_Impl(self, provider);

	fixture.client = (IOUserClient *)self;
	meter_raise(&fixture.client_started);
	return res;
}

static kern_return_t
TestClient_Stop(IOService *self, IOService *provider)
{
	struct TestClient_IVars *ivars = OSObjectIVars(TestClient, self);

	meter_raise(&fixture.client_stopped);
	for (int i = 0; i < 16; i++)
		OSSafeReleaseNULL(ivars->memory[i]);
	OSSafeReleaseNULL(ivars->large);
	OSSafeReleaseNULL(ivars->kept_input);
	OSSafeReleaseNULL(ivars->kept_output);
	OSSafeReleaseNULL(ivars->kept_map);
	OSSafeReleaseNULL(ivars->data);
	for (int i = 0; i < 2; i++) {
		if (ivars->queues[i] != NULL)
			IODispatchSource_Cancel_f((IODispatchSource *)ivars->queues[i], NULL, NULL);
		OSSafeReleaseNULL(ivars->queues[i]);
	}
	if (ivars->ring != NULL)
		IODispatchSource_Cancel_f((IODispatchSource *)ivars->ring, NULL, NULL);
	OSSafeReleaseNULL(ivars->ring);
	return IOService_Stop_Impl(self, provider);
}

/* The completion goes only here: the library must not depend on the driver's Stop for it. */
static void
TestClient_free(OSObject *self)
{
	OSRelease(OSObjectIVars(TestClient, self)->completion);
	meter_raise(&fixture.client_freed);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods TestClient_object = {
	.size = sizeof(OSObjectMethods),
	.free = TestClient_free,
};
static const IOServiceMethods TestClient_service = {
	.size = sizeof(IOServiceMethods),
	.Start = TestClient_Start,
	.Stop = TestClient_Stop,
};
static const IOUserClientMethods TestClient_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = TestClient_ExternalMethod,
	.CopyClientMemoryForType = TestClient_CopyClientMemoryForType,
};
static const OSMetaClass gTestClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "TestClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct TestClient_IVars),
	.object = &TestClient_object,
	.service = &TestClient_service,
	.user_client = &TestClient_methods,
};

/* --- a child service --- */

static kern_return_t
TestChild_Stop(IOService *self, IOService *provider)
{
	meter_raise(&fixture.child_stopped);
	return IOService_Stop_Impl(self, provider);
}

static const IOServiceMethods TestChild_service = {
	.size = sizeof(IOServiceMethods),
	.Stop = TestChild_Stop,
};
static const OSMetaClass gTestChildMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "TestChild",
	.superclass = OSTypeID(IOService),
	.service = &TestChild_service,
};

/* --- the driver --- */

static bool
TestDriver_init(OSObject *self)
{
	return OSObject_init_Impl(self) && !fixture.init_fails;
}

static void
TestDriver_free(OSObject *self)
{
	meter_raise(&fixture.driver_freed);
	/* A mistake that drivers make, and that costs nothing once the service was detached. */
	if (fixture.plain_free)
		OSObject_free_Impl(self);
	else
		IOService_free_Impl((IOService *)self);
}

static kern_return_t
TestDriver_Start(IOService *self, IOService *provider)
{
	kern_return_t res =
		fixture.no_super_start ? kIOReturnSuccess : IOService_Start_Impl(self, provider);

	meter_raise(&fixture.driver_started);
	if (fixture.queue_in_start != NULL) {
		ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)self,
							   kIOServiceDefaultQueueName,
							   fixture.queue_in_start),
				 kIOReturnSuccess);
		meter_raise(&fixture.entered);
		meter_wait(&fixture.go, 1);
	}
	if (res == kIOReturnSuccess)
		res = fixture.start_result;
	if (fixture.register_in_start)
		ck_assert_int_eq(IOService_RegisterService(self), kIOReturnSuccess);
	if (res != kIOReturnSuccess && fixture.stop_in_start)
		IOService_Stop(self, provider);
	return res;
}

static kern_return_t
TestDriver_Stop(IOService *self, IOService *provider)
{
	meter_raise(&fixture.driver_stopped);
	if (fixture.no_super_stop)
		return kIOReturnSuccess;
	if (fixture.late_super_stop) {
		OSRetain(self);
		fixture.stopping = self;
		return kIOReturnSuccess;
	}
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
TestDriver_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *made = NULL;
	kern_return_t res;

	if (type == 99)
		return IOService_NewUserClient_Impl(self, type, userClient);
	res = IOService_Create(self, self,
			       fixture.no_user_client ? "ChildProperties" : "UserClientProperties",
			       &made);
	if (res == kIOReturnSuccess)
		*userClient = (IOUserClient *)made;
	return res;
}

static const OSObjectMethods TestDriver_object = {
	.size = sizeof(OSObjectMethods),
	.init = TestDriver_init,
	.free = TestDriver_free,
};
static const IOServiceMethods TestDriver_service = {
	.size = sizeof(IOServiceMethods),
	.Start = TestDriver_Start,
	.Stop = TestDriver_Stop,
	.NewUserClient = TestDriver_NewUserClient,
};
static const OSMetaClass gTestDriverMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "TestDriver",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct TestDriver_IVars),
	.object = &TestDriver_object,
	.service = &TestDriver_service,
};

/* --- setting up --- */

static inline OSDictionary *
fixture_class_properties(const char *kind, const char *name)
{
	OSDictionary *properties = OSDictionaryCreate(2);

	if (kind != NULL)
		OSDictionarySetStringValue(properties, "IOClass", kind);
	if (name != NULL)
		OSDictionarySetStringValue(properties, "IOUserClass", name);
	return properties;
}

static inline void
fixture_set_class(OSDictionary *properties, const char *key, const char *kind, const char *name)
{
	OSDictionary *value = fixture_class_properties(kind, name);

	OSDictionarySetValue(properties, key, value);
	OSRelease(value);
}

static inline OSDictionary *
fixture_personality(void)
{
	OSDictionary *personality = OSDictionaryCreate(8);

	OSDictionarySetStringValue(personality, "IOUserClass", "TestDriver");
	fixture_set_class(personality, "UserClientProperties", "IOUserUserClient", "TestClient");
	fixture_set_class(personality, "ChildProperties", "IOUserService", "TestChild");
	return personality;
}

/* The loop and the driver object, which is not started. */
static inline void
fixture_create(void)
{
	static const OSMetaClass *const classes[] = {&gTestDriverMetaClass, &gTestClientMetaClass,
						     &gTestChildMetaClass};
	static const dext_bundle_info info = {sizeof(info), DEXT_BUNDLE_ABI, 3, classes};
	OSDictionary *personality = fixture_personality();

	ck_assert_int_eq(loop_create(&fixture.loop), 0);
	spinning_start(fixture.loop);
	ck_assert_int_eq(loop_start(fixture.loop, 2), 0);
	queue_set_loop(fixture.loop);
	services_set(fixture.loop, NULL, 77);
	ck_assert_int_eq(bundle_create(&info, "test", "test.bundle", &fixture.bundle), 0);
	ck_assert_int_eq(queue_create("TestDriver", &fixture.queue), 0);
	fixture.provider = OSTypeAlloc(IOService);
	ck_assert(OSObject_init((OSObject *)fixture.provider));
	ck_assert_int_eq(service_create(&gTestDriverMetaClass, fixture.provider, personality,
					fixture.bundle, fixture.queue, &fixture.root),
			 fixture.init_fails ? kIOReturnError : kIOReturnSuccess);
	OSRelease(personality);
}

static inline void
fixture_start(void)
{
	fixture_create();
	ck_assert_int_eq(service_start(fixture.root), kIOReturnSuccess);
}

/* Stops the driver and expects that nothing is left of it. */
static inline void
fixture_end(void)
{
	if (fixture.root != NULL) {
		service_terminate(fixture.root);
		OSSafeReleaseNULL(fixture.root);
		meter_wait(&fixture.driver_freed, 1);
	}
	loop_stop(fixture.loop);
	loop_destroy(fixture.loop);
	spinning_stop();
	OSSafeReleaseNULL(fixture.queue);
	OSSafeReleaseNULL(fixture.provider);
	bundle_destroy(fixture.bundle);
}

#endif
