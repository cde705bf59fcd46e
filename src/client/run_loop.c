/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run loops: what a thread waits for, in which mode, and the runs that are under way.
 *
 * A loop belongs to its thread, which alone runs it. Everything else may be done by any thread
 * under the loop's lock, followed by a write to the loop's eventfd, so that a sleeping loop looks
 * again. Sources are performed without the lock and with a reference, so a callback may remove its
 * source, destroy its port, stop the loop or run it again.
 *
 * Each run has its own stop mark: CFRunLoopStop ends the innermost run and no other.
 *
 * In a forked child every loop starts empty, with an eventfd of its own: what its sources listened
 * to is the parent's.
 *
 * Left out: timers, observers, sources of the app's own.
 */
#include "run_loop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "errno_kept.h"
#include "log.h"
#include "object.h"
#include "os_string.h"
#include "packet.h"
#include "status.h"

/* Callbacks of one source before the loop looks at the others. */
#define PERFORM_MAX   64u
#define SECONDS_LIMIT 1e9 /* and above: for ever */

struct CFRunLoopSource_IVars {
	int descriptor;		     /* [const] */
	bool (*perform)(void *info); /* [const] */
	void (*release)(void *info); /* [const] */
	void *info;		     /* [const] */
	/* Written once, by the end of what it listens to. Pairs with nothing: who misses it
	   performs a closed port, which has nothing to take. */
	_Atomic bool invalid;
};

struct entry {
	CFRunLoopSourceRef source; /* retained */
	CFStringRef mode;	   /* retained */
};

struct run {
	struct run *outer;
	bool stopped; /* [lock of the loop] */
};

struct CFRunLoop_IVars {
	pthread_mutex_t lock;
	int wake;		     /* eventfd; [const] but for a forked child's beginning */
	struct entry *entries;	     /* [lock] */
	size_t count, size;	     /* [lock] */
	struct run *current;	     /* [lock] innermost run, NULL: not running */
	bool waiting;		     /* [lock] */
	CFRunLoopRef previous, next; /* [loops_lock] all loops of the process */
};

/* What a round polls: [0] is the wake-up. */
struct round {
	CFRunLoopSourceRef *sources; /* [i] belongs to descriptors[i + 1]; retained */
	struct pollfd *descriptors;
	size_t count;
};

/* As OSMetaClass_alloc lays a string out. */
struct constant_string {
	struct OSObject object;
	_Alignas(16) struct OSString_IVars ivars;
};

#define CONSTANT_STRING(text)                                                               \
	{                                                                                   \
		.object = {.metaclass = OSTypeID(OSString), .references = OBJECT_IMMORTAL}, \
		.ivars = {.bytes = (char *)(text), .length = sizeof(text) - 1},             \
	}

static struct constant_string default_mode = CONSTANT_STRING("kCFRunLoopDefaultMode");
static struct constant_string common_modes = CONSTANT_STRING("kCFRunLoopCommonModes");
const CFRunLoopMode kCFRunLoopDefaultMode = (CFRunLoopMode)&default_mode;
const CFRunLoopMode kCFRunLoopCommonModes = (CFRunLoopMode)&common_modes;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* of each thread's loop */
static pthread_mutex_t loops_lock = PTHREAD_MUTEX_INITIALIZER;
static CFRunLoopRef loops;     /* [loops_lock] */
static CFRunLoopRef main_loop; /* [loops_lock] retained; it ends with the process */

/* --- sources --- */

extern const OSMetaClass gCFRunLoopSourceMetaClass, gCFRunLoopMetaClass;

static struct CFRunLoopSource_IVars *
inside_source(CFRunLoopSourceRef source)
{
	return OSObjectIVars(CFRunLoopSource, source);
}

static void
free_source(OSObject *self)
{
	struct CFRunLoopSource_IVars *ivars = OSObjectIVars(CFRunLoopSource, self);

	if (ivars->release != NULL)
		ivars->release(ivars->info);
	OSObject_free_Impl(self);
}

static const OSObjectMethods source_methods = {
	.size = sizeof(OSObjectMethods),
	.free = free_source,
};

const OSMetaClass gCFRunLoopSourceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFRunLoopSource",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct CFRunLoopSource_IVars),
	.object = &source_methods,
};

