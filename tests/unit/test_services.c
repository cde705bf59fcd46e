/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "driver_fixture.h"
#include "said.h"

static struct {
	unsigned published, unpublished;
	uint64_t id, provider, gone;
	char name[64], bundle[64], class[64], kind[64];
	bool has_own;
	char list[64]; /* "(": it began, then a letter of each class and its provider's, ")" */
} told;

static void
publish(uint64_t id, uint64_t provider, OSDictionary *properties)
{
	told.published++;
	told.id = id;
	told.provider = provider;
	strcpy(told.name, OSDictionaryGetStringValue(properties, "IORegistryEntryName"));
	strcpy(told.bundle, OSDictionaryGetStringValue(properties, "CFBundleIdentifier"));
	strcpy(told.class, OSDictionaryGetStringValue(properties, "IOUserClass"));
	strcpy(told.kind, OSDictionaryGetStringValue(properties, "IOClass"));
	told.has_own = OSDictionaryGetValue(properties, "Own") != NULL;
	if (told.list[0] != '\0')
		strcat(told.list, strcmp(told.class, "TestDriver") == 0 ? "D" : "C");
}

static void
unpublish(uint64_t id)
{
	told.unpublished++;
	told.gone = id;
}

static void
list(bool begins)
{
	strcat(told.list, begins ? "(" : ")");
}

static const struct services_publisher publisher = {publish, unpublish, list};

static void
create(void)
{
	memset(&told, 0, sizeof(told));
	fixture_create();
	services_set(fixture.loop, &publisher, 77);
}

START_TEST(registering_publishes_once)
{
	uint64_t id = 0;
	IOService *found;

	create();
	ck_assert_int_eq(service_start(fixture.root), 0);
	ck_assert_int_eq(IOService_RegisterService(fixture.root), kIOReturnSuccess);
	ck_assert_int_eq(IOService_RegisterService(fixture.root), kIOReturnSuccess);
	ck_assert_uint_eq(told.published, 1);
	ck_assert_uint_eq(told.provider, 77);
	ck_assert_str_eq(told.name, "TestDriver");
	ck_assert_str_eq(told.class, "TestDriver");
	ck_assert_str_eq(told.bundle, "test.bundle");
	ck_assert_str_eq(told.kind, "IOUserService");
	IOService_GetRegistryEntryID(fixture.root, &id);
	ck_assert_uint_ne(id, 0);
	ck_assert_uint_eq(told.id, id);
	found = services_copy(id);
	ck_assert_ptr_eq(found, fixture.root);
	OSRelease(found);
	fixture_end();
	ck_assert_uint_eq(told.unpublished, 1);
	ck_assert_uint_eq(told.gone, id);
	ck_assert_ptr_null(services_copy(id));
}
END_TEST

START_TEST(registering_in_start_waits_for_its_success)
{
	create();
	fixture.register_in_start = true;
	ck_assert_int_eq(service_start(fixture.root), 0);
	ck_assert_uint_eq(told.published, 1);
	fixture_end();
}
END_TEST

START_TEST(registering_in_a_start_that_fails_does_nothing)
{
	create();
	fixture.register_in_start = true;
	fixture.start_result = kIOReturnNoDevice;
	ck_assert_int_eq(service_start(fixture.root), kIOReturnNoDevice);
	OSSafeReleaseNULL(fixture.root);
	meter_wait(&fixture.driver_freed, 1);
	ck_assert_uint_eq(told.published, 0);
	ck_assert_uint_eq(told.unpublished, 0);
	fixture_end();
}
END_TEST

