/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a loop: rounds of poll over the sources of a mode. Sources are performed without the lock
 * and with a reference, so a callback may remove its source, destroy its port, stop the loop or run
 * it again.
 *
 * The main thread's loop runs what is on the main queue as well, in the common modes.
 *
 * Each run has its own stop mark: CFRunLoopStop ends the innermost run and no other.
 */
#include "run_loop_private.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "engine.h"
#include "errno_kept.h"
#include "log.h"
#include "main_queue.h"

/* Callbacks of one source before the loop looks at the others. */
#define PERFORM_MAX   64u
#define SECONDS_LIMIT 1e9 /* and above: for ever */

/* What a round polls: descriptors[0] is the wake-up. */
struct round {
	CFRunLoopSourceRef *sources; /* [i] belongs to descriptors[i + 1]; retained */
	struct pollfd *descriptors;
	size_t count;
	bool observed; /* there are observers: without any nothing is done for them */
};

static bool
holds_locked(const struct CFRunLoop_IVars *ivars, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	for (size_t i = 0; i < ivars->count; i++)
		if (ivars->entries[i].source == source &&
		    run_loop_entry_is_in(ivars, &ivars->entries[i], mode))
			return run_loop_source_is_valid(source);
	return false;
}

bool
run_loop_holds(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	bool holds;

	pthread_mutex_lock(&inside(loop)->lock);
	holds = holds_locked(inside(loop), source, mode);
	pthread_mutex_unlock(&inside(loop)->lock);
	return holds;
}

/*
 * Whether the main queue is run here. The main thread's loop is then never without something to
 * wait for, once the process uses queues.
 */
static bool
serves_main_queue_locked(const struct CFRunLoop_IVars *ivars, CFRunLoopMode mode)
{
	return main_queue_is_this_thread() && run_loop_is_common_locked(ivars, mode);
}

static bool
serves_main_queue(struct CFRunLoop_IVars *ivars, CFRunLoopMode mode)
{
	bool serves;

	pthread_mutex_lock(&ivars->lock);
	serves = serves_main_queue_locked(ivars, mode);
	pthread_mutex_unlock(&ivars->lock);
	return serves;
}

static bool
has_something(struct CFRunLoop_IVars *ivars, CFRunLoopMode mode)
{
	bool has;

	pthread_mutex_lock(&ivars->lock);
	has = (engine_runs() && serves_main_queue_locked(ivars, mode)) ||
	      run_loop_has_block_locked(ivars, mode);
	for (size_t i = 0; i < ivars->count && !has; i++)
		has = !inside_source(ivars->entries[i].source)->is_observer &&
		      run_loop_entry_is_in(ivars, &ivars->entries[i], mode);
	pthread_mutex_unlock(&ivars->lock);
	return has;
}

static bool
has(const struct round *round, CFRunLoopSourceRef source)
{
	for (size_t i = 0; i < round->count; i++)
		if (round->sources[i] == source)
			return true;
	return false;
}

static void
end_round(struct round *round)
{
	for (size_t i = 0; i < round->count; i++)
		CFRelease(round->sources[i]);
	free(round->sources);
	free(round->descriptors);
}

/* What there is to poll in this mode. False: no memory. */
static bool
begin_round(struct CFRunLoop_IVars *ivars, CFRunLoopMode mode, struct round *ret_round)
{
	struct round round = {0};

	pthread_mutex_lock(&ivars->lock);
	round.sources = calloc(ivars->count + 1, sizeof(CFRunLoopSourceRef));
	round.descriptors = calloc(ivars->count + 1, sizeof(*round.descriptors));
	for (size_t i = 0; round.sources != NULL && round.descriptors != NULL && i < ivars->count;
	     i++) {
		CFRunLoopSourceRef source = ivars->entries[i].source;

		round.observed |= inside_source(source)->is_observer;
		if (inside_source(source)->is_observer ||
		    !run_loop_entry_is_in(ivars, &ivars->entries[i], mode) || has(&round, source))
			continue;
		round.sources[round.count++] = (CFRunLoopSourceRef)CFRetain(source);
		round.descriptors[round.count] =
			(struct pollfd){.fd = inside_source(source)->descriptor, .events = POLLIN};
	}
	pthread_mutex_unlock(&ivars->lock);
	if (round.sources == NULL || round.descriptors == NULL) {
		log_error("CFRunLoopRunInMode: no memory");
		free(round.sources);
		free(round.descriptors);
		return false;
	}
	round.descriptors[0] = (struct pollfd){.fd = ivars->wake, .events = POLLIN};
	*ret_round = round;
	return true;
}

