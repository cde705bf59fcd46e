/* SPDX-License-Identifier: Apache-2.0 */
/* A test, for kit.c, which makes it, and kit_threads.c, which runs its registry and its hosts. */
#ifndef TESTKIT_KIT_THREADS_H
#define TESTKIT_KIT_THREADS_H

#include <pthread.h>

#include <OpenDext/TestKit.h>

#include "inside.h"
#include "registry.h"

struct host_thread {
	dext_test *test;
	pthread_t thread;
	int control, ended; /* the latter is the registry's, until it was written to */
	struct host_thread *next;
};

struct dext_test {
	struct loop *loop;
	struct registry *registry;
	pthread_t thread;
	bool running; /* the thread is there */
	char folder[256];
	uint64_t timeout; /* ns; 0: none */
	uint64_t seed;
	struct registry_inside inside;
	struct host_inside host;
	struct witness witness;
	struct usb_device *devices; /* all that were plugged in */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct registry_summary summary; /* [lock] */
	struct host_thread *hosts;	 /* [lock] all that were started */
	bool host_runs;			 /* [lock] */
	int failures;			 /* [lock] */
};

/* From the registry, on its thread: its summary is another one. */
void threads_changed(void *test);
/* registry_inside.start: a host on a thread of its own. */
int threads_start_host(void *test, int control);
/* False: there is no thread to be had. */
bool threads_start_registry(dext_test *test);
/* Calls run(test, context) on the registry's thread, and waits for it. */
void threads_do_there(dext_test *test, void (*run)(dext_test *test, void *context), void *context);
/* The host of the device before may be on its way. False: it stays. */
bool threads_await_place(dext_test *test);
/* Stops the registry and the hosts, and waits for their threads. A host that stays is a crash. */
void threads_end(dext_test *test);

#endif
