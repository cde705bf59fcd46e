/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver of a few lines in this process, on a loop of its own: what the tests of the driver layer
 * start, open and stop. Its methods count how often they ran.
 */
#ifndef TESTS_UNIT_DRIVER_FIXTURE_H
#define TESTS_UNIT_DRIVER_FIXTURE_H

#include "fixture_client.h"

struct TestDriver_IVars {
	unsigned clients;
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
