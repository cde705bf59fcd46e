/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: threads that all wait in epoll_wait on one set, one event at a time, so that no
 * thread sits on events of others while it runs a method.
 *
 * Invariants.
 * - Some thread waits, or is in code that does not block, as long as there are fewer than
 *   LOOP_THREADS_MAX: who is going to block (loop_will_block) starts a thread if he finds nobody
 *   waiting, and whoever is woken meanwhile does the same before he blocks.
 * - epoll knows a source by an id that is never used again. A thread that got an event for a source
 *   which another thread removed in that moment looks the id up and finds nothing, so `removed`
 *   needs to wait only for threads that are inside the handler.
 * - Tasks and timers have descriptors of their own in the set (an eventfd and a timerfd), both
 *   edge-triggered and never read: each write wakes one thread.
 *
 * The lock guards everything but `waiting`; it is never held while a handler, task or timer runs.
 * Threads beyond the number asked for end after they found nothing to do for IDLE_MSEC.
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
#include "status.h"

#define THREADS_MIN 1u
#define IDLE_MSEC   2000

/* Ids of the loop's own descriptors; sources have (generation << 32 | index), generation >= 1. */
enum {
	ID_STOP = 1,
	ID_TASKS = 2,
	ID_TIMERS = 3,
};

#define NO_ENTRY UINT32_MAX

/* A place for a source. */
struct entry {
	struct loop_source *source; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

struct thread {
	struct loop *loop;
	struct thread *next; /* [lock] while in loop->ended */
	pthread_t id;
	unsigned minimum;  /* [const] loop->minimum at its birth */
	unsigned blocking; /* [thread] nesting of loop_will_block */
	bool more_tasks;   /* [thread] left tasks behind when it took the one it runs */
	bool stays;	   /* [const] the caller of loop_run: leaves only when the loop stops */
};

struct loop {
	int epoll;	/* [const] */
	int stop_bell;	/* [const] readable once stopped: wakes every thread */
	int task_bell;	/* [const] */
	int timer_bell; /* [const] */

	/* Threads in epoll_wait or on the way there. Changed by read-modify-writes only, so that
	 * the last one to leave sees 0, whoever it is. */
	_Atomic unsigned waiting;

	pthread_mutex_t lock;
	pthread_cond_t left;   /* [lock] a thread ended */
	unsigned total;	       /* [lock] threads that have not ended */
	unsigned minimum;      /* [lock] threads that stay when idle */
	bool stopping;	       /* [lock] */
	bool full;	       /* [lock] that LOOP_THREADS_MAX was reached has been logged */
	struct thread *ended;  /* [lock] to be joined */
	struct entry *entries; /* [lock] */
	uint32_t entry_count;  /* [lock] */
	uint32_t free_entry;   /* [lock] */
	struct loop_task *tasks;
	struct loop_task **tasks_end;
	struct timer_heap timers;  /* [lock] */
	uint64_t timer_programmed; /* [lock] deadline in the timerfd; UINT64_MAX: none */
};

static _Thread_local struct thread *current;

static void
ring(int fd)
{
	static const uint64_t one = 1;
	int kept = errno;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = kept;
}

static IOReturn
watch(struct loop *loop, int fd, uint32_t events, uint64_t id)
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
	res = watch(loop, loop->stop_bell, EPOLLIN, ID_STOP);
	if (res == kIOReturnSuccess)
		res = watch(loop, loop->task_bell, EPOLLIN | EPOLLET, ID_TASKS);
	if (res == kIOReturnSuccess)
		res = watch(loop, loop->timer_bell, EPOLLIN | EPOLLET, ID_TIMERS);
	return res;
}