CFRunLoopSourceRef
run_loop_source_create(int descriptor, bool (*perform)(void *info), void (*release)(void *info),
		       void *info)
{
	CFRunLoopSourceRef source = (CFRunLoopSourceRef)object_create_of(OSTypeID(CFRunLoopSource));
	struct CFRunLoopSource_IVars *ivars;

	if (source == NULL) {
		release(info);
		return NULL;
	}
	ivars = inside_source(source);
	ivars->descriptor = descriptor;
	ivars->perform = perform;
	ivars->release = release;
	ivars->info = info;
	return source;
}

void
run_loop_source_invalidate(CFRunLoopSourceRef source)
{
	atomic_store(&inside_source(source)->invalid, true);
}

static bool
is_valid(CFRunLoopSourceRef source)
{
	return !atomic_load(&inside_source(source)->invalid);
}

Boolean
CFRunLoopSourceIsValid(CFRunLoopSourceRef source)
{
	return source != NULL && is_valid(source);
}

/* --- loops --- */

static struct CFRunLoop_IVars *
inside(CFRunLoopRef loop)
{
	return OSObjectIVars(CFRunLoop, loop);
}

static void
wake(struct CFRunLoop_IVars *ivars)
{
	const uint64_t one = 1;
	ssize_t done;
	ERRNO_KEPT;

	do {
		done = write(ivars->wake, &one, sizeof(one));
	} while (done < 0 && errno == EINTR); /* EAGAIN: it is awake enough */
}

/* Drops an entry; the lock is given up around what may call out. */
static void
drop(struct entry entry)
{
	CFRelease(entry.source);
	CFRelease(entry.mode);
}

static void
free_loop(OSObject *self)
{
	struct CFRunLoop_IVars *ivars = OSObjectIVars(CFRunLoop, self);

	pthread_mutex_lock(&loops_lock);
	if (ivars->previous != NULL)
		inside(ivars->previous)->next = ivars->next;
	else if (loops == (CFRunLoopRef)self)
		loops = ivars->next;
	if (ivars->next != NULL)
		inside(ivars->next)->previous = ivars->previous;
	pthread_mutex_unlock(&loops_lock);
	for (size_t i = 0; i < ivars->count; i++)
		drop(ivars->entries[i]);
	free(ivars->entries);
	fd_close(&ivars->wake);
	pthread_mutex_destroy(&ivars->lock);
	OSObject_free_Impl(self);
}

static bool
init_loop(OSObject *self)
{
	struct CFRunLoop_IVars *ivars = OSObjectIVars(CFRunLoop, self);

	pthread_mutex_init(&ivars->lock, NULL);
	ivars->wake = -1; /* before anything fails: free_loop closes it */
	if (!OSObject_init_Impl(self))
		return false;
	ivars->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ivars->wake < 0) {
		status_from_errno(errno, "run loop: eventfd");
		return false;
	}
	return true;
}

static const OSObjectMethods loop_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init_loop,
	.free = free_loop,
};

const OSMetaClass gCFRunLoopMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFRunLoop",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct CFRunLoop_IVars),
	.object = &loop_methods,
};

CFTypeID
CFRunLoopGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFRunLoop);
}

CFTypeID
CFRunLoopSourceGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFRunLoopSource);
}

/* --- the loop of a thread --- */

static void
end_thread(void *loop)
{
	CFRelease(loop);
}

static void
before_fork(void)
{
	pthread_mutex_lock(&loops_lock);
}

static void
after_fork_parent(void)
{
	pthread_mutex_unlock(&loops_lock);
}

