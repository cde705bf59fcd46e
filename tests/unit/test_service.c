/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "action.h"
#include "driver_fixture.h"

START_TEST(properties_are_merged)
{
	OSDictionary *more = OSDictionaryCreate(2), *all = NULL;

	fixture_start();
	OSDictionarySetUInt64Value(more, "Speed", 480);
	OSDictionarySetStringValue(more, "IOUserClass", "Other");
	ck_assert_int_eq(IOService_SetProperties(fixture.root, more), kIOReturnSuccess);
	ck_assert_int_eq(IOService_CopyProperties(fixture.root, &all), kIOReturnSuccess);
	ck_assert_str_eq(OSDictionaryGetStringValue(all, "IOUserClass"), "Other");
	ck_assert_ptr_nonnull(OSDictionaryGetValue(all, "UserClientProperties"));
	ck_assert_ptr_nonnull(OSDictionaryGetValue(all, "Speed"));
	OSRelease(all);
	OSRelease(more);
	ck_assert_int_eq(IOService_SetProperties(fixture.root, NULL), kIOReturnBadArgument);
	fixture_end();
}
END_TEST

START_TEST(what_a_copy_shows_does_not_change_the_service)
{
	OSDictionary *copy = NULL, *again = NULL;

	fixture_start();
	ck_assert_int_eq(IOService_CopyProperties(fixture.root, &copy), kIOReturnSuccess);
	OSDictionarySetUInt64Value(copy, "Mine", 1);
	ck_assert_int_eq(IOService_CopyProperties(fixture.root, &again), kIOReturnSuccess);
	ck_assert_ptr_null(OSDictionaryGetValue(again, "Mine"));
	OSRelease(copy);
	OSRelease(again);
	fixture_end();
}
END_TEST

static void
expect_name(const char *expected)
{
	OSString *name = NULL;

	ck_assert_int_eq(IOService_CopyName(fixture.root, &name), kIOReturnSuccess);
	ck_assert_str_eq(OSStringGetCStringPtr(name), expected);
	OSRelease(name);
}

START_TEST(names)
{
	char name[129];

	fixture_start();
	expect_name("TestDriver");
	ck_assert_int_eq(IOService_SetName(fixture.root, "Bulk"), kIOReturnSuccess);
	expect_name("Bulk");
	memset(name, 'x', 128);
	name[128] = '\0';
	ck_assert_int_eq(IOService_SetName(fixture.root, name), kIOReturnBadArgument);
	ck_assert_int_eq(IOService_SetName(fixture.root, ""), kIOReturnBadArgument);
	expect_name("Bulk");
	name[127] = '\0';
	ck_assert_int_eq(IOService_SetName(fixture.root, name), kIOReturnSuccess);
	expect_name(name);
	fixture_end();
}
END_TEST

static void
callback(void)
{
}

static void
expect_queue(OSAction *action, IODispatchQueue *wanted)
{
	IODispatchQueue *queue = action_copy_queue(action);

	ck_assert_ptr_eq(queue, wanted);
	OSRelease(queue);
}

START_TEST(queues_come_from_the_provider)
{
	IODispatchQueue *queue = NULL, *own = NULL;
	IOService *child = NULL;
	OSAction *action = NULL;

	fixture_start();
	ck_assert_int_eq(
		IOService_Create(fixture.root, fixture.root, "UserClientProperties", &child),
		kIOReturnSuccess);
	ck_assert_int_eq(OSObject_CopyDispatchQueue((OSObject *)child, "Default", &queue), 0);
	ck_assert_ptr_eq(queue, fixture.queue);
	OSSafeReleaseNULL(queue);
	ck_assert_int_eq(OSObject_CopyDispatchQueue((OSObject *)child, "Other", &queue),
			 kIOReturnNotFound);
	ck_assert_int_eq(
		OSObject_CopyDispatchQueue((OSObject *)fixture.provider, "Default", &queue),
		kIOReturnNotFound);
	ck_assert_int_eq(action_create((OSObject *)child, "type", callback, 0, &action), 0);
	expect_queue(action, fixture.queue);
	expect_queue(action, fixture.queue);
	ck_assert_int_eq(queue_create("own", &own), 0);
	ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)child, "Default", own), 0);
	expect_queue(action, own);
	OSRelease(action);
	ck_assert_int_eq(OSObject_CopyDispatchQueue((OSObject *)child, "Default", &queue), 0);
	ck_assert_ptr_eq(queue, own);
	OSRelease(queue);
	OSRelease(own);
	OSRelease(child);
	fixture_end();
}
END_TEST

START_TEST(queue_names_that_no_method_uses)
{
	fixture_start();
	ck_assert_int_eq(
		OSObject_SetDispatchQueue((OSObject *)fixture.root, "Other", fixture.queue),
		kIOReturnBadArgument);
	/* A driver has no ExternalMethod. */
	ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)fixture.root,
						   kIOUserClientQueueNameExternalMethod,
						   fixture.queue),
			 kIOReturnBadArgument);
	fixture_end();
}
END_TEST

static void
raise_stopped(void *context)
{
	meter_raise(context);
}

START_TEST(a_stopped_service_has_no_queue)
{
	struct meter stopped = METER_INITIALIZER;
	IODispatchQueue *queue = NULL;
	IOService *root;

	fixture_start();
	root = fixture.root;
	OSRetain(root);
	ck_assert(service_watch(root, NULL, raise_stopped, &stopped));
	service_terminate(root);
	OSSafeReleaseNULL(fixture.root);
	meter_wait(&stopped, 1);
	ck_assert_ptr_null(IOService_GetProvider(root));
	ck_assert_int_eq(OSObject_CopyDispatchQueue((OSObject *)root, "Default", &queue),
			 kIOReturnError);
	OSRelease(root);
	meter_wait(&fixture.driver_freed, 1);
	fixture_end();
}
END_TEST

START_TEST(base_methods)
{
	IOUserClient *client = NULL;
	uint64_t id = 1;

	fixture_start();
	ck_assert_int_eq(IOService_NewUserClient(fixture.provider, 0, &client), kIOReturnError);
	ck_assert_int_eq(IOService_GetRegistryEntryID(fixture.root, &id), kIOReturnSuccess);
	ck_assert_uint_eq(id, 0);
	ck_assert_ptr_eq(IOService_GetProvider(fixture.root), fixture.provider);
	ck_assert_ptr_null(IOService_GetProvider(fixture.provider));
	fixture_end();
}
END_TEST

UNIT_MAIN("service", properties_are_merged, what_a_copy_shows_does_not_change_the_service, names,
	  queues_come_from_the_provider, queue_names_that_no_method_uses,
	  a_stopped_service_has_no_queue, base_methods)
