/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of the event loop: they all wait in epoll_wait on one set, one event at a time, so
 * that no thread sits on events of others while it runs a method.
 *
 * Invariants.
 * - Some thread waits, or is in code that does not block, as long as there are fewer than
 *   LOOP_THREADS_MAX: who is going to block (loop_will_block) starts a thread if he finds nobody
 *   waiting, and whoever is woken meanwhile does the same before he blocks.
 * - Sources, tasks and timers are told apart by the id that epoll returns (ids below 2^32 are the
 *   loop's own descriptors). A thread runs what the one event is for and waits again.
 *
 * The lock guards everything but `waiting`; it is never held while a handler, task or timer runs.
 * Threads beyond the number asked for end after they found nothing to do for IDLE_MSEC, but for the
 * one that was woken last. Threads are woken last in, first out, so that is the one that works, and
 * a time-out of each of its sleeps would cost it something and never come.
 *
 * Left out: what an event leads to, which is loop_sources.c and loop_tasks.c.
 */
#include "loop_private.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "signal_stack.h"
#include "status.h"

#define THREADS_MIN 1u
#define IDLE_MSEC   2000

/* Ids of the loop's own descriptors; sources have (generation << 32 | index), generation >= 1. */
enum {
	ID_STOP = 1,
	ID_TASKS = 2,
	ID_TIMERS = 3,
};

static _Thread_local struct loop_thread *current;

void
loop_ring(int fd)
{
	static const uint64_t one = 1;
	int kept = errno;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = kept;
}

IOReturn
loop_watch(struct loop *loop, int fd, uint32_t events, uint64_t id)
{
	struct epoll_event event = {.events = events, .data.u64 = id};

	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return status_from_errno(errno, "epoll_ctl");
	return kIOReturnSuccess;
}

static void
close_all(struct loop *loop)
{
	int fds[] = {loop->epoll, loop->stop_bell, loop->task_bell, loop->timer_bell};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static IOReturn
open_all(struct loop *loop)
{
	IOReturn res;

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->stop_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->task_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->timer_bell = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->epoll < 0 || loop->stop_bell < 0 || loop->task_bell < 0 || loop->timer_bell < 0)
		return status_from_errno(errno, "descriptors of a loop");
	res = loop_watch(loop, loop->stop_bell, EPOLLIN, ID_STOP);
	if (res == kIOReturnSuccess)
		res = loop_watch(loop, loop->task_bell, EPOLLIN | EPOLLET, ID_TASKS);
	if (res == kIOReturnSuccess)
		res = loop_watch(loop, loop->timer_bell, EPOLLIN | EPOLLET, ID_TIMERS);
	return res;
}

IOReturn
loop_create(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	IOReturn res;

	if (loop == NULL)
		return kIOReturnNoMemory;
	loop->free_entry = LOOP_NO_ENTRY;
	loop->tasks_end = &loop->tasks;
	loop->timer_programmed = UINT64_MAX;
	res = open_all(loop);
	if (res != kIOReturnSuccess) {
		close_all(loop);
		free(loop);
		return res;
	}
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->left, NULL);
	*ret_loop = loop;
	return kIOReturnSuccess;
}

/* Joins the threads that have ended; they hold no lock and run no code of ours any more. */
static void
join_ended(struct loop_thread *ended)
{
	while (ended != NULL) {
		struct loop_thread *next = ended->next;

		pthread_join(ended->id, NULL);
		free(ended);
		ended = next;
	}
}

void
loop_destroy(struct loop *loop)
{
	struct loop_thread *ended;

	assert(current == NULL || current->loop != loop);
	loop_stop(loop);
	pthread_mutex_lock(&loop->lock);
	while (loop->total > 0)
		pthread_cond_wait(&loop->left, &loop->lock);
	ended = loop->ended;
	loop->ended = NULL;
	pthread_mutex_unlock(&loop->lock);
	join_ended(ended);
	close_all(loop);
	pthread_cond_destroy(&loop->left);
	pthread_mutex_destroy(&loop->lock);
	free(loop->entries);
	free(loop);
}

void
loop_abandon(struct loop *loop)
{
	close_all(loop);
	loop->abandoned = true;
}

/* --- threads --- */

/* True if this thread has to end. `waiting` counts the caller. */
static bool
leave(struct loop *loop, bool idle)
{
	bool ends;

	pthread_mutex_lock(&loop->lock);
	ends = loop->stopping || (idle && atomic_load(&loop->waiting) > loop->minimum);
	if (ends)
		atomic_fetch_sub(&loop->waiting, 1);
	pthread_mutex_unlock(&loop->lock);
	return ends;
}

static void
run_event(struct loop *loop, struct loop_thread *self, const struct epoll_event *event)
{
	if (event->data.u64 == ID_TASKS)
		loop_tasks_run(loop, self);
	else if (event->data.u64 == ID_TIMERS)
		loop_timers_run(loop);
	else
		loop_source_run(loop, event->data.u64, event->events);
	assert(loop->abandoned || self->blocking == 0);
}

