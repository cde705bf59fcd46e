/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: the loop, the main queue and the global queues, all made together.
 *
 * In a forked child the threads are gone, and locks of queues may be held by them for ever. So the
 * child gives up everything, as memory that nobody looks at again, and makes it anew when it needs
 * it. Descriptors of the loop are closed, since the parent uses the same ones.
 */
#include "engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dispatch_object.h"
#include "log.h"
#include "main_queue.h"
#include "object.h"

/* Blocks of one global queue at a time. */
#define GLOBAL_WIDTH 64

struct engine {
	struct loop *loop;
	IODispatchQueue *main_queue;
	IODispatchQueue *global[ENGINE_GLOBAL_QUEUES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Written once, with the lock; pairs with the loads in current and engine_runs. */
static struct engine *_Atomic running;
static unsigned generation; /* changed in a child's only thread */

static void
before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void
after_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void
after_fork_child(void)
{
	struct engine *engine = atomic_load_explicit(&running, memory_order_relaxed);

	if (engine != NULL) {
		loop_abandon(engine->loop);
		queue_set_loop(NULL);
		main_queue_fork_child();
		atomic_store_explicit(&running, NULL, memory_order_relaxed);
		generation++;
	}
	pthread_mutex_unlock(&lock);
}

static IODispatchQueue *
make(const char *label, unsigned width, void (*waker)(void))
{
	IODispatchQueue *queue = NULL;
	IOReturn res = queue_create_of(&dispatch_queue_class, label, width, waker, &queue);

	if (res != kIOReturnSuccess)
		log_abort("dispatch: no memory for the queue %s", label);
	((struct OSObject *)queue)->references = OBJECT_IMMORTAL;
	return queue;
}

static struct engine *
start_locked(void)
{
	static const char *const labels[ENGINE_GLOBAL_QUEUES] = {
		"com.apple.root.user-interactive-qos", "com.apple.root.user-initiated-qos",
		"com.apple.root.default-qos",	       "com.apple.root.utility-qos",
		"com.apple.root.background-qos",
	};
	static bool watched;
	struct engine *engine = calloc(1, sizeof(*engine));
	IOReturn res = kIOReturnNoMemory;

	if (!watched && pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0)
		log_abort("dispatch: no memory to prepare for fork");
	watched = true;
	if (engine != NULL)
		res = loop_create(&engine->loop);
	if (res == kIOReturnSuccess)
		res = loop_start(engine->loop, 1);
	if (res != kIOReturnSuccess)
		log_abort("dispatch: no event loop or thread for queues: status %#x", res);
	queue_set_loop(engine->loop);
	engine->main_queue = make("com.apple.main-thread", 1, main_queue_waker);
	for (unsigned i = 0; i < ENGINE_GLOBAL_QUEUES; i++)
		engine->global[i] = make(labels[i], GLOBAL_WIDTH, NULL);
	return engine;
}

static struct engine *
current(void)
{
	struct engine *engine = atomic_load_explicit(&running, memory_order_acquire);

	if (engine != NULL)
		return engine;
	pthread_mutex_lock(&lock);
	engine = atomic_load_explicit(&running, memory_order_relaxed);
	if (engine == NULL) {
		engine = start_locked();
		atomic_store_explicit(&running, engine, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return engine;
}

struct loop *
engine_loop(void)
{
	return current()->loop;
}

bool
engine_runs(void)
{
	return atomic_load_explicit(&running, memory_order_acquire) != NULL;
}

void
engine_will_block(void)
{
	if (!engine_runs())
		return;
	loop_will_block(engine_loop());
	queue_will_wait();
}

void
engine_did_block(void)
{
	if (!engine_runs())
		return;
	queue_did_wait();
	loop_did_block(engine_loop());
}

unsigned
engine_generation(void)
{
	return generation;
}

IODispatchQueue *
engine_main_queue(void)
{
	return current()->main_queue;
}

IODispatchQueue *
engine_global_queue(unsigned index)
{
	return current()->global[index];
}
