/* SPDX-License-Identifier: Apache-2.0 */
#include "signal_stack.h"

#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

static void
leave(int number)
{
	_exit(7);
}

static void
handle_faults(void)
{
	struct sigaction action = {.sa_handler = leave, .sa_flags = SA_ONSTACK};

	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
}

/* Until there is no stack left. Few calls of much: the runtimes of sanitizers count them. */
__attribute__((noinline)) static unsigned
recurse(unsigned depth)
{
	volatile char room[16384];

	if (depth == UINT32_MAX)
		return 0;
	room[depth % sizeof(room)] = 1;
	return recurse(depth + 1) + (unsigned)room[depth % sizeof(room)];
}

static void *
overrun(void *unused)
{
	struct signal_stack stack;

	signal_stack_use(&stack);
	recurse(0);
	return NULL;
}

static void
start_overrunning(void *unused)
{
	pthread_t thread;

	handle_faults();
	pthread_create(&thread, NULL, overrun, NULL);
	pthread_join(thread, NULL);
}

START_TEST(a_handler_runs_when_the_stack_is_used_up)
{
	int status = unit_child(start_overrunning, NULL, NULL, 0);

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%d", status);
}
END_TEST

static void *
use_and_leave(void *unused)
{
	stack_t before, within, after;
	struct signal_stack first, second;

	sigaltstack(NULL, &before);
	signal_stack_use(&first);
	sigaltstack(NULL, &within);
	ck_assert_int_eq(within.ss_flags & SS_DISABLE, 0);
	/* One who finds one leaves it. */
	signal_stack_use(&second);
	signal_stack_leave(&second);
	sigaltstack(NULL, &after);
	ck_assert_int_eq(after.ss_flags & SS_DISABLE, 0);
	ck_assert_ptr_eq(after.ss_sp, within.ss_sp);
	signal_stack_leave(&first);
	signal_stack_leave(&first);
	sigaltstack(NULL, &after);
	ck_assert_int_eq(after.ss_flags & SS_DISABLE, before.ss_flags & SS_DISABLE);
	return NULL;
}

START_TEST(it_is_given_back)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, use_and_leave, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

UNIT_MAIN("signal_stack", a_handler_runs_when_the_stack_is_used_up, it_is_given_back)
