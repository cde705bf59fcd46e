/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "driver_fixture.h"

static kern_return_t
create(const char *key, IOService **result)
{
	return IOService_Create(fixture.root, fixture.root, key, result);
}

/* Sets a dictionary under "Key" and tries it. */
static kern_return_t
create_as(const char *kind, const char *name)
{
	OSDictionary *properties = OSDictionaryCreate(1);
	IOService *made = NULL;
	kern_return_t res;

	fixture_set_class(properties, "Key", kind, name);
	ck_assert_int_eq(IOService_SetProperties(fixture.root, properties), 0);
	OSRelease(properties);
	res = create("Key", &made);
	if (res == kIOReturnSuccess)
		OSRelease(made);
	else
		ck_assert_ptr_null(made);
	return res;
}

START_TEST(a_user_client)
{
	IOService *made = NULL;

	fixture_start();
	ck_assert_int_eq(create("UserClientProperties", &made), kIOReturnSuccess);
	ck_assert_ptr_nonnull(OSDynamicCast(IOUserClient, made));
	ck_assert_uint_eq(meter_read(&fixture.client_started), 1);
	ck_assert_ptr_eq(IOService_GetProvider(made), fixture.root);
	OSRelease(made);
	/* It lives on with its provider. */
	ck_assert_uint_eq(meter_read(&fixture.client_freed), 0);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.client_stopped), 1);
	meter_wait(&fixture.client_freed, 1);
}
END_TEST

START_TEST(a_child_service)
{
	fixture_start();
	ck_assert_int_eq(create_as("IOUserService", "TestChild"), kIOReturnSuccess);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.child_stopped), 1);
}
END_TEST

START_TEST(what_is_refused)
{
	OSDictionary *properties = OSDictionaryCreate(1);
	IOService *made = NULL;

	fixture_start();
	ck_assert_int_eq(
		IOService_Create(fixture.root, fixture.provider, "UserClientProperties", &made),
		kIOReturnUnsupported);
	ck_assert_int_eq(create("NoSuchKey", &made), kIOReturnBadArgument);
	OSDictionarySetUInt64Value(properties, "Number", 1);
	ck_assert_int_eq(IOService_SetProperties(fixture.root, properties), 0);
	OSRelease(properties);
	ck_assert_int_eq(create("Number", &made), kIOReturnBadArgument);
	ck_assert_int_eq(create_as(NULL, "TestClient"), kIOReturnBadArgument);
	ck_assert_int_eq(create_as("IOUserUserClient", NULL), kIOReturnBadArgument);
	ck_assert_int_eq(create_as("IOUserUserClient", "Missing"), kIOReturnBadArgument);
	ck_assert_int_eq(create_as("IOUserUserClient", "TestChild"), kIOReturnBadArgument);
	ck_assert_int_eq(create_as("IOUserSCSIParallelInterfaceController", "TestChild"),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOService_Create(NULL, NULL, "Key", &made), kIOReturnBadArgument);
	ck_assert_ptr_null(made);
	fixture_end();
}
END_TEST

START_TEST(nothing_is_made_while_terminating)
{
	IOService *made = NULL;

	fixture_start();
	service_terminate(fixture.root);
	ck_assert_int_eq(create("UserClientProperties", &made), kIOReturnOffline);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.client_started), 0);
}
END_TEST

UNIT_MAIN("service_create", a_user_client, a_child_service, what_is_refused,
	  nothing_is_made_while_terminating)