void
loop_set_spin(struct loop *loop, void (*spin)(struct loop *loop), void (*blocks)(void),
	      bool (*wanted)(void))
{
	loop->spin = spin;
	loop->blocks = blocks;
	loop->wanted = wanted;
}

bool
loop_look(struct loop *loop)
{
	struct epoll_event event;
	int count;

	assert(current != NULL && current->loop == loop);
	count = epoll_wait(loop->epoll, &event, 1, 0);
	if (count > 0 && event.data.u64 == ID_STOP)
		return false;
	if (count > 0)
		run_event(loop, current, &event);
	return !loop->abandoned;
}

void
loop_set_signal_stacks(struct loop *loop)
{
	loop->signal_stacks = true;
}

/* Takes the list and runs it. */
static void
run_list(struct loop *loop, struct loop_task **list)
{
	struct loop_task *task = *list, *next;

	*list = NULL;
	for (; task != NULL && !loop->abandoned; task = next) {
		next = task->next;
		task->run(task);
	}
}

static void
serve(struct loop *loop, struct loop_thread *self)
{
	struct signal_stack stack = {.memory = NULL};
	struct loop_task *due;

	if (loop->signal_stacks)
		signal_stack_use(&stack);
	current = self;
	for (;;) {
		/* Only what is more than the minimum looks at the clock, so an idle loop sleeps. */
		bool surplus = !self->stays && atomic_load(&loop->waiting) > self->minimum &&
			       atomic_load_explicit(&loop->woken, memory_order_relaxed) != self;
		bool later = self->later != NULL;
		int timeout = later ? LOOP_LATER_MSEC : surplus ? IDLE_MSEC : -1;
		struct epoll_event event;
		int count = epoll_wait(loop->epoll, &event, 1, timeout);

		if (count < 0 || (count == 0 && !later) ||
		    (count > 0 && event.data.u64 == ID_STOP)) {
			assert(count >= 0 || errno == EINTR);
			if (leave(loop, count == 0))
				break;
			continue;
		}
		atomic_fetch_sub(&loop->waiting, 1);
		/* Relaxed: only compared, by threads that are woken themselves. */
		atomic_store_explicit(&loop->woken, self, memory_order_relaxed);
		due = self->later;
		self->later = NULL;
		if (count > 0)
			run_event(loop, self, &event);
		run_list(loop, &due);
		if (loop->abandoned)
			break;
		do {
			if (loop->spin != NULL)
				loop->spin(loop);
		} while (loop_run_deferred(loop));
		atomic_fetch_add(&loop->waiting, 1);
	}
	run_list(loop, &self->later);
	current = NULL;
	signal_stack_leave(&stack);
}

/* The thread is gone from here on, as far as loop_destroy is concerned. */
static void
sign_off(struct loop *loop, struct loop_thread *to_join)
{
	pthread_mutex_lock(&loop->lock);
	loop->total--;
	if (to_join != NULL) {
		to_join->next = loop->ended;
		loop->ended = to_join;
	}
	pthread_cond_broadcast(&loop->left);
	pthread_mutex_unlock(&loop->lock);
}

static void *
thread_main(void *argument)
{
	struct loop_thread *self = argument;

	serve(self->loop, self);
	if (!self->loop->abandoned)
		sign_off(self->loop, self);
	return NULL;
}

/* Signals belong to the program, not to a library's threads; but a fault stays with who caused it.
 */
static int
start_quiet(pthread_t *ret_id, struct loop_thread *thread)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t blocked;
	sigset_t kept;
	int error;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&blocked, own[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &kept);
	error = pthread_create(ret_id, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &kept, NULL);
	return error;
}

/* Starts one thread more; counted as waiting from now on, so that a burst starts only one. */
static IOReturn
grow_locked(struct loop *loop)
{
	struct loop_thread *thread;
	int error;

	if (loop->total >= LOOP_THREADS_MAX) {
		if (!loop->full)
			log_error("all %d threads of the loop are blocked: no more are started, "
				  "clients wait until one returns",
				  LOOP_THREADS_MAX);
		loop->full = true;
		return kIOReturnNoResources;
	}
	thread = calloc(1, sizeof(*thread));
	if (thread == NULL)
		return kIOReturnNoMemory;
	thread->loop = loop;
	thread->minimum = loop->minimum;
	loop->total++;
	atomic_fetch_add(&loop->waiting, 1);
	error = start_quiet(&thread->id, thread);
	if (error != 0) {
		loop->total--;
		atomic_fetch_sub(&loop->waiting, 1);
		free(thread);
		return status_from_errno(error, "pthread_create");
	}
	return kIOReturnSuccess;
}

static IOReturn
grow_to_locked(struct loop *loop, unsigned total)
{
	IOReturn res = kIOReturnSuccess;

	while (loop->total < total && res == kIOReturnSuccess)
		res = grow_locked(loop);
	return res;
}

static unsigned
set_minimum_locked(struct loop *loop, unsigned threads)
{
	if (threads < THREADS_MIN)
		threads = THREADS_MIN;
	if (threads > LOOP_THREADS_MAX)
		threads = LOOP_THREADS_MAX;
	loop->minimum = threads;
	return threads;
}

