/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver's attempts to leave its sandbox, each with the errno that it got; the same driver
 * without a sandbox, so that it is the sandbox that refuses; and the levels of `dext run`.
 */
#include "attempts.h"
#include "harness.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct harness harness;

static io_connect_t
start(const char *level)
{
	harness_start(&harness, (const char *[]){harness_bundle("PRISONER_BUNDLE"), level, NULL});
	return harness_open("Prisoner", 0);
}

static int
attempt(io_connect_t connect, uint64_t index)
{
	uint64_t result = 0;
	uint32_t count = 1;

	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 0, &index, 1, &result, &count), 0);
	return (int)result;
}

static void
all_attempts_are_refused(const char *level)
{
	io_connect_t connect = start(level);
	unsigned wrong = 0;

	for (size_t i = 0; i < attempt_count; i++) {
		int got = attempt(connect, i);

		printf("# %-40s %s\n", attempts[i].what,
		       got == 0 ? "allowed" : strerrorname_np(got));
		wrong += got != attempts[i].expected;
		fflush(stdout);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	harness_stop(&harness);
}

START_TEST(best_refuses_all_attempts)
{
	all_attempts_are_refused("--sandbox=best");
}
END_TEST

START_TEST(required_refuses_all_attempts)
{
	all_attempts_are_refused("--sandbox=required");
}
END_TEST

/* Or the tests above would show nothing. */
START_TEST(without_it_they_succeed)
{
	io_connect_t connect = start("--sandbox=off");
	unsigned allowed = 0;

	for (size_t i = 0; i < attempt_count; i++)
		if (strcmp(attempts[i].what, "read /proc/self/maps") == 0 ||
		    strcmp(attempts[i].what, "socket(AF_INET)") == 0 ||
		    strcmp(attempts[i].what, "fork") == 0 ||
		    strcmp(attempts[i].what, "open /dev/null for writing") == 0)
			allowed += attempt(connect, i) == 0;
	ck_assert_uint_eq(allowed, 4);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	harness_stop(&harness);
}
END_TEST

START_TEST(the_log_says_what_holds)
{
	io_connect_t connect = start("--sandbox=required");

	harness_wait_log(&harness, "sandbox: files: Landlock ");
	harness_wait_log(&harness, " by seccomp; no new privileges");
	ck_assert_int_eq(IOServiceClose(connect), 0);
	harness_stop(&harness);
}
END_TEST

UNIT_MAIN("sandbox", best_refuses_all_attempts, required_refuses_all_attempts,
	  without_it_they_succeed, the_log_says_what_holds)
