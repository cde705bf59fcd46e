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

static bool
insert_locked(struct CFRunLoop_IVars *ivars, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	size_t at;

	if (ivars->count == ivars->size) {
		size_t size = ivars->size == 0 ? 4 : ivars->size * 2;
		struct run_loop_entry *grown = realloc(ivars->entries, size * sizeof(*grown));

		if (grown == NULL) {
			log_error("CFRunLoopAddSource: no memory");
			return false;
		}
		ivars->entries = grown;
		ivars->size = size;
	}
	at = ivars->count++;
	for (; at > 0 &&
	       inside_source(ivars->entries[at - 1].source)->order > inside_source(source)->order;
	     at--)
		ivars->entries[at] = ivars->entries[at - 1];
	ivars->entries[at] = (struct run_loop_entry){
		.source = (CFRunLoopSourceRef)CFRetain(source),
		.mode = CFRetain(mode),
	};
	return true;
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

/* Outside the lock: the app's own code runs, and the last reference may go. */
static void
let_go(CFRunLoopRef loop, struct run_loop_entry entry)
{
	struct CFRunLoopSource_IVars *source = inside_source(entry.source);

	if (source->removed != NULL)
		source->removed(source->info, loop, entry.mode);
	run_loop_drop(entry);
}

void
run_loop_purge(CFRunLoopRef loop)
{
	struct CFRunLoop_IVars *ivars = inside(loop);
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
			let_go(loop, entry);
	}
}

void
run_loop_add(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode, const char *function)
{
	struct CFRunLoop_IVars *ivars;
	bool added;

	if (!are_given(function, loop, source, mode))
		return;
	ivars = inside(loop);
	run_loop_purge(loop);
	pthread_mutex_lock(&ivars->lock);
	added = run_loop_source_is_valid(source) &&
		find_locked(ivars, source, mode) == ivars->count &&
		insert_locked(ivars, source, mode);
	pthread_mutex_unlock(&ivars->lock);
	if (added && inside_source(source)->added != NULL)
		inside_source(source)->added(inside_source(source)->info, loop, mode);
	run_loop_wake(ivars);
}

void
run_loop_remove(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode,
		const char *function)
{
	struct CFRunLoop_IVars *ivars;
	struct run_loop_entry entry;
	bool found;
	size_t index;

	if (!are_given(function, loop, source, mode))
		return;
	ivars = inside(loop);
	pthread_mutex_lock(&ivars->lock);
	index = find_locked(ivars, source, mode);
	found = index < ivars->count;
	if (found)
		entry = remove_locked(ivars, index);
	pthread_mutex_unlock(&ivars->lock);
	if (found)
		let_go(loop, entry);
	run_loop_wake(ivars);
}

bool
run_loop_contains(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode,
		  const char *function)
{
	struct CFRunLoop_IVars *ivars;
	bool contains;

	if (!are_given(function, loop, source, mode))
		return false;
	ivars = inside(loop);
	pthread_mutex_lock(&ivars->lock);
	contains =
		run_loop_source_is_valid(source) && find_locked(ivars, source, mode) < ivars->count;
	pthread_mutex_unlock(&ivars->lock);
	return contains;
}

void
CFRunLoopAddSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	run_loop_add(loop, source, mode, "CFRunLoopAddSource");
}

void
CFRunLoopRemoveSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	run_loop_remove(loop, source, mode, "CFRunLoopRemoveSource");
}

Boolean
CFRunLoopContainsSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode)
{
	return run_loop_contains(loop, source, mode, "CFRunLoopContainsSource");
}
