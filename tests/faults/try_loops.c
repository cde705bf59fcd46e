/* SPDX-License-Identifier: Apache-2.0 */
/* Run loops with all that can be in them, and what dispatch queues do later. */
#include "attempt.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dispatch/dispatch.h>
#include <mach/mach.h>
#include <mach/mach_time.h>

#define MODE CFSTR("org.opendext.faults")

static void
count_one(void *context)
{
	__atomic_fetch_add((unsigned *)context, 1, __ATOMIC_SEQ_CST);
}

/* Until it has been counted so often. */
static bool
run_until(CFRunLoopMode mode, const unsigned *count, unsigned wanted)
{
	uint64_t began = attempt_msec();

	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted && attempt_waits(began))
		CFRunLoopRunInMode(mode, 0.05, true);
	return attempt_had("what was waited for", *count >= wanted);
}

/* --- sources --- */

static bool
signalled(void)
{
	unsigned count = 0;
	CFRunLoopSourceContext context = {.info = &count, .perform = count_one};
	CFRunLoopSourceRef source = CFRunLoopSourceCreate(kCFAllocatorDefault, 0, &context);
	bool well;

	HAVE(source);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
	CFRunLoopSourceSignal(source);
	well = run_until(kCFRunLoopDefaultMode, &count, 1);
	CFRunLoopSourceInvalidate(source);
	CFRelease(source);
	return well;
}

static void
observed(CFRunLoopObserverRef observer, CFRunLoopActivity activity, void *info)
{
	count_one(info);
}

static bool
observe(void)
{
	unsigned count = 0;
	CFRunLoopObserverContext context = {.info = &count};
	CFRunLoopObserverRef observer = CFRunLoopObserverCreate(
		kCFAllocatorDefault, kCFRunLoopAllActivities, true, 0, observed, &context);
	bool well;

	HAVE(observer);
	CFRunLoopAddObserver(CFRunLoopGetCurrent(), observer, kCFRunLoopDefaultMode);
	well = signalled() && attempt_had("a call of the observer", count > 0);
	CFRunLoopObserverInvalidate(observer);
	CFRelease(observer);
	return well;
}

static void
received(CFMachPortRef port, void *message, CFIndex size, void *info)
{
	count_one(info);
}

static bool
send_to(mach_port_t name)
{
	mach_msg_header_t message = {
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(message),
		.msgh_remote_port = name,
	};

	return mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, MACH_PORT_NULL, 0,
			MACH_PORT_NULL) == 0;
}

static bool
by_port(void)
{
	unsigned count = 0;
	CFMachPortContext context = {.info = &count};
	CFMachPortRef port = CFMachPortCreate(kCFAllocatorDefault, received, &context, NULL);
	CFRunLoopSourceRef source;

	HAVE(port);
	source = CFMachPortCreateRunLoopSource(kCFAllocatorDefault, port, 0);
	if (source != NULL) {
		CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
		/* Whether a program may send to itself is not what this is about. */
		if (send_to(CFMachPortGetPort(port)))
			run_until(kCFRunLoopDefaultMode, &count, 1);
		CFRunLoopRemoveSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
		CFRelease(source);
	}
	CFMachPortInvalidate(port);
	CFRelease(port);
	return attempt_had("the port's source", source != NULL);
}

/* --- modes --- */

static void
ticked(CFRunLoopTimerRef timer, void *info)
{
	count_one(info);
}

static bool
tick(CFRunLoopMode of, CFRunLoopMode run, unsigned wanted)
{
	unsigned count = 0;
	CFRunLoopTimerContext context = {.info = &count};
	CFRunLoopTimerRef timer = CFRunLoopTimerCreate(
		kCFAllocatorDefault, CFAbsoluteTimeGetCurrent(), 0.001, 0, 0, ticked, &context);
	bool well;

	HAVE(timer);
	CFRunLoopAddTimer(CFRunLoopGetCurrent(), timer, of);
	well = run_until(run, &count, wanted);
	CFRunLoopTimerInvalidate(timer);
	CFRelease(timer);
	return well;
}