IOReturn
loop_start(struct loop *loop, unsigned threads)
{
	IOReturn res;

	pthread_mutex_lock(&loop->lock);
	threads = set_minimum_locked(loop, threads);
	res = grow_to_locked(loop, threads);
	pthread_mutex_unlock(&loop->lock);
	return res;
}

IOReturn
loop_run(struct loop *loop, unsigned threads)
{
	struct loop_thread self = {.loop = loop, .stays = true};
	IOReturn res;

	pthread_mutex_lock(&loop->lock);
	threads = set_minimum_locked(loop, threads);
	loop->total++;
	atomic_fetch_add(&loop->waiting, 1);
	res = grow_to_locked(loop, threads);
	if (res != kIOReturnSuccess) {
		loop->total--;
		atomic_fetch_sub(&loop->waiting, 1);
		pthread_mutex_unlock(&loop->lock);
		loop_stop(loop);
		return res;
	}
	pthread_mutex_unlock(&loop->lock);
	serve(loop, &self);
	sign_off(loop, NULL);
	return kIOReturnSuccess;
}

void
loop_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->stopping = true;
	pthread_mutex_unlock(&loop->lock);
	loop_ring(loop->stop_bell);
}

unsigned
loop_thread_count(struct loop *loop)
{
	unsigned total;

	pthread_mutex_lock(&loop->lock);
	total = loop->total;
	pthread_mutex_unlock(&loop->lock);
	return total;
}

/* Nobody waits, or tasks are left that no bell announces. */
static void
replace(struct loop *loop)
{
	struct loop_thread *ended = NULL;

	pthread_mutex_lock(&loop->lock);
	if (atomic_load(&loop->waiting) == 0 && !loop->stopping) {
		grow_locked(loop);
		ended = loop->ended;
		loop->ended = NULL;
	}
	pthread_mutex_unlock(&loop->lock);
	join_ended(ended);
}

/* --- what a thread is left --- */

bool
loop_is_here(const struct loop *loop)
{
	return current != NULL && current->loop == loop;
}

bool
loop_has_deferred(void)
{
	return current != NULL && current->deferred != NULL;
}

bool
loop_is_wanted(void)
{
	return current != NULL && current->loop->wanted != NULL && current->loop->wanted();
}

void
loop_defer(struct loop *loop, struct loop_task *task)
{
	assert(loop_is_here(loop));
	task->next = current->deferred;
	current->deferred = task;
}

void
loop_defer_look(struct loop *loop, struct loop_task *task)
{
	assert(loop_is_here(loop) && current->deferred != NULL);
	task->next = current->looks;
	current->looks = task;
}

void
loop_defer_long(struct loop *loop, struct loop_task *task)
{
	assert(loop_is_here(loop));
	task->next = current->later;
	current->later = task;
}

bool
loop_owe(struct loop *loop, struct loop_task *task)
{
	if (!loop_is_here(loop) || (current->deferred == NULL && !current->in_round))
		return false;
	if (current->owed == NULL)
		current->owed_since = clock_now();
	task->next = current->owed;
	current->owed = task;
	return true;
}

static void
pay(struct loop_thread *self, bool now)
{
	if (self->owed != NULL && (now || clock_now() - self->owed_since >= LOOP_OWED_NSEC))
		run_list(self->loop, &self->owed);
}

/* Before the looks, too: who is woken may bring what the last one of them finds. */
bool
loop_run_deferred(struct loop *loop)
{
	struct loop_thread *self = current;

	if (self->deferred == NULL || loop->abandoned)
		return false;
	self->in_round = true;
	run_list(loop, &self->deferred);
	pay(self, self->deferred == NULL);
	run_list(loop, &self->looks);
	self->in_round = false;
	pay(self, self->deferred == NULL);
	return !loop->abandoned;
}

void
loop_will_block(struct loop *loop)
{
	struct loop_thread *self = current;

	if (self == NULL || self->loop != loop || self->blocking++ > 0)
		return;
	pay(self, !self->in_round);
	if (loop->blocks != NULL)
		loop->blocks();
	/*
	 * Pairs with the decrement in serve: all changes of `waiting` are in one order, so of two
	 * threads that leave and then look here the later one sees that nobody is left.
	 */
	if (atomic_load(&loop->waiting) == 0)
		replace(loop);
	if (self->more_tasks) {
		self->more_tasks = false;
		loop_ring(loop->task_bell);
	}
}

static void
post_list(struct loop *loop, struct loop_task **list)
{
	struct loop_task *task = *list, *next;

	*list = NULL;
	for (; task != NULL; task = next) {
		next = task->next;
		loop_post(loop, task);
	}
}

void
loop_will_wait(struct loop *loop)
{
	loop_will_block(loop);
	if (!loop_is_here(loop))
		return;
	pay(current, true);
	post_list(loop, &current->deferred);
	post_list(loop, &current->looks);
}

void
loop_did_block(struct loop *loop)
{
	struct loop_thread *self = current;

	if (self == NULL || self->loop != loop)
		return;
	assert(self->blocking > 0);
	self->blocking--;
}