IOReturn
loop_create(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	IOReturn res;

	if (loop == NULL)
		return kIOReturnNoMemory;
	loop->free_entry = NO_ENTRY;
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
join_ended(struct thread *ended)
{
	while (ended != NULL) {
		struct thread *next = ended->next;

		pthread_join(ended->id, NULL);
		free(ended);
		ended = next;
	}
}

void
loop_destroy(struct loop *loop)
{
	struct thread *ended;

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

/* --- sources --- */

static struct loop_source *
find_locked(struct loop *loop, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	uint32_t generation = (uint32_t)(id >> 32);

	if (index >= loop->entry_count || loop->entries[index].generation != generation)
		return NULL;
	return loop->entries[index].source;
}

/* A free place, or NO_ENTRY without memory. */
static uint32_t
take_entry_locked(struct loop *loop)
{
	uint32_t count = loop->entry_count;
	struct entry *entries;
	uint32_t index;

	if (loop->free_entry == NO_ENTRY) {
		uint32_t larger = count > 0 ? count * 2 : 16;

		entries = reallocarray(loop->entries, larger, sizeof(*entries));
		if (entries == NULL)
			return NO_ENTRY;
		for (uint32_t i = count; i < larger; i++)
			entries[i] = (struct entry){
				.generation = 1,
				.next_free = i + 1 < larger ? i + 1 : NO_ENTRY,
			};
		loop->entries = entries;
		loop->entry_count = larger;
		loop->free_entry = count;
	}
	index = loop->free_entry;
	loop->free_entry = loop->entries[index].next_free;
	return index;
}

static void
free_entry_locked(struct loop *loop, uint32_t index)
{
	struct entry *entry = &loop->entries[index];

	entry->source = NULL;
	entry->generation++;
	/* A place whose generations are used up is not used again: ids stay unique. */
	if (entry->generation == 0)
		return;
	entry->next_free = loop->free_entry;
	loop->free_entry = index;
}

/* A level-triggered source is watched one event at a time, or every waiting thread would run it. */
static uint32_t
watched_events(const struct loop_source *source)
{
	return source->events & EPOLLET ? source->events : source->events | EPOLLONESHOT;
}

IOReturn
loop_source_add(struct loop *loop, struct loop_source *source)
{
	IOReturn res = kIOReturnNoMemory;
	uint32_t index;

	source->running = 0;
	source->dying = 0;
	pthread_mutex_lock(&loop->lock);
	index = take_entry_locked(loop);
	if (index != NO_ENTRY) {
		loop->entries[index].source = source;
		source->id = (uint64_t)loop->entries[index].generation << 32 | index;
		res = watch(loop, source->fd, watched_events(source), source->id);
		if (res != kIOReturnSuccess)
			free_entry_locked(loop, index);
	}
	pthread_mutex_unlock(&loop->lock);
	return res;
}

static IOReturn
rearm_locked(struct loop *loop, struct loop_source *source)
{
	struct epoll_event event = {.events = watched_events(source), .data.u64 = source->id};

	if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return status_from_errno(errno, "epoll_ctl");
	return kIOReturnSuccess;
}

IOReturn
loop_source_rearm(struct loop *loop, struct loop_source *source, uint32_t events)
{
	IOReturn res = kIOReturnOffline;

	pthread_mutex_lock(&loop->lock);
	if (!source->dying) {
		source->events = events;
		/* A level-triggered one is watched again when its handler returns. */
		if (source->running > 0 && !(events & (EPOLLET | EPOLLONESHOT)))
			res = kIOReturnSuccess;
		else
			res = rearm_locked(loop, source);
	}
	pthread_mutex_unlock(&loop->lock);
	return res;
}

void
loop_source_remove(struct loop *loop, struct loop_source *source)
{
	bool removed = false;

	pthread_mutex_lock(&loop->lock);
	if (!source->dying) {
		source->dying = 1;
		/* Fails only if the owner closed the descriptor, which took it out of the set. */
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
		free_entry_locked(loop, (uint32_t)source->id);
		removed = source->running == 0;
	}
	pthread_mutex_unlock(&loop->lock);
	if (removed && source->removed != NULL)
		source->removed(source);
}

static void
run_source(struct loop *loop, uint64_t id, uint32_t events)
{
	struct loop_source *source;
	bool removed = false;

	pthread_mutex_lock(&loop->lock);
	source = find_locked(loop, id);
	if (source != NULL)
		source->running++;
	pthread_mutex_unlock(&loop->lock);
	if (source == NULL)
		return;
	source->handler(source, events);
	pthread_mutex_lock(&loop->lock);
	source->running--;
	if (source->dying)
		removed = source->running == 0;
	else if (!(source->events & (EPOLLET | EPOLLONESHOT)))
		rearm_locked(loop, source);
	pthread_mutex_unlock(&loop->lock);
	if (removed && source->removed != NULL)
		source->removed(source);
}

/* --- tasks --- */

void
loop_post(struct loop *loop, struct loop_task *task)
{
	task->next = NULL;
	pthread_mutex_lock(&loop->lock);
	*loop->tasks_end = task;
	loop->tasks_end = &task->next;
	pthread_mutex_unlock(&loop->lock);
	ring(loop->task_bell);
}

/*
 * Two posts may have rung but once. So the thread that comes takes all there is, and if a task is
 * going to block while others are left, it rings for them: more_tasks, loop_will_block.
 */
static void
run_tasks(struct loop *loop)
{
	for (;;) {
		struct loop_task *task;

		pthread_mutex_lock(&loop->lock);
		task = loop->tasks;
		if (task != NULL) {
			loop->tasks = task->next;
			if (loop->tasks == NULL)
				loop->tasks_end = &loop->tasks;
		}
		current->more_tasks = loop->tasks != NULL;
		pthread_mutex_unlock(&loop->lock);
		if (task == NULL)
			return;
		task->run(task);
	}
}

/* --- timers --- */

/* Sets the timerfd to the earliest timer, unless it is set to that or an earlier time. */
static void
program_locked(struct loop *loop)
{
	struct itimerspec when = {0};

	if (loop->timers.root == NULL || loop->timers.root->deadline >= loop->timer_programmed)
		return;
	loop->timer_programmed = loop->timers.root->deadline;
	when.it_value.tv_sec = (time_t)(loop->timer_programmed / NSEC_PER_SEC);
	when.it_value.tv_nsec = (long)(loop->timer_programmed % NSEC_PER_SEC);
	/* All zero would switch it off. */
	if (loop->timer_programmed == 0)
		when.it_value.tv_nsec = 1;
	timerfd_settime(loop->timer_bell, TFD_TIMER_ABSTIME, &when, NULL);
}

void
loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t deadline)
{
	pthread_mutex_lock(&loop->lock);
	if (timer->armed)
		timer_heap_remove(&loop->timers, timer);
	timer->armed = 1;
	timer->deadline = deadline;
	timer_heap_insert(&loop->timers, timer);
	program_locked(loop);
	pthread_mutex_unlock(&loop->lock);
}

int
loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	int cancelled;

	pthread_mutex_lock(&loop->lock);
	cancelled = timer->armed != 0;
	if (cancelled) {
		timer->armed = 0;
		/* The timerfd stays as it is: at worst one thread wakes for nothing, and the next
		 * arming, most often for later, costs no system call. */
		timer_heap_remove(&loop->timers, timer);
	}
	pthread_mutex_unlock(&loop->lock);
	return cancelled;
}