/* The entries may be half changed and the locks taken by threads that are not here: start anew. */
static void
after_fork_child(void)
{
	for (CFRunLoopRef loop = loops; loop != NULL; loop = inside(loop)->next) {
		struct CFRunLoop_IVars *ivars = inside(loop);

		pthread_mutex_init(&ivars->lock, NULL);
		ivars->entries = NULL;
		ivars->count = ivars->size = 0;
		ivars->waiting = false;
		fd_close(&ivars->wake);
		ivars->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	pthread_mutex_unlock(&loops_lock);
}

static void
prepare(void)
{
	if (pthread_key_create(&key, end_thread) != 0 ||
	    pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0)
		log_error("run loop: no thread key, or no memory to prepare for fork");
}

static void
link_locked(CFRunLoopRef loop)
{
	inside(loop)->next = loops;
	if (loops != NULL)
		inside(loops)->previous = loop;
	loops = loop;
}

static CFRunLoopRef
create(void)
{
	CFRunLoopRef loop = (CFRunLoopRef)object_create_of(OSTypeID(CFRunLoop));

	if (loop == NULL)
		return NULL;
	pthread_mutex_lock(&loops_lock);
	link_locked(loop);
	pthread_mutex_unlock(&loops_lock);
	return loop;
}

CFRunLoopRef
CFRunLoopGetMain(void)
{
	CFRunLoopRef loop, made = NULL;
	ERRNO_KEPT;

	pthread_once(&once, prepare);
	pthread_mutex_lock(&loops_lock);
	loop = main_loop;
	pthread_mutex_unlock(&loops_lock);
	if (loop != NULL)
		return loop;
	made = create();
	pthread_mutex_lock(&loops_lock);
	if (main_loop == NULL) {
		main_loop = made;
		made = NULL;
	}
	loop = main_loop;
	pthread_mutex_unlock(&loops_lock);
	CFRelease(made); /* another thread was first */
	return loop;
}

static bool
is_main_thread(void)
{
	return getpid() == gettid();
}

CFRunLoopRef
CFRunLoopGetCurrent(void)
{
	CFRunLoopRef loop;
	ERRNO_KEPT;

	pthread_once(&once, prepare);
	loop = pthread_getspecific(key);
	if (loop != NULL)
		return loop;
	if (is_main_thread()) {
		loop = CFRunLoopGetMain();
		CFRetain(loop);
	} else {
		loop = create();
	}
	pthread_setspecific(key, loop);
	return loop;
}

/* --- sources of a loop --- */

static bool
is_mode(CFStringRef one, CFStringRef other)
{
	return one == other || CFEqual(one, other);
}

static bool
are_given(const char *function, CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	const char *missing = loop == NULL     ? "loop"
			      : source == NULL ? "source"
			      : mode == NULL   ? "mode"
					       : NULL;

	if (missing != NULL)
		log_error("%s: %s is NULL", function, missing);
	return missing == NULL;
}

static size_t
find_locked(const struct CFRunLoop_IVars *ivars, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	size_t i = 0;

	while (i < ivars->count &&
	       (ivars->entries[i].source != source || !is_mode(ivars->entries[i].mode, mode)))
		i++;
	return i;
}

static void
append_locked(struct CFRunLoop_IVars *ivars, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	if (ivars->count == ivars->size) {
		size_t size = ivars->size == 0 ? 4 : ivars->size * 2;
		struct entry *grown = realloc(ivars->entries, size * sizeof(*grown));

		if (grown == NULL) {
			log_error("CFRunLoopAddSource: no memory");
			return;
		}
		ivars->entries = grown;
		ivars->size = size;
	}
	ivars->entries[ivars->count++] = (struct entry){
		.source = (CFRunLoopSourceRef)CFRetain(source),
		.mode = CFRetain(mode),
	};
}

static struct entry
remove_locked(struct CFRunLoop_IVars *ivars, size_t index)
{
	struct entry entry = ivars->entries[index];

	ivars->count--;
	for (size_t i = index; i < ivars->count; i++) /* sources keep their turns */
		ivars->entries[i] = ivars->entries[i + 1];
	return entry;
}

/* Lets go of the sources that have become invalid. */
static void
purge(struct CFRunLoop_IVars *ivars)
{
	struct entry entry;
	bool more = true;
	size_t i;

	while (more) {
		pthread_mutex_lock(&ivars->lock);
		for (i = 0; i < ivars->count && is_valid(ivars->entries[i].source); i++)
			;
		more = i < ivars->count;
		if (more)
			entry = remove_locked(ivars, i);
		pthread_mutex_unlock(&ivars->lock);
		if (more)
			drop(entry);
	}
}

void
CFRunLoopAddSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	struct CFRunLoop_IVars *ivars;

	if (!are_given("CFRunLoopAddSource", loop, source, mode))
		return;
	ivars = inside(loop);
	purge(ivars);
	pthread_mutex_lock(&ivars->lock);
	if (is_valid(source) && find_locked(ivars, source, mode) == ivars->count)
		append_locked(ivars, source, mode);
	pthread_mutex_unlock(&ivars->lock);
	wake(ivars);
}

