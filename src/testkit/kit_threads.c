/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a test: the registry's, which runs its loop, and one for each host that was
 * started, of which one runs at a time. A host has threads of its own.
 */
#include "kit_threads.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "inside.h"
#include "kit.h"
#include "packet.h"

/* The host gives the driver 5 s to stop, and the apps some for their completions. */
#define END_PATIENCE (20 * NSEC_PER_SEC)

/* Signals that are sent to the program are for its own threads. */
static int
start_thread(pthread_t *thread, void *(*run)(void *context), void *context)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t blocked, before;
	int error;

	sigfillset(&blocked);
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&blocked, own[i]);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	error = pthread_create(thread, NULL, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* --- the registry's thread --- */

static void *
run_registry(void *context)
{
	dext_test *test = context;

	loop_run(test->loop, 1);
	return NULL;
}

void
threads_changed(void *context)
{
	dext_test *test = context;

	if (test->registry == NULL)
		return;
	pthread_mutex_lock(&test->lock);
	test->summary = registry_summary(test->registry);
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
}

/* A function to be called on the registry's thread. */
struct errand {
	struct loop_task task;
	dext_test *test;
	void (*run)(dext_test *test, void *context);
	void *context;
	bool done; /* [test->lock] */
};

static void
run_errand(struct loop_task *task)
{
	struct errand *errand = (struct errand *)task;
	dext_test *test = errand->test;

	errand->run(test, errand->context);
	threads_changed(test);
	pthread_mutex_lock(&test->lock);
	errand->done = true;
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
}

void
threads_do_there(dext_test *test, void (*run)(dext_test *test, void *context), void *context)
{
	struct errand errand = {
		.task.run = run_errand, .test = test, .run = run, .context = context};

	loop_post(test->loop, &errand.task);
	pthread_mutex_lock(&test->lock);
	while (!errand.done)
		pthread_cond_wait(&test->changed, &test->lock);
	pthread_mutex_unlock(&test->lock);
}

bool
threads_start_registry(dext_test *test)
{
	test->running = start_thread(&test->thread, run_registry, test) == 0;
	return test->running;
}

static void
stop_there(dext_test *test, void *context)
{
	registry_stop(test->registry);
}

/* --- the host's thread --- */

static void *
run_host(void *context)
{
	struct host_thread *host = context;
	dext_test *test = host->test;
	uint64_t ended;

	ended = 1 + (uint64_t)inside_access.run_take(host->control, &test->host, &device_backend);
	pthread_mutex_lock(&test->lock);
	test->host_runs = false;
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
	if (write(host->ended, &ended, sizeof(ended)) < 0)
		abort();
	return NULL;
}

static bool
claim_place(dext_test *test)
{
	bool free;

	pthread_mutex_lock(&test->lock);
	free = !test->host_runs;
	test->host_runs = true;
	pthread_mutex_unlock(&test->lock);
	return free;
}

int
threads_start_host(void *context, int control)
{
	dext_test *test = context;
	struct host_thread *host = calloc(1, sizeof(*host));
	bool mine = host != NULL && claim_place(test);

	if (host != NULL) {
		*host = (struct host_thread){.test = test, .control = control};
		host->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	if (mine && host->ended >= 0 && start_thread(&host->thread, run_host, host) == 0) {
		pthread_mutex_lock(&test->lock);
		host->next = test->hosts;
		test->hosts = host;
		pthread_mutex_unlock(&test->lock);
		return host->ended;
	}
	test_fail(test, mine ? "no driver can be started: out of resources"
			     : "two personalities match at once: a test has one driver at a time");
	if (mine) {
		pthread_mutex_lock(&test->lock);
		test->host_runs = false;
		pthread_mutex_unlock(&test->lock);
	}
	if (host != NULL)
		fd_close(&host->ended);
	free(host);
	close(control);
	return -1;
}

/* The hosts' threads, and the registry knows. */
static bool
are_over_locked(const dext_test *test)
{
	return !test->host_runs && test->summary.ended == test->summary.hosts;
}

bool
threads_await_place(dext_test *test)
{
	uint64_t deadline = test_deadline(test);
	bool free;

	pthread_mutex_lock(&test->lock);
	while (!are_over_locked(test) && test_await(&test->changed, &test->lock, deadline))
		;
	free = are_over_locked(test);
	pthread_mutex_unlock(&test->lock);
	return free;
}

/* --- the end --- */

static void
await_hosts(dext_test *test)
{
	uint64_t deadline = test->timeout != 0 ? clock_now() + END_PATIENCE : UINT64_MAX;
	struct host_thread *host;
	bool over = false, late = false;

	pthread_mutex_lock(&test->lock);
	while (!over && !late) {
		over = are_over_locked(test);
		late = !over && !test_await(&test->changed, &test->lock, deadline);
	}
	pthread_mutex_unlock(&test->lock);
	if (late) {
		fprintf(stderr, "opendext-test: FAILED: the driver does not end\n");
		abort();
	}
	while ((host = test->hosts) != NULL) {
		test->hosts = host->next;
		pthread_join(host->thread, NULL);
		free(host);
	}
}

void
threads_end(dext_test *test)
{
	threads_do_there(test, stop_there, NULL);
	await_hosts(test);
	loop_stop(test->loop);
	pthread_join(test->thread, NULL);
}
