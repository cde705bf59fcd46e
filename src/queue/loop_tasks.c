/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks and timers of the loop: what runs without a descriptor of its own.
 *
 * Invariants.
 * - Tasks and timers have one descriptor each in the set (an eventfd and a timerfd), both
 *   edge-triggered and never read: each write wakes one thread.
 * - The timerfd is set to the earliest timer or to an earlier time, never to a later one.
 *
 * Post, arm and cancel are for any thread; tasks and timers run on the loop's threads. The loop's
 * lock guards the list and the heap; it is not held while a task or a timer runs.
 *
 * Left out: taking a task back; the order of the timers is timer_heap.c.
 */
#include "loop_private.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <time.h>

#include "clock.h"

/* --- tasks --- */

void
loop_post(struct loop *loop, struct loop_task *task)
{
	task->next = NULL;
	pthread_mutex_lock(&loop->lock);
	*loop->tasks_end = task;
	loop->tasks_end = &task->next;
	pthread_mutex_unlock(&loop->lock);
	loop_ring(loop->task_bell);
}

/*
 * Two posts may have rung but once. So the thread that comes takes all there is, and if a task is
 * going to block while others are left, it rings for them: more_tasks, loop_will_block.
 */
void
loop_tasks_run(struct loop *loop, struct loop_thread *self)
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
		self->more_tasks = loop->tasks != NULL;
		pthread_mutex_unlock(&loop->lock);
		if (task == NULL)
			return;
		task->run(task);
		if (loop->abandoned)
			return;
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

void
loop_timers_run(struct loop *loop)
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
		if (loop->abandoned)
			return;
	}
}
