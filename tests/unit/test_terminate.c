/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "driver_fixture.h"

static unsigned children_stopped_first;

static void
note(void *context)
{
	children_stopped_first =
		meter_read(&fixture.client_stopped) + meter_read(&fixture.child_stopped);
	meter_raise(context);
}

static void
count(void *context)
{
	meter_raise(context);
}

START_TEST(children_stop_before_their_provider)
{
	struct meter stopped = METER_INITIALIZER;
	IOService *client = NULL, *child = NULL;

	fixture_start();
	ck_assert_int_eq(
		IOService_Create(fixture.root, fixture.root, "UserClientProperties", &client), 0);
	ck_assert_int_eq(IOService_Create(fixture.root, fixture.root, "ChildProperties", &child),
			 0);
	ck_assert(service_watch(fixture.root, NULL, note, &stopped));
	ck_assert_int_eq(IOService_Terminate(fixture.root, 0), kIOReturnSuccess);
	meter_wait(&stopped, 1);
	ck_assert_uint_eq(children_stopped_first, 2);
	OSRelease(client);
	OSRelease(child);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
	ck_assert_uint_eq(meter_read(&fixture.client_stopped), 1);
}
END_TEST

static void
wait_for_go(void *context)
{
	meter_wait(&fixture.go, 1);
}

static void
nothing(void *context)
{
}

START_TEST(a_provider_waits_for_a_child_on_another_queue)
{
	IODispatchQueue *queue = NULL;
	IOService *child = NULL;

	fixture_start();
	ck_assert_int_eq(queue_create("child", &queue), 0);
	ck_assert_int_eq(IOService_Create(fixture.root, fixture.root, "ChildProperties", &child),
			 0);
	ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)child, "Default", queue), 0);
	IODispatchQueue_DispatchAsync_f(queue, NULL, wait_for_go);
	service_terminate(fixture.root);
	ck_assert(queue_call(fixture.queue, NULL, nothing));
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 0);
	meter_raise(&fixture.go);
	meter_wait(&fixture.driver_stopped, 1);
	ck_assert_uint_eq(meter_read(&fixture.child_stopped), 1);
	OSRelease(child);
	OSRelease(queue);
	fixture_end();
}
END_TEST

START_TEST(a_second_time_does_nothing)
{
	struct meter told = METER_INITIALIZER, stopped = METER_INITIALIZER;

	fixture_start();
	ck_assert(service_watch(fixture.root, count, count, &told));
	service_terminate(fixture.root);
	service_terminate(fixture.root);
	ck_assert(!service_watch(fixture.root, count, count, &stopped));
	meter_wait(&told, 2);
	fixture_end();
	ck_assert_uint_eq(meter_read(&told), 2);
	ck_assert_uint_eq(meter_read(&stopped), 0);
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
}
END_TEST

START_TEST(a_child_alone)
{
	IOService *child = NULL;

	fixture_start();
	ck_assert_int_eq(IOService_Create(fixture.root, fixture.root, "ChildProperties", &child),
			 0);
	ck_assert_int_eq(IOService_Terminate(child, 0), kIOReturnSuccess);
	meter_wait(&fixture.child_stopped, 1);
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 0);
	ck_assert(service_is_terminating(child));
	ck_assert(!service_is_terminating(fixture.root));
	OSRelease(child);
	fixture_end();
}
END_TEST

START_TEST(what_is_refused)
{
	fixture_start();
	ck_assert_int_eq(IOService_Terminate(fixture.root, 1), kIOReturnUnsupported);
	ck_assert_int_eq(IOService_Terminate(fixture.provider, 0), kIOReturnNotPermitted);
	ck_assert_int_eq(IOService_Terminate(NULL, 0), kIOReturnBadArgument);
	ck_assert(!service_is_terminating(fixture.root));
	fixture_end();
}
END_TEST

UNIT_MAIN("terminate", children_stop_before_their_provider,
	  a_provider_waits_for_a_child_on_another_queue, a_second_time_does_nothing, a_child_alone,
	  what_is_refused)
