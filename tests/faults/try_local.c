/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no driver: property lists, dispatch queues. */
#include "attempt.h"

#include <string.h>

#include <dispatch/dispatch.h>
#include <mach/mach.h>

static bool
round_trip(CFPropertyListRef list, CFPropertyListFormat format)
{
	CFDataRef data = CFPropertyListCreateData(kCFAllocatorDefault, list, format, 0, NULL);
	CFPropertyListRef back;

	HAVE(data);
	back = CFPropertyListCreateWithData(kCFAllocatorDefault, data, 0, NULL, NULL);
	CFRelease(data);
	HAVE(back);
	CHECK(CFEqual(back, list));
	CFRelease(back);
	return true;
}

static bool
fill(CFMutableDictionaryRef list, CFTypeRef value, CFStringRef key)
{
	HAVE(value);
	CFDictionarySetValue(list, key, value);
	return attempt_had("the value", CFDictionaryContainsKey(list, key));
}

static bool
property_list(void)
{
	CFMutableDictionaryRef list =
		CFDictionaryCreateMutable(kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks,
					  &kCFTypeDictionaryValueCallBacks);
	CFDateRef date = CFDateCreate(kCFAllocatorDefault, 1000);
	CFDataRef data = CFDataCreate(kCFAllocatorDefault, (const UInt8 *)"abc", 3);
	CFStringRef text =
		CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("%d %s"), 5, "x");
	bool well = attempt_had("the dictionary", list != NULL) &&
		    fill(list, date, CFSTR("Date")) && fill(list, data, CFSTR("Data")) &&
		    fill(list, text, CFSTR("Text")) && fill(list, kCFBooleanTrue, CFSTR("True")) &&
		    round_trip(list, kCFPropertyListXMLFormat_v1_0) &&
		    round_trip(list, kCFPropertyListBinaryFormat_v1_0);

	if (list != NULL)
		CFRelease(list);
	if (date != NULL)
		CFRelease(date);
	if (data != NULL)
		CFRelease(data);
	if (text != NULL)
		CFRelease(text);
	return well;
}

/* --- dispatch --- */

static void
count_one(void *context)
{
	__atomic_fetch_add((unsigned *)context, 1, __ATOMIC_SEQ_CST);
}

static void
count_index(void *context, size_t index)
{
	count_one(context);
}

static bool
use_queue(dispatch_queue_t queue, dispatch_group_t group, unsigned *count)
{
	uint64_t began = attempt_msec();

	HAVE(queue);
	HAVE(group);
	for (unsigned i = 0; i < 10; i++)
		dispatch_group_async_f(group, queue, count, count_one);
	while (dispatch_group_wait(group, dispatch_time(DISPATCH_TIME_NOW, 100000000)) != 0)
		if (!attempt_had("the group's end", attempt_waits(began)))
			return false;
	dispatch_sync_f(queue, count, count_one);
	dispatch_apply_f(5, queue, count, count_index);
	CHECK(__atomic_load_n(count, __ATOMIC_SEQ_CST) == 16);
	return true;
}

static bool
queues(void)
{
	dispatch_queue_t queue = dispatch_queue_create("faults", DISPATCH_QUEUE_CONCURRENT);
	dispatch_group_t group = dispatch_group_create();
	unsigned count = 0;
	bool well = use_queue(queue, group, &count);

	if (group != NULL)
		dispatch_release(group);
	if (queue != NULL)
		dispatch_release(queue);
	return well;
}

const struct scenario scenarios_local[] = {
	{"property_list", property_list},
	{"dispatch", queues},
	{NULL, NULL},
};