static bool
run_loop(void)
{
	return tick(kCFRunLoopDefaultMode, kCFRunLoopDefaultMode, 3);
}

/* A timer of all common modes, one of which is new. */
static bool
modes(void)
{
	CFRunLoopAddCommonMode(CFRunLoopGetCurrent(), MODE);
	return tick(kCFRunLoopCommonModes, MODE, 1);
}

/* A loop in a forked child is a new one. */
static bool
in_child(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(signalled() ? 0 : 1);
	if (!attempt_had("a child", child > 0))
		return false;
	while (waitpid(child, &status, 0) < 0)
		;
	CHECK(WIFEXITED(status));
	return attempt_had("the child's loop", WEXITSTATUS(status) == 0);
}

/* What a compiler with blocks makes of one, and what its runtime does with it. */
struct literal {
	const void *isa;
	int flags, reserved;
	void (*invoke)(struct literal *block);
	unsigned *count;
};

void CFRunLoopPerformBlock(CFRunLoopRef loop, CFTypeRef mode, const struct literal *block);
void *_Block_copy(const void *block);
void _Block_release(const void *block);

/* The block stays where it is as long as it is used. */
__attribute__((visibility("default"))) void *
_Block_copy(const void *block)
{
	return (void *)(uintptr_t)block;
}

__attribute__((visibility("default"))) void
_Block_release(const void *block)
{
}

static void
count_block(struct literal *block)
{
	count_one(block->count);
}

static bool
perform(void)
{
	unsigned count = 0;
	struct literal block = {.invoke = count_block, .count = &count};

	CFRunLoopPerformBlock(CFRunLoopGetCurrent(), kCFRunLoopDefaultMode, &block);
	return run_until(kCFRunLoopDefaultMode, &count, 1);
}

static bool
loops(void)
{
	return signalled() && observe() && by_port() && modes() && in_child() && perform();
}

/* --- dispatch --- */

static bool
wait_for(const unsigned *count, unsigned wanted)
{
	uint64_t began = attempt_msec();

	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted && attempt_waits(began))
		mach_wait_until(mach_absolute_time() + 1000000);
	return attempt_had("the calls", __atomic_load_n(count, __ATOMIC_SEQ_CST) >= wanted);
}

static bool
use_later(dispatch_queue_t queue, unsigned *count)
{
	static const char key;
	dispatch_group_t group = dispatch_group_create();

	HAVE(group);
	dispatch_queue_set_specific(queue, &key, count, NULL);
	dispatch_group_async_f(group, queue, count, count_one);
	dispatch_group_notify_f(group, queue, count, count_one);
	dispatch_release(group);
	dispatch_after_f(dispatch_time(DISPATCH_TIME_NOW, 1000000), queue, count, count_one);
	return wait_for(count, 3);
}

static bool
later(void)
{
	dispatch_queue_t queue = dispatch_queue_create("faults", NULL);
	unsigned *count = calloc(1, sizeof(*count));
	bool well = attempt_had("the queue", queue != NULL) && use_later(queue, count);

	if (queue != NULL) {
		dispatch_sync_f(queue, count, count_one);
		dispatch_release(queue);
	}
	if (well)
		free(count); /* else a call may still come */
	return well;
}

static void
wait_for_itself(void *queue)
{
	dispatch_sync_f(queue, NULL, count_one);
}

/* A child that waits for the queue it is on ends, and says where it is. */
static bool
deadlock(void)
{
	static const struct rlimit none = {0, 0};
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		dispatch_queue_t queue = dispatch_queue_create("faults", NULL);

		setrlimit(RLIMIT_CORE, &none);
		if (queue != NULL)
			dispatch_sync_f(queue, queue, wait_for_itself);
		_exit(1);
	}
	if (!attempt_had("a child", child > 0))
		return false;
	while (waitpid(child, &status, 0) < 0)
		;
	CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
	return attempt_had("the child's end", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

const struct scenario scenarios_loops[] = {
	{"run_loop", run_loop}, {"loops", loops}, {"later", later}, {"deadlock", deadlock}, {NULL},
};
