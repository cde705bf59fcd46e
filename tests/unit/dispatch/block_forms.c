/* SPDX-License-Identifier: Apache-2.0 */
/* A program with blocks, as it would be written for macOS. Each function returns what it counted.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <dispatch/dispatch.h>

#include "block_forms.h"

static dispatch_once_t predicate;

int
block_async_and_sync(void)
{
	dispatch_queue_t queue = dispatch_queue_create("blocks", DISPATCH_QUEUE_SERIAL);
	__block int sum = 0;

	for (int i = 1; i <= 10; i++)
		dispatch_async(queue, ^{
		  sum += i;
		});
	dispatch_sync(queue, ^{
	  sum *= 10;
	});
	dispatch_async_and_wait(queue, ^{
	  sum += 1;
	});
	dispatch_release(queue);
	return sum;
}

int
block_barriers(void)
{
	dispatch_queue_t queue = dispatch_queue_create("blocks", DISPATCH_QUEUE_CONCURRENT);
	__block int sum = 1;

	dispatch_barrier_async(queue, ^{
	  sum *= 3;
	});
	dispatch_barrier_sync(queue, ^{
	  sum += 2;
	});
	dispatch_release(queue);
	return sum;
}

int
block_group(void)
{
	dispatch_queue_t queue = dispatch_queue_create("blocks", NULL);
	dispatch_semaphore_t done = dispatch_semaphore_create(0);
	dispatch_group_t group = dispatch_group_create();
	__block int sum = 0;

	for (int i = 0; i < 5; i++)
		dispatch_group_async(group, queue, ^{
		  sum++;
		});
	dispatch_group_notify(group, queue, ^{
	  sum *= 2;
	  dispatch_semaphore_signal(done);
	});
	dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
	dispatch_release(group);
	dispatch_release(done);
	dispatch_release(queue);
	return sum;
}

int
block_once_apply_after(void)
{
	dispatch_semaphore_t done = dispatch_semaphore_create(0);
	__block int sum = 0;
	__block _Atomic int parallel = 0;

	for (int i = 0; i < 3; i++)
		dispatch_once(&predicate, ^{
		  sum++;
		});
	dispatch_apply(20, DISPATCH_APPLY_AUTO, ^(size_t i) {
	  parallel += (int)i;
	});
	dispatch_after(dispatch_time(DISPATCH_TIME_NOW, 1000), dispatch_get_global_queue(0, 0), ^{
	  sum += parallel;
	  dispatch_semaphore_signal(done);
	});
	dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
	dispatch_release(done);
	return sum;
}

int
block_run_loop(void)
{
	CFRunLoopRef loop = CFRunLoopGetCurrent();
	CFStringRef names[] = {CFSTR("one"), kCFRunLoopDefaultMode};
	CFArrayRef modes = CFArrayCreate(NULL, (const void **)names, 2, &kCFTypeArrayCallBacks);
	__block int sum = 0;

	CFRunLoopPerformBlock(loop, CFSTR("other"), ^{
	  sum += 100;
	});
	CFRunLoopPerformBlock(loop, kCFRunLoopCommonModes, ^{
	  sum += 1;
	});
	CFRunLoopPerformBlock(loop, modes, ^{
	  sum *= 5;
	});
	CFRelease(modes);
	dispatch_async(dispatch_get_main_queue(), ^{
	  sum += 10;
	  CFRunLoopStop(CFRunLoopGetCurrent());
	});
	CFRunLoopRun();
	return sum;
}
