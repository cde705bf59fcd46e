/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "driver_fixture.h"
#include "said.h"

START_TEST(start_and_stop)
{
	fixture_start();
	ck_assert_uint_eq(meter_read(&fixture.driver_started), 1);
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 0);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
	ck_assert_uint_eq(meter_read(&fixture.driver_freed), 1);
}
END_TEST

START_TEST(a_service_that_never_started_is_not_stopped)
{
	fixture_create();
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_started), 0);
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 0);
}
END_TEST

START_TEST(init_may_fail)
{
	fixture.init_fails = true;
	fixture_create();
	ck_assert_ptr_null(fixture.root);
	ck_assert_uint_eq(meter_read(&fixture.driver_freed), 1);
	fixture_end();
}
END_TEST

static void
fail_start(void)
{
	fixture.start_result = kIOReturnNoDevice;
	fixture_create();
	ck_assert_int_eq(service_start(fixture.root), kIOReturnNoDevice);
	OSSafeReleaseNULL(fixture.root);
	meter_wait(&fixture.driver_freed, 1);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
}

START_TEST(a_start_that_fails_is_stopped_and_released)
{
	fail_start();
}
END_TEST

START_TEST(a_start_that_fails_and_calls_its_own_stop)
{
	fixture.stop_in_start = true;
	fail_start();
}
END_TEST

START_TEST(a_start_that_never_reaches_the_base_class)
{
	fixture.no_super_start = true;
	said_listen();
	fixture_start();
	said_expect("Start never reached IOService_Start_Impl");
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
}
END_TEST

START_TEST(a_stop_that_never_reaches_the_base_class)
{
	fixture.no_super_stop = true;
	fixture_start();
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
}
END_TEST

static void
raise_stopped(void *context)
{
	meter_raise(context);
}

static void
nothing(void *context)
{
}

START_TEST(a_stop_that_ends_later)
{
	struct meter ended = METER_INITIALIZER;

	fixture.late_super_stop = true;
	fixture_start();
	ck_assert(service_watch(fixture.root, NULL, raise_stopped, &ended));
	service_terminate(fixture.root);
	meter_wait(&fixture.driver_stopped, 1);
	/* The driver's method has returned when the queue has run what came after it. */
	ck_assert(queue_call(fixture.queue, NULL, nothing));
	ck_assert_uint_eq(meter_read(&ended), 0);
	ck_assert_int_eq(IOService_Stop_Impl(fixture.stopping, fixture.provider), 0);
	meter_wait(&ended, 1);
	/* Once more, as some drivers do, changes nothing. */
	ck_assert_int_eq(IOService_Stop_Impl(fixture.stopping, fixture.provider), 0);
	OSRelease(fixture.stopping);
	fixture_end();
	ck_assert_uint_eq(meter_read(&ended), 1);
}
END_TEST

/* What is left behind the address sanitizer finds. */
START_TEST(a_free_that_goes_past_the_superclass)
{
	fixture.plain_free = true;
	fixture_start();
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_freed), 1);
}
END_TEST

START_TEST(stop_comes_also_on_a_cancelled_queue)
{
	fixture_start();
	ck_assert_int_eq(IODispatchQueue_Cancel_f(fixture.queue, NULL, NULL), 0);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
}
END_TEST

START_TEST(stop_that_the_driver_calls_itself_is_not_repeated)
{
	fixture_start();
	ck_assert_int_eq(IOService_Stop(fixture.root, fixture.provider), 0);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
}
END_TEST

static void *
start_root(void *context)
{
	kern_return_t *res = context;

	*res = service_start(fixture.root);
	return NULL;
}

START_TEST(stop_waits_for_start_although_the_queue_is_another_by_then)
{
	kern_return_t res = kIOReturnError;
	IODispatchQueue *queue = NULL;
	pthread_t thread;

	fixture_create();
	ck_assert_int_eq(queue_create("set in Start", &queue), kIOReturnSuccess);
	fixture.queue_in_start = queue;
	ck_assert_int_eq(pthread_create(&thread, NULL, start_root, &res), 0);
	meter_wait(&fixture.entered, 1);
	service_terminate(fixture.root);
	/* What the termination put on the queue has run when this has. */
	ck_assert(queue_call(queue, NULL, nothing));
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 0);
	meter_raise(&fixture.go);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(res, kIOReturnSuccess);
	meter_wait(&fixture.driver_stopped, 1);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
	OSRelease(queue);
}
END_TEST

START_TEST(what_was_terminated_before_its_start_is_not_started)
{
	struct meter ended = METER_INITIALIZER;

	fixture_create();
	ck_assert(service_watch(fixture.root, NULL, raise_stopped, &ended));
	service_terminate(fixture.root);
	meter_wait(&ended, 1);
	ck_assert_int_eq(service_start(fixture.root), kIOReturnOffline);
	ck_assert_uint_eq(meter_read(&fixture.driver_started), 0);
	OSSafeReleaseNULL(fixture.root);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 0);
	ck_assert_uint_eq(meter_read(&fixture.driver_freed), 1);
}
END_TEST

UNIT_MAIN("service_life", start_and_stop, a_service_that_never_started_is_not_stopped,
	  init_may_fail, a_start_that_fails_is_stopped_and_released,
	  a_start_that_fails_and_calls_its_own_stop, a_start_that_never_reaches_the_base_class,
	  a_stop_that_never_reaches_the_base_class, a_stop_that_ends_later,
	  a_free_that_goes_past_the_superclass, stop_comes_also_on_a_cancelled_queue,
	  stop_that_the_driver_calls_itself_is_not_repeated,
	  stop_waits_for_start_although_the_queue_is_another_by_then,
	  what_was_terminated_before_its_start_is_not_started)
