/* SPDX-License-Identifier: Apache-2.0 */
/* The fixture's user client: its methods, its types of memory, its data queues and its ring. */
#ifndef TESTS_UNIT_FIXTURE_CLIENT_H
#define TESTS_UNIT_FIXTURE_CLIENT_H

#include "fixture_state.h"

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
	TEST_TOIL,    /* leaves its thread pieces of work, one after the other, until fixture.go */
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

/* A piece takes so long that sixteen of them take longer than a millisecond. */
static void
test_toil(struct loop_task *task)
{
	uint64_t end = clock_now() + 100 * NSEC_PER_USEC;

	while (clock_now() < end)
		;
	if (meter_read(&fixture.go) == 0)
		loop_defer(queue_loop, task);
	else
		free(task);
}

/* One for each call: the thread of the last one may still be at its own. */
static kern_return_t
test_leave(void (*run)(struct loop_task *task))
{
	struct loop_task *work;

	if (!loop_is_here(queue_loop))
		return kIOReturnUnsupported;
	work = calloc(1, sizeof(*work));
	ck_assert_ptr_nonnull(work);
	work->run = run;
	loop_defer(queue_loop, work);
	return kIOReturnSuccess;
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
	case TEST_WORK:
		return test_leave(test_work);
	case TEST_TOIL:
		return test_leave(test_toil);
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

#endif
