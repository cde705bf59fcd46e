/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each thread that runs methods has a cell, in which it says what it runs and counts: odd while it
 * is in a method. A timer of the loop looks at all cells. Who has the same odd number for as long
 * as the bound hangs; so nobody has to look at a clock when a method begins. The answer comes
 * between one bound and one and a half after the beginning.
 *
 * The timer rests in a host without work. Who begins a method and finds it resting arms it. Without
 * a barrier the timer may not see a method that has just begun, nor that thread that the timer
 * rests: so it looks once more after it has said that it rests, half a bound later, when everything
 * that was written then is visible.
 *
 * The stack is taken by a nudge of the thread, whose handler only stores addresses (backtrace was
 * called once before, so that it allocates nothing); the timer's thread finds names for them. It
 * interrupts a system call of the method: most are restarted, some return EINTR, as for any signal.
 */
#include "hang.h"

#include "clock.h"
#include "log.h"
#include "nudge.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<execinfo.h>)
#include <execinfo.h>
#else /* musl: no stacks */
#define backtrace(frames, count) (0)
#endif

#define CELLS	   (LOOP_THREADS_MAX + 8u)
#define FRAMES_MAX 48
#define OWN_FRAMES 2 /* the handler and the kernel's trampoline */
#define ANSWER	   (NSEC_PER_SEC / 2)

struct cell {
	_Alignas(64) _Atomic uint64_t number; /* odd: in a method. Written by its thread */
	_Atomic bool taken;
	_Atomic pid_t thread;
	_Atomic(const char *) class_name;
	_Atomic(const char *) method;
	_Atomic uint64_t selector;
	/* The timer's. */
	uint64_t seen, since;
	bool told;
};

enum watching { RESTS, LOOKS_ONCE_MORE, WATCHES };

static struct {
	struct cell cells[CELLS];
	struct loop *loop;	/* [const] while it runs */
	_Atomic uint64_t bound; /* 0: nothing is watched */
	_Atomic uint32_t watching;
	struct loop_timer timer;
	/* One stack at a time, between the timer and the thread that it asks. */
	_Atomic(struct cell *) asked;
	_Atomic uint64_t asked_number;
	_Atomic bool answering; /* from the question until the stack is there */
	void *frames[FRAMES_MAX];
	int frame_count;
	sem_t answered;
	pthread_key_t key;
} hang;

static _Thread_local struct cell *mine;

/* --- the thread that hangs --- */

static void
take_stack(void)
{
	struct cell *asked = atomic_load_explicit(&hang.asked, memory_order_acquire);

	/* Anybody can be nudged; and the method may have returned. */
	if (asked == NULL || asked != mine ||
	    atomic_load(&asked->number) != atomic_load(&hang.asked_number) ||
	    !atomic_compare_exchange_strong(&hang.asked, &asked, NULL))
		return;
	hang.frame_count = backtrace(hang.frames, FRAMES_MAX);
	atomic_store(&hang.answering, false);
	sem_post(&hang.answered);
}

/* --- the timer --- */

/* As those of a crash: `dext logs` finds the names that only the file has. */
static void
log_frame(unsigned number, void *address)
{
	Dl_info info;

	if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
		log_error("  #%u %p", number, address);
		return;
	}
	log_error("  #%u %s+0x%zx%s%s%s", number, info.dli_fname,
		  (size_t)((char *)address - (char *)info.dli_fbase),
		  info.dli_sname != NULL ? " (" : "", info.dli_sname != NULL ? info.dli_sname : "",
		  info.dli_sname != NULL ? ")" : "");
}

static bool
ask(struct cell *cell, uint64_t number)
{
	uint64_t until = clock_now() + ANSWER;
	struct cell *asked = cell;
	struct timespec deadline;

	/* Of an earlier one that answered too late. */
	while (sem_trywait(&hang.answered) == 0)
		;
	atomic_store(&hang.asked_number, number);
	atomic_store(&hang.answering, true);
	atomic_store_explicit(&hang.asked, cell, memory_order_release);
	if (nudge_number(atomic_load(&cell->thread))) {
		deadline = (struct timespec){.tv_sec = (time_t)(until / NSEC_PER_SEC),
					     .tv_nsec = (long)(until % NSEC_PER_SEC)};
		while (sem_clockwait(&hang.answered, CLOCK_MONOTONIC, &deadline) < 0)
			if (errno != EINTR)
				break;
	}
	/* Taken back: it blocks the signal, or has returned. Else the answer is there or coming. */
	if (atomic_compare_exchange_strong(&hang.asked, &asked, NULL))
		return false;
	/* It took the question before the deadline and answers after it, or has answered. */
	while (atomic_load(&hang.answering))
		poll(NULL, 0, 1);
	return true;
}

static void
tell(struct cell *cell, uint64_t number, uint64_t time)
{
	char selector[32] = "";

	if (atomic_load(&cell->selector) != HANG_NO_SELECTOR)
		snprintf(selector, sizeof(selector), " (%llu)",
			 (unsigned long long)atomic_load(&cell->selector));
	log_error("%s_%s%s has not returned for %llu ms and more; its stack:",
		  atomic_load(&cell->class_name), atomic_load(&cell->method), selector,
		  (unsigned long long)(time / NSEC_PER_MSEC));
	if (!ask(cell, number)) {
		log_error("  (it does not take the signal by which it is asked)");
		return;
	}
	for (int i = OWN_FRAMES; i < hang.frame_count; i++)
		log_frame((unsigned)(i - OWN_FRAMES), hang.frames[i]);
}