static void
run_timers(struct loop *loop)
{
	for (;;) {
		struct loop_timer *due;

		pthread_mutex_lock(&loop->lock);
		due = loop->timers.root;
		if (due != NULL && due->deadline <= clock_now()) {
			due->armed = 0;
			timer_heap_remove(&loop->timers, due);
		} else {
			due = NULL;
		}
		/* Before `fired` runs, since it may block: the next one is some other thread's. */
		loop->timer_programmed = UINT64_MAX;
		program_locked(loop);
		pthread_mutex_unlock(&loop->lock);
		if (due == NULL)
			return;
		due->fired(due);
	}
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
serve(struct loop *loop, struct thread *self)
{
	current = self;
	for (;;) {
		/* Only what is more than the minimum looks at the clock, so an idle loop sleeps. */
		bool surplus = !self->stays && atomic_load(&loop->waiting) > self->minimum;
		struct epoll_event event;
		int count = epoll_wait(loop->epoll, &event, 1, surplus ? IDLE_MSEC : -1);

		if (count <= 0 || event.data.u64 == ID_STOP) {
			assert(count >= 0 || errno == EINTR);
			if (leave(loop, count == 0))
				break;
			continue;
		}
		atomic_fetch_sub(&loop->waiting, 1);
		if (event.data.u64 == ID_TASKS)
			run_tasks(loop);
		else if (event.data.u64 == ID_TIMERS)
			run_timers(loop);
		else
			run_source(loop, event.data.u64, event.events);
		assert(self->blocking == 0);
		atomic_fetch_add(&loop->waiting, 1);
	}
	current = NULL;
}

/* The thread is gone from here on, as far as loop_destroy is concerned. */
static void
sign_off(struct loop *loop, struct thread *to_join)
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
	struct thread *self = argument;

	serve(self->loop, self);
	sign_off(self->loop, self);
	return NULL;
}

/* Signals belong to the program, not to a library's threads; but a fault stays with who caused it.
 */
static int
start_quiet(pthread_t *ret_id, struct thread *thread)
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
	struct thread *thread;
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
	struct thread self = {.loop = loop, .stays = true};
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
	ring(loop->stop_bell);
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
	struct thread *ended = NULL;

	pthread_mutex_lock(&loop->lock);
	if (atomic_load(&loop->waiting) == 0 && !loop->stopping) {
		grow_locked(loop);
		ended = loop->ended;
		loop->ended = NULL;
	}
	pthread_mutex_unlock(&loop->lock);
	join_ended(ended);
}

void
loop_will_block(struct loop *loop)
{
	struct thread *self = current;

	if (self == NULL || self->loop != loop || self->blocking++ > 0)
		return;
	/*
	 * Pairs with the decrement in serve: all changes of `waiting` are in one order, so of two
	 * threads that leave and then look here the later one sees that nobody is left.
	 */
	if (atomic_load(&loop->waiting) == 0)
		replace(loop);
	if (self->more_tasks) {
		self->more_tasks = false;
		ring(loop->task_bell);
	}
}

void
loop_did_block(struct loop *loop)
{
	struct thread *self = current;

	if (self == NULL || self->loop != loop)
		return;
	assert(self->blocking > 0);
	self->blocking--;
}
