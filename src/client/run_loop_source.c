/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources, and which of them a loop holds in which mode. Any thread, under the loop's lock; then
 * the loop is woken, so that it looks again.
 *
 * A source is told to be invalid without knowing its loops: they let go of it when they next look.
 */
#include "run_loop_private.h"

#include <stdlib.h>

#include "log.h"

/* --- sources --- */

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

CFTypeID
CFRunLoopSourceGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFRunLoopSource);
}

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

bool
run_loop_source_is_valid(CFRunLoopSourceRef source)
{
	return !atomic_load(&inside_source(source)->invalid);
}

Boolean
CFRunLoopSourceIsValid(CFRunLoopSourceRef source)
{
	return source != NULL && run_loop_source_is_valid(source);
}

/* --- sources of a loop --- */

bool
run_loop_is_mode(CFStringRef one, CFStringRef other)
{
	return one == other || CFEqual(one, other);
}

bool
run_loop_entry_is_in(const struct run_loop_entry *entry, CFRunLoopMode mode)
{
	return run_loop_is_mode(entry->mode, mode) ||
	       (run_loop_is_mode(entry->mode, kCFRunLoopCommonModes) &&
		run_loop_is_mode(mode, kCFRunLoopDefaultMode));
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

	while (i < ivars->count && (ivars->entries[i].source != source ||
				    !run_loop_is_mode(ivars->entries[i].mode, mode)))
		i++;
	return i;
}

static void
append_locked(struct CFRunLoop_IVars *ivars, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	if (ivars->count == ivars->size) {
		size_t size = ivars->size == 0 ? 4 : ivars->size * 2;
		struct run_loop_entry *grown = realloc(ivars->entries, size * sizeof(*grown));

		if (grown == NULL) {
			log_error("CFRunLoopAddSource: no memory");
			return;
		}
		ivars->entries = grown;
		ivars->size = size;
	}
	ivars->entries[ivars->count++] = (struct run_loop_entry){
		.source = (CFRunLoopSourceRef)CFRetain(source),
		.mode = CFRetain(mode),
	};
}

static struct run_loop_entry
remove_locked(struct CFRunLoop_IVars *ivars, size_t index)
{
	struct run_loop_entry entry = ivars->entries[index];

	ivars->count--;
	for (size_t i = index; i < ivars->count; i++) /* sources keep their turns */
		ivars->entries[i] = ivars->entries[i + 1];
	return entry;
}

void
run_loop_purge(struct CFRunLoop_IVars *ivars)
{
	struct run_loop_entry entry;
	bool more = true;
	size_t i;

	while (more) {
		pthread_mutex_lock(&ivars->lock);
		for (i = 0; i < ivars->count && run_loop_source_is_valid(ivars->entries[i].source);
		     i++)
			;
		more = i < ivars->count;
		if (more)
			entry = remove_locked(ivars, i);
		pthread_mutex_unlock(&ivars->lock);
		if (more)
			run_loop_drop(entry);
	}
}

void
CFRunLoopAddSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	struct CFRunLoop_IVars *ivars;

	if (!are_given("CFRunLoopAddSource", loop, source, mode))
		return;
	ivars = inside(loop);
	run_loop_purge(ivars);
	pthread_mutex_lock(&ivars->lock);
	if (run_loop_source_is_valid(source) && find_locked(ivars, source, mode) == ivars->count)
		append_locked(ivars, source, mode);
	pthread_mutex_unlock(&ivars->lock);
	run_loop_wake(ivars);
}

void
CFRunLoopRemoveSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	struct CFRunLoop_IVars *ivars;
	struct run_loop_entry entry;
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
		run_loop_drop(entry);
	run_loop_wake(ivars);
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
	contains =
		run_loop_source_is_valid(source) && find_locked(ivars, source, mode) < ivars->count;
	pthread_mutex_unlock(&ivars->lock);
	return contains;
}
