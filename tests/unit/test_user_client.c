/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "driver_fixture.h"
#include "user_client.h"

static unsigned calls;
static OSObject *last_target;
static void *last_reference;

static kern_return_t
method(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	calls++;
	last_target = target;
	last_reference = reference;
	return kIOReturnNoMedia;
}

static IOUserClient *
make(void)
{
	IOUserClient *client = OSTypeAlloc(IOUserClient);

	ck_assert(OSObject_init((OSObject *)client));
	return client;
}

/* One scalar in, two out, a structure of 3 bytes in, room for 5. */
static const IOUserClientMethodDispatch exact = {method, 0, 1, 3, 2, 5};

static IOUserClientMethodArguments
matching(OSData *data)
{
	return (IOUserClientMethodArguments){
		.scalarInputCount = 1,
		.structureInput = data,
		.scalarOutputCount = 2,
		.structureOutputMaximumSize = 5,
	};
}

START_TEST(counts_must_match)
{
	OSData *data = OSDataCreate("abc", 3);
	IOUserClientMethodArguments arguments = matching(data);
	IOUserClient *client = make();

	ck_assert_int_eq(
		IOUserClient_ExternalMethod_Impl(client, 0, &arguments, &exact, NULL, &calls),
		kIOReturnNoMedia);
	ck_assert_uint_eq(calls, 1);
	ck_assert_ptr_eq(last_target, client);
	ck_assert_ptr_eq(last_reference, &calls);
	for (int i = 0; i < 5; i++) {
		arguments = matching(data);
		switch (i) {
		case 0:
			arguments.scalarInputCount = 0;
			break;
		case 1:
			arguments.scalarOutputCount = 3;
			break;
		case 2:
			arguments.structureInput = NULL;
			break;
		case 3:
			arguments.structureOutputMaximumSize = 4;
			break;
		default:
			arguments.completion = (OSAction *)client;
			break;
		}
		ck_assert_int_eq(
			IOUserClient_ExternalMethod_Impl(client, 0, &arguments, &exact, NULL, NULL),
			kIOReturnBadArgument);
	}
	ck_assert_uint_eq(calls, 1);
	OSRelease(client);
	OSRelease(data);
}
END_TEST

START_TEST(variable_counts)
{
	const IOUserClientMethodDispatch any = {
		method,
		kIOUserClientVariableStructureSize,
		kIOUserClientVariableStructureSize,
		kIOUserClientVariableStructureSize,
		kIOUserClientVariableStructureSize,
		kIOUserClientVariableStructureSize,
	};
	IOUserClientMethodArguments arguments = {.scalarInputCount = 16};
	IOUserClient *client = make();

	ck_assert_int_eq(IOUserClient_ExternalMethod_Impl(client, 0, &arguments, &any,
							  (OSObject *)client, NULL),
			 kIOReturnNoMedia);
	OSRelease(client);
}
END_TEST

START_TEST(sizes_of_descriptors_count)
{
	IOUserClientMethodArguments arguments = matching(NULL);
	IOUserClientMethodDispatch dispatch = exact;
	IOBufferMemoryDescriptor *memory = NULL;
	IOUserClient *client = make();

	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 5000, 0, &memory),
			 0);
	arguments.structureInputDescriptor = (IOMemoryDescriptor *)memory;
	arguments.structureOutputDescriptor = (IOMemoryDescriptor *)memory;
	ck_assert_int_eq(
		IOUserClient_ExternalMethod_Impl(client, 0, &arguments, &dispatch, NULL, NULL),
		kIOReturnBadArgument);
	dispatch.checkStructureInputSize = dispatch.checkStructureOutputSize = 5000;
	ck_assert_int_eq(
		IOUserClient_ExternalMethod_Impl(client, 0, &arguments, &dispatch, NULL, NULL),
		kIOReturnNoMedia);
	OSRelease(memory);
	OSRelease(client);
}
END_TEST

START_TEST(without_a_row_or_a_function)
{
	IOUserClientMethodDispatch dispatch = {NULL, 0, 0, 0, 0, 0};
	IOUserClientMethodArguments arguments = {.selector = 9};
	IOUserClient *client = make();

	ck_assert_int_eq(IOUserClient_ExternalMethod(client, 9, &arguments, NULL, NULL, NULL),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOUserClient_ExternalMethod(client, 9, &arguments, &dispatch, NULL, NULL),
			 kIOReturnNoCompletion);
	arguments.scalarInputCount = 1;
	ck_assert_int_eq(IOUserClient_ExternalMethod(client, 9, &arguments, &dispatch, NULL, NULL),
			 kIOReturnBadArgument);
	OSRelease(client);
}
END_TEST

START_TEST(base_methods)
{
	IOMemoryDescriptor *memory = NULL;
	IOUserClient *client = make();
	uint64_t options = 0, argument = 0;
	OSAction *action = (OSAction *)client;

	ck_assert_int_eq(IOUserClient_CopyClientMemoryForType(client, 0, &options, &memory),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOUserClient_CopyClientMemoryForType(client, 0, NULL, &memory),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUserClient_AsyncCompletion(client, action, 0, &argument, 17),
			 kIOReturnMessageTooLarge);
	ck_assert_int_eq(IOUserClient_AsyncCompletion(client, NULL, 0, NULL, 0),
			 kIOReturnBadArgument);
	/* No action at all. */
	ck_assert_int_eq(IOUserClient_AsyncCompletion(client, action, 0, &argument, 1),
			 kIOReturnBadArgument);
	OSRelease(client);
}
END_TEST

static void
new_user_client(void *context)
{
	IOUserClient *client = NULL;

	*(IOReturn *)context = user_client_create(fixture.root, 0, &client);
	OSRelease(client);
}

START_TEST(new_user_client_must_bring_one)
{
	IOReturn res = kIOReturnInvalid;

	fixture_start();
	ck_assert(queue_call(fixture.queue, &res, new_user_client));
	ck_assert_int_eq(res, kIOReturnSuccess);
	fixture.no_user_client = true;
	ck_assert(queue_call(fixture.queue, &res, new_user_client));
	ck_assert_int_eq(res, kIOReturnUnsupported);
	meter_wait(&fixture.child_stopped, 1);
	fixture_end();
}
END_TEST

UNIT_MAIN("user_client", counts_must_match, variable_counts, sizes_of_descriptors_count,
	  without_a_row_or_a_function, base_methods, new_user_client_must_bring_one)
