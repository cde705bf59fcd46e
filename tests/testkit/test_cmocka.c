/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test kit under cmocka, whose assertions leave a test by longjmp: its fixtures begin and end a
 * test of the kit, and one that failed half-way is ended as one that did not.
 */
#include <OpenDext/TestKit.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lamp.h"

struct scene {
	dext_test *test;
	dext_test_device *device;
	io_connect_t connection;
};

static int
begin(void **state)
{
	static const dext_test_usb lamp = {
		.vendor = 0x1209, .product = 0x0d10, .endpoints = {{0x01}, {0x81}}};
	static struct scene scene;

	scene.test = dext_test_begin(LAMP_BUNDLE, &dext_bundle);
	scene.device = dext_test_plug(scene.test, &lamp);
	scene.connection = dext_test_open(scene.test, LAMP_SERVICE, 0);
	*state = &scene;
	return scene.connection == IO_OBJECT_NULL;
}

/* cmocka calls it for a failed test, too. What it returns but 0 is a failure. */
static int
end(void **state)
{
	struct scene *scene = *state;

	IOServiceClose(scene->connection);
	return dext_test_end(scene->test);
}

static kern_return_t
switch_lamp(const struct scene *scene, uint64_t on)
{
	return IOConnectCallScalarMethod(scene->connection, kLampSwitch, &on, 1, NULL, NULL);
}

static void
words_reach_the_device(void **state)
{
	struct scene *scene = *state;

	dext_test_expect_out(scene->device, 0x01, "on", 2);
	dext_test_expect_out(scene->device, 0x01, "off", 3);
	assert_int_equal(switch_lamp(scene, 1), kIOReturnSuccess);
	assert_int_equal(switch_lamp(scene, 0), kIOReturnSuccess);
}

static void
a_refusal_is_an_error(void **state)
{
	struct scene *scene = *state;

	dext_test_stall(scene->device, 0x01);
	assert_int_not_equal(switch_lamp(scene, 1), kIOReturnSuccess);
}

/* --- what fails, in a process of its own --- */

static void
an_assertion_fails_half_way(void **state)
{
	struct scene *scene = *state;

	dext_test_stall(scene->device, 0x01);
	assert_int_equal(switch_lamp(scene, 1), kIOReturnSuccess);
	dext_test_stall(scene->device, 0x01);
}

static void
the_device_gets_another_word(void **state)
{
	struct scene *scene = *state;

	dext_test_expect_out(scene->device, 0x01, "off", 3);
	switch_lamp(scene, 1);
}

static int
run_what_fails(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_assertion_fails_half_way, begin, end),
		cmocka_unit_test_setup_teardown(the_device_gets_another_word, begin, end),
		cmocka_unit_test_setup_teardown(words_reach_the_device, begin, end),
	};

	/* Those are failures that are meant: not for the report of this program. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Two fail, by an assertion and by what the kit has found, and the one after them does not. */
static void
failures_are_cmocka_s(void **state)
{
	pid_t pid = fork();
	int status = 0;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		execl("/proc/self/exe", "test_cmocka", "what fails", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(words_reach_the_device, begin, end),
		cmocka_unit_test_setup_teardown(a_refusal_is_an_error, begin, end),
		cmocka_unit_test(failures_are_cmocka_s),
	};

	if (argc > 1)
		return run_what_fails();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