/* True: it has run something since the last look, or does. */
static bool
look_at(struct cell *cell, uint64_t now, uint64_t bound)
{
	uint64_t number = atomic_load_explicit(&cell->number, memory_order_acquire);

	if (number != cell->seen) {
		cell->seen = number;
		cell->since = now;
		cell->told = false;
		return true;
	}
	if (number % 2 == 0)
		return false;
	if (!cell->told && now - cell->since >= bound) {
		cell->told = true;
		tell(cell, number, now - cell->since);
	}
	/* One that was told of needs no further look. */
	return !cell->told;
}

static void
arm(uint64_t now, uint64_t bound)
{
	loop_timer_arm(hang.loop, &hang.timer, now + bound / 2 + 1);
}

static void
look(struct loop_timer *timer)
{
	uint64_t now = clock_now(), bound = atomic_load(&hang.bound);
	bool busy = false;

	(void)timer;
	if (bound == 0)
		return;
	for (unsigned i = 0; i < CELLS; i++)
		if (atomic_load(&hang.cells[i].taken))
			busy |= look_at(&hang.cells[i], now, bound);
	if (busy)
		atomic_store(&hang.watching, WATCHES);
	else if (atomic_load(&hang.watching) == WATCHES)
		atomic_store(&hang.watching, LOOKS_ONCE_MORE);
	else if (atomic_exchange(&hang.watching, RESTS) != WATCHES)
		return;
	arm(now, bound);
}

/* --- methods --- */

static void
give_back(void *context)
{
	struct cell *cell = context;

	mine = NULL;
	atomic_store(&cell->taken, false);
}

static struct cell *
take_cell(void)
{
	nudge_accept();
	for (unsigned i = 0; i < CELLS; i++) {
		struct cell *cell = &hang.cells[i];

		if (atomic_exchange(&cell->taken, true))
			continue;
		atomic_store(&cell->thread, (pid_t)syscall(SYS_gettid));
		pthread_setspecific(hang.key, cell);
		mine = cell;
		return cell;
	}
	return NULL;
}

static void
set(struct cell *cell, const struct hang_mark *mark)
{
	atomic_store_explicit(&cell->class_name, mark->class_name, memory_order_relaxed);
	atomic_store_explicit(&cell->method, mark->method, memory_order_relaxed);
	atomic_store_explicit(&cell->selector, mark->selector, memory_order_relaxed);
}

static struct hang_mark
get(struct cell *cell)
{
	return (struct hang_mark){
		atomic_load_explicit(&cell->class_name, memory_order_relaxed),
		atomic_load_explicit(&cell->method, memory_order_relaxed),
		atomic_load_explicit(&cell->selector, memory_order_relaxed),
	};
}

struct hang_mark
hang_begin(const char *class_name, const char *method, uint64_t selector)
{
	const struct hang_mark now = {class_name, method, selector};
	uint64_t bound = atomic_load_explicit(&hang.bound, memory_order_relaxed), number;
	struct cell *cell = mine;
	struct hang_mark before = {NULL, NULL, 0};

	if (bound == 0 || (cell == NULL && (cell = take_cell()) == NULL))
		return before;
	number = atomic_load_explicit(&cell->number, memory_order_relaxed);
	if (number % 2 != 0)
		before = get(cell);
	set(cell, &now);
	/* Pairs with look_at: who sees the number sees what it is. From odd to odd if nested. */
	atomic_store_explicit(&cell->number, number % 2 == 0 ? number + 1 : number + 2,
			      memory_order_release);
	/* Relaxed: see the top. */
	if (atomic_load_explicit(&hang.watching, memory_order_relaxed) != WATCHES) {
		atomic_store(&hang.watching, WATCHES);
		arm(clock_now(), bound);
	}
	return before;
}

void
hang_end(struct hang_mark mark)
{
	struct cell *cell = mine;
	uint64_t number;

	if (cell == NULL)
		return;
	number = atomic_load_explicit(&cell->number, memory_order_relaxed);
	if (number % 2 == 0)
		return; /* began when nothing was watched any more */
	if (mark.method != NULL)
		set(cell, &mark);
	atomic_store_explicit(&cell->number, mark.method != NULL ? number + 2 : number + 1,
			      memory_order_release);
}

/* --- */

void
hang_start(struct loop *loop, uint64_t bound)
{
	if (bound == 0)
		return;
	hang.loop = loop;
	hang.timer.fired = look;
	sem_init(&hang.answered, 0, 0);
	if (pthread_key_create(&hang.key, give_back) != 0)
		return;
	/* Loads what it needs now, while it may allocate and open. */
	hang.frame_count = backtrace(hang.frames, FRAMES_MAX);
	nudge_begin();
	nudge_answer(take_stack);
	atomic_store(&hang.bound, bound);
}

void
hang_stop(void)
{
	if (atomic_exchange(&hang.bound, 0) != 0)
		loop_timer_cancel(hang.loop, &hang.timer);
}
