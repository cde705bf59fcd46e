/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "nudge.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static sem_t started, answered;
static _Atomic pid_t number;
static pthread_t answerer;

static void
answer(void)
{
	answerer = pthread_self();
	errno = ENOTTY; /* which the thread does not see */
	sem_post(&answered);
}

/* As a thread of a loop: it blocks all signals. */
static void *
wait_for_ever(void *context)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	nudge_accept();
	atomic_store(&number, (pid_t)syscall(SYS_gettid));
	errno = 0;
	sem_post(&started);
	/* One that is not restarted. */
	ck_assert_int_eq(poll(NULL, 0, -1), -1);
	ck_assert_int_eq(errno, EINTR);
	return context;
}

/* Until the thread has gone: the first may come before its wait has begun. */
static void
nudge_until_it_ends(pthread_t thread)
{
	while (pthread_tryjoin_np(thread, NULL) != 0) {
		nudge_thread(thread);
		poll(NULL, 0, 1);
	}
}

START_TEST(a_thread_is_taken_out_of_its_wait)
{
	pthread_t thread;

	nudge_begin();
	ck_assert_int_eq(sem_init(&started, 0, 0), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
	sem_wait(&started);
	nudge_until_it_ends(thread);
	/* Joined, it may still be on its last way in the kernel. */
	while (nudge_number(atomic_load(&number)))
		poll(NULL, 0, 1);
}
END_TEST

START_TEST(the_thread_itself_answers)
{
	pthread_t thread;

	nudge_begin();
	nudge_answer(answer);
	ck_assert_int_eq(sem_init(&started, 0, 0), 0);
	ck_assert_int_eq(sem_init(&answered, 0, 0), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
	sem_wait(&started);
	ck_assert(nudge_number(atomic_load(&number)));
	while (sem_wait(&answered) != 0)
		;
	ck_assert(pthread_equal(answerer, thread));
	/* Nobody is asked any more. */
	nudge_answer(NULL);
	nudge_until_it_ends(thread);
}
END_TEST

UNIT_MAIN("nudge", a_thread_is_taken_out_of_its_wait, the_thread_itself_answers)