static void
set_waiting(struct CFRunLoop_IVars *ivars, bool waiting)
{
	pthread_mutex_lock(&ivars->lock);
	ivars->waiting = waiting;
	pthread_mutex_unlock(&ivars->lock);
}

static int
msec_until(uint64_t deadline)
{
	uint64_t now, left;

	if (deadline == 0 || deadline == UINT64_MAX)
		return deadline == 0 ? 0 : -1;
	now = clock_now();
	if (now >= deadline)
		return 0;
	left = (deadline - now - 1) / NSEC_PER_MSEC + 1;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Whether anything was ready, a wake-up included. */
static bool
poll_until(struct CFRunLoop_IVars *ivars, struct round *round, uint64_t deadline)
{
	uint64_t count;
	int ready;

	set_waiting(ivars, true);
	ready = poll(round->descriptors, (nfds_t)round->count + 1, msec_until(deadline));
	set_waiting(ivars, false);
	for (size_t i = 0; ready < 0 && i <= round->count; i++)
		round->descriptors[i].revents = 0; /* a signal: look again */
	/* Whoever woke the loop changed its state before, under the lock that was just taken. */
	if (round->descriptors[0].revents != 0 && read(ivars->wake, &count, sizeof(count)) < 0 &&
	    errno != EAGAIN)
		log_debug("run loop: wake-up: errno %d", errno);
	return ready > 0;
}

/* What is ready already is no reason to call the observers of waiting. */
static void
sleep_until(CFRunLoopRef loop, CFRunLoopMode mode, struct round *round, uint64_t deadline)
{
	if (!round->observed) {
		poll_until(inside(loop), round, deadline);
		return;
	}
	if (poll_until(inside(loop), round, 0) || deadline == 0)
		return;
	run_loop_observe(loop, mode, kCFRunLoopBeforeWaiting);
	poll_until(inside(loop), round, deadline);
	run_loop_observe(loop, mode, kCFRunLoopAfterWaiting);
}

static bool
may_perform(struct CFRunLoop_IVars *ivars, const struct run_loop_run *run,
	    CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	bool may;

	pthread_mutex_lock(&ivars->lock);
	may = !run->stopped && holds_locked(ivars, source, mode);
	pthread_mutex_unlock(&ivars->lock);
	return may;
}

/* Performs what is readable; returns whether a callback ran. */
static bool
handle(struct CFRunLoop_IVars *ivars, const struct run_loop_run *run, const struct round *round,
       CFRunLoopMode mode, bool once_only)
{
	bool handled = false;

	for (size_t i = 0; i < round->count; i++) {
		struct CFRunLoopSource_IVars *source = inside_source(round->sources[i]);

		if (round->descriptors[i + 1].revents == 0)
			continue;
		for (unsigned turn = 0; turn < PERFORM_MAX; turn++) {
			if (!may_perform(ivars, run, round->sources[i], mode) ||
			    !source->perform(source->info))
				break;
			if (source->is_timer)
				continue;
			handled = true;
			if (once_only)
				return true;
		}
	}
	return handled;
}

static bool
is_stopped(struct CFRunLoop_IVars *ivars, const struct run_loop_run *run)
{
	bool stopped;

	pthread_mutex_lock(&ivars->lock);
	stopped = run->stopped;
	pthread_mutex_unlock(&ivars->lock);
	return stopped;
}

/* Runs what there is, or sleeps until there is something; whether a source or the main queue ran.
 */
static bool
serve(CFRunLoopRef loop, const struct run_loop_run *run, struct round *round, uint64_t deadline,
      bool once_only)
{
	struct CFRunLoop_IVars *ivars = inside(loop);
	bool handled = false;

	if (round->observed) {
		run_loop_observe(loop, run->mode, kCFRunLoopBeforeTimers);
		run_loop_observe(loop, run->mode, kCFRunLoopBeforeSources);
	}
	run_loop_run_blocks(loop, run->mode);
	/* A wake-up for it may have been read by a run in another mode. */
	if (serves_main_queue(ivars, run->mode))
		handled = main_queue_run();
	if (!is_stopped(ivars, run) && !(handled && once_only)) {
		sleep_until(loop, run->mode, round, handled ? 0 : deadline);
		handled |= handle(ivars, run, round, run->mode, once_only);
	}
	run_loop_run_blocks(loop, run->mode);
	return handled;
}

/* One time around. 0: it goes on. */
static CFRunLoopRunResult
turn(CFRunLoopRef loop, const struct run_loop_run *run, uint64_t deadline, bool once_only)
{
	struct CFRunLoop_IVars *ivars = inside(loop);
	struct round round;
	bool handled;

	run_loop_purge(loop);
	if (!has_something(ivars, run->mode))
		return is_stopped(ivars, run) ? kCFRunLoopRunStopped : kCFRunLoopRunFinished;
	if (!begin_round(ivars, run->mode, &round))
		return kCFRunLoopRunFinished;
	handled = serve(loop, run, &round, deadline, once_only);
	end_round(&round);
	if (handled && once_only)
		return kCFRunLoopRunHandledSource;
	if (is_stopped(ivars, run))
		return kCFRunLoopRunStopped;
	if (deadline == 0 || (deadline != UINT64_MAX && clock_now() >= deadline))
		return kCFRunLoopRunTimedOut;
	return 0;
}

static uint64_t
deadline_after(CFTimeInterval seconds)
{
	if (!(seconds > 0)) /* nor a number */
		return 0;
	if (seconds >= SECONDS_LIMIT)
		return UINT64_MAX;
	return clock_now() + (uint64_t)(seconds * (double)NSEC_PER_SEC);
}

CFRunLoopRunResult
CFRunLoopRunInMode(CFRunLoopMode mode, CFTimeInterval seconds, Boolean return_after_source_handled)
{
	uint64_t deadline = deadline_after(seconds);
	CFRunLoopRef loop = CFRunLoopGetCurrent();
	struct CFRunLoop_IVars *ivars;
	CFRunLoopRunResult result;
	struct run_loop_run run = {.mode = mode};
	ERRNO_KEPT;

	if (loop == NULL || mode == NULL || run_loop_is_mode(mode, kCFRunLoopCommonModes)) {
		log_error("CFRunLoopRunInMode: %s",
			  loop == NULL ? "no memory for the loop" : "mode must be one to run in");
		return kCFRunLoopRunFinished;
	}
	ivars = inside(loop);
	run_loop_purge(loop);
	if (!has_something(ivars, mode))
		return kCFRunLoopRunFinished;
	CFRetain(loop);
	pthread_mutex_lock(&ivars->lock);
	run.outer = ivars->current;
	ivars->current = &run;
	pthread_mutex_unlock(&ivars->lock);
	run_loop_observe(loop, mode, kCFRunLoopEntry);
	do
		result = turn(loop, &run, deadline, return_after_source_handled);
	while (result == 0);
	run_loop_observe(loop, mode, kCFRunLoopExit);
	pthread_mutex_lock(&ivars->lock);
	ivars->current = run.outer;
	pthread_mutex_unlock(&ivars->lock);
	CFRelease(loop);
	return result;
}

void
CFRunLoopRun(void)
{
	CFRunLoopRunResult result;

	do {
		result = CFRunLoopRunInMode(kCFRunLoopDefaultMode, SECONDS_LIMIT, false);
	} while (result != kCFRunLoopRunStopped && result != kCFRunLoopRunFinished);
}

void
CFRunLoopStop(CFRunLoopRef loop)
{
	struct CFRunLoop_IVars *ivars;

	if (loop == NULL) {
		log_error("CFRunLoopStop: loop is NULL");
		return;
	}
	ivars = inside(loop);
	pthread_mutex_lock(&ivars->lock);
	if (ivars->current != NULL)
		ivars->current->stopped = true;
	pthread_mutex_unlock(&ivars->lock);
	run_loop_wake(ivars);
}

void
CFRunLoopWakeUp(CFRunLoopRef loop)
{
	if (loop == NULL)
		log_error("CFRunLoopWakeUp: loop is NULL");
	else
		run_loop_wake(inside(loop));
}

Boolean
CFRunLoopIsWaiting(CFRunLoopRef loop)
{
	bool waiting;

	if (loop == NULL)
		return false;
	pthread_mutex_lock(&inside(loop)->lock);
	waiting = inside(loop)->waiting;
	pthread_mutex_unlock(&inside(loop)->lock);
	return waiting;
}