void
CFRunLoopRemoveSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	struct CFRunLoop_IVars *ivars;
	struct entry entry;
	bool found;
	size_t index;

	if (!are_given("CFRunLoopRemoveSource", loop, source, mode))
		return;
	ivars = inside(loop);
	pthread_mutex_lock(&ivars->lock);
	index = find_locked(ivars, source, mode);
	found = index < ivars->count;
	if (found)
		entry = remove_locked(ivars, index);
	pthread_mutex_unlock(&ivars->lock);
	if (found)
		drop(entry);
	wake(ivars);
}

Boolean
CFRunLoopContainsSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	struct CFRunLoop_IVars *ivars;
	bool contains;

	if (!are_given("CFRunLoopContainsSource", loop, source, mode))
		return false;
	ivars = inside(loop);
	pthread_mutex_lock(&ivars->lock);
	contains = is_valid(source) && find_locked(ivars, source, mode) < ivars->count;
	pthread_mutex_unlock(&ivars->lock);
	return contains;
}

/* --- running --- */

/* Whether an entry counts in a mode. The common modes are the default mode and no other. */
static bool
is_in(const struct entry *entry, CFRunLoopMode mode)
{
	return is_mode(entry->mode, mode) || (is_mode(entry->mode, kCFRunLoopCommonModes) &&
					      is_mode(mode, kCFRunLoopDefaultMode));
}

static bool
holds_locked(const struct CFRunLoop_IVars *ivars, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	for (size_t i = 0; i < ivars->count; i++)
		if (ivars->entries[i].source == source && is_in(&ivars->entries[i], mode))
			return is_valid(source);
	return false;
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

		if (!is_in(&ivars->entries[i], mode) || has(&round, source))
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

static void
sleep_until(struct CFRunLoop_IVars *ivars, struct round *round, uint64_t deadline)
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
}

static bool
may_perform(struct CFRunLoop_IVars *ivars, const struct run *run, CFRunLoopSourceRef source,
	    CFRunLoopMode mode)
{
	bool may;

	pthread_mutex_lock(&ivars->lock);
	may = !run->stopped && holds_locked(ivars, source, mode);
	pthread_mutex_unlock(&ivars->lock);
	return may;
}

/* Performs what is readable; returns whether a callback ran. */
static bool
handle(struct CFRunLoop_IVars *ivars, const struct run *run, const struct round *round,
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
			handled = true;
			if (once_only)
				return true;
		}
	}
	return handled;
}

static bool
is_stopped(struct CFRunLoop_IVars *ivars, const struct run *run)
{
	bool stopped;

	pthread_mutex_lock(&ivars->lock);
	stopped = run->stopped;
	pthread_mutex_unlock(&ivars->lock);
	return stopped;
}

static CFRunLoopRunResult
turn_until(struct CFRunLoop_IVars *ivars, const struct run *run, CFRunLoopMode mode,
	   uint64_t deadline, bool once_only)
{
	struct round round;
	bool handled;

	for (;;) {
		purge(ivars);
		if (!begin_round(ivars, mode, &round))
			return kCFRunLoopRunFinished;
		if (round.count == 0) {
			end_round(&round);
			return is_stopped(ivars, run) ? kCFRunLoopRunStopped
						      : kCFRunLoopRunFinished;
		}
		sleep_until(ivars, &round, deadline);
		handled = handle(ivars, run, &round, mode, once_only);
		end_round(&round);
		if (handled && once_only)
			return kCFRunLoopRunHandledSource;
		if (is_stopped(ivars, run))
			return kCFRunLoopRunStopped;
		if (deadline == 0 || (deadline != UINT64_MAX && clock_now() >= deadline))
			return kCFRunLoopRunTimedOut;
	}
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
	struct run run = {0};
	ERRNO_KEPT;

	if (loop == NULL || mode == NULL || is_mode(mode, kCFRunLoopCommonModes)) {
		log_error("CFRunLoopRunInMode: %s",
			  loop == NULL ? "no memory for the loop" : "mode must be one to run in");
		return kCFRunLoopRunFinished;
	}
	ivars = inside(loop);
	CFRetain(loop);
	pthread_mutex_lock(&ivars->lock);
	run.outer = ivars->current;
	ivars->current = &run;
	pthread_mutex_unlock(&ivars->lock);
	result = turn_until(ivars, &run, mode, deadline, return_after_source_handled);
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
	wake(ivars);
}

void
CFRunLoopWakeUp(CFRunLoopRef loop)
{
	if (loop == NULL)
		log_error("CFRunLoopWakeUp: loop is NULL");
	else
		wake(inside(loop));
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