START_TEST(changes_are_published_again)
{
	OSDictionary *own = OSDictionaryCreate(1);
	uint64_t id;

	create();
	ck_assert_int_eq(service_start(fixture.root), 0);
	OSDictionarySetUInt64Value(own, "Own", 1);
	ck_assert_int_eq(IOService_SetProperties(fixture.root, own), 0);
	ck_assert_uint_eq(told.published, 0);
	ck_assert_int_eq(IOService_RegisterService(fixture.root), 0);
	id = told.id;
	ck_assert(told.has_own);
	ck_assert_int_eq(IOService_SetName(fixture.root, "Other"), 0);
	ck_assert_uint_eq(told.published, 2);
	ck_assert_uint_eq(told.id, id);
	ck_assert_str_eq(told.name, "Other");
	OSRelease(own);
	fixture_end();
}
END_TEST

START_TEST(registering_at_the_wrong_time)
{
	create();
	ck_assert_int_eq(IOService_RegisterService(fixture.provider), kIOReturnNotReady);
	ck_assert_int_eq(IOService_RegisterService(fixture.root), kIOReturnNotReady);
	ck_assert_int_eq(service_start(fixture.root), 0);
	service_terminate(fixture.root);
	ck_assert_int_eq(IOService_RegisterService(fixture.root), kIOReturnOffline);
	ck_assert_uint_eq(told.published, 0);
	fixture_end();
}
END_TEST

START_TEST(a_child_names_its_provider)
{
	IOService *child = NULL;
	uint64_t id = 0;

	create();
	ck_assert_int_eq(service_start(fixture.root), 0);
	ck_assert_int_eq(IOService_RegisterService(fixture.root), 0);
	IOService_GetRegistryEntryID(fixture.root, &id);
	ck_assert_int_eq(IOService_Create(fixture.root, fixture.root, "ChildProperties", &child),
			 0);
	ck_assert_int_eq(IOService_RegisterService(child), 0);
	ck_assert_uint_eq(told.provider, id);
	ck_assert_str_eq(told.name, "TestChild");
	OSRelease(child);
	fixture_end();
	ck_assert_uint_eq(told.unpublished, 2);
}
END_TEST

/* A provider that was registered after its child comes before it in a list. */
START_TEST(a_list_is_in_order)
{
	IOService *children[2] = {NULL};

	create();
	services_list();
	ck_assert_str_eq(told.list, "()");
	ck_assert_int_eq(service_start(fixture.root), 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(IOService_Create(fixture.root, fixture.root, "ChildProperties",
						  &children[i]),
				 0);
		ck_assert_int_eq(IOService_RegisterService(children[i]), 0);
	}
	memset(&told, 0, sizeof(told));
	ck_assert_int_eq(IOService_RegisterService(fixture.root), 0);
	services_list();
	ck_assert_str_eq(told.list, "(DCC)");
	for (unsigned i = 0; i < 2; i++)
		OSRelease(children[i]);
	fixture_end();
}
END_TEST

START_TEST(services_of_a_host_are_limited)
{
	static IOService *children[DEXT_LIMIT_SERVICES_HOST];

	create();
	ck_assert_int_eq(service_start(fixture.root), 0);
	for (unsigned i = 0; i < DEXT_LIMIT_SERVICES_HOST; i++) {
		ck_assert_int_eq(IOService_Create(fixture.root, fixture.root, "ChildProperties",
						  &children[i]),
				 0);
		ck_assert_int_eq(IOService_RegisterService(children[i]), kIOReturnSuccess);
	}
	said_listen();
	ck_assert_int_eq(IOService_RegisterService(fixture.root), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_SERVICES_HOST");
	ck_assert_int_eq(IOService_Terminate(children[0], 0), 0);
	ck_assert_int_eq(IOService_RegisterService(fixture.root), kIOReturnSuccess);
	for (unsigned i = 0; i < DEXT_LIMIT_SERVICES_HOST; i++)
		OSRelease(children[i]);
	fixture_end();
}
END_TEST

UNIT_MAIN("services", registering_publishes_once, registering_in_start_waits_for_its_success,
	  registering_in_a_start_that_fails_does_nothing, changes_are_published_again,
	  registering_at_the_wrong_time, a_child_names_its_provider, a_list_is_in_order,
	  services_of_a_host_are_limited)
