/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modes: which are common, which one a loop runs in, and functions that wait for a run in one of
 * them. Any thread, under the loop's lock; functions are called without it, on the loop's thread.
 */
#include "run_loop_private.h"

#include <CoreFoundation/CFArray.h>
#include <stdlib.h>

#include "blocks.h"
#include "log.h"

bool
run_loop_is_mode(CFStringRef one, CFStringRef other)
{
	return one == other || CFEqual(one, other);
}

bool
run_loop_is_common_locked(const struct CFRunLoop_IVars *ivars, CFRunLoopMode mode)
{
	if (run_loop_is_mode(mode, kCFRunLoopDefaultMode))
		return true;
	for (size_t i = 0; i < ivars->common_count; i++)
		if (run_loop_is_mode(ivars->common[i], mode))
			return true;
	return false;
}

bool
run_loop_entry_is_in(const struct CFRunLoop_IVars *ivars, const struct run_loop_entry *entry,
		     CFRunLoopMode mode)
{
	return run_loop_is_mode(entry->mode, mode) ||
	       (run_loop_is_mode(entry->mode, kCFRunLoopCommonModes) &&
		run_loop_is_common_locked(ivars, mode));
}

void
CFRunLoopAddCommonMode(CFRunLoopRef loop, CFRunLoopMode mode)
{
	struct CFRunLoop_IVars *ivars;
	CFStringRef *grown;

	if (loop == NULL || mode == NULL || run_loop_is_mode(mode, kCFRunLoopCommonModes)) {
		log_error("CFRunLoopAddCommonMode: %s", loop == NULL ? "loop is NULL"
							: mode == NULL
								? "mode is NULL"
								: "mode must be one to run in");
		return;
	}
	ivars = inside(loop);
	pthread_mutex_lock(&ivars->lock);
	if (!run_loop_is_common_locked(ivars, mode)) {
		grown = reallocarray(ivars->common, ivars->common_count + 1, sizeof(*grown));
		if (grown != NULL) {
			ivars->common = grown;
			grown[ivars->common_count++] = CFRetain(mode);
		} else {
			log_error("CFRunLoopAddCommonMode: no memory");
		}
	}
	pthread_mutex_unlock(&ivars->lock);
	run_loop_wake(ivars);
}

CFRunLoopMode
CFRunLoopCopyCurrentMode(CFRunLoopRef loop)
{
	CFRunLoopMode mode = NULL;

	if (loop == NULL) {
		log_error("CFRunLoopCopyCurrentMode: loop is NULL");
		return NULL;
	}
	pthread_mutex_lock(&inside(loop)->lock);
	if (inside(loop)->current != NULL)
		mode = CFRetain(inside(loop)->current->mode);
	pthread_mutex_unlock(&inside(loop)->lock);
	return mode;
}

/* --- blocks --- */

struct run_loop_block {
	CFTypeRef mode; /* +1: a string, or an array of them */
	struct block *block;
	struct run_loop_block *next;
};

static bool
is_of_mode_locked(const struct CFRunLoop_IVars *ivars, CFTypeRef wanted, CFRunLoopMode mode)
{
	struct run_loop_entry entry = {.mode = wanted};
	bool is = false;

	if (CFGetTypeID(wanted) != CFArrayGetTypeID())
		return run_loop_entry_is_in(ivars, &entry, mode);
	for (CFIndex i = 0; i < CFArrayGetCount(wanted) && !is; i++) {
		entry.mode = CFArrayGetValueAtIndex(wanted, i);
		is = run_loop_entry_is_in(ivars, &entry, mode);
	}
	return is;
}

bool
run_loop_has_block_locked(const struct CFRunLoop_IVars *ivars, CFRunLoopMode mode)
{
	for (const struct run_loop_block *at = ivars->blocks; at != NULL; at = at->next)
		if (is_of_mode_locked(ivars, at->mode, mode))
			return true;
	return false;
}

/* Takes out what waits for this mode, in order. */
static struct run_loop_block *
take_locked(struct CFRunLoop_IVars *ivars, CFRunLoopMode mode)
{
	struct run_loop_block **link = &ivars->blocks;
	struct run_loop_block *taken = NULL;
	struct run_loop_block **end = &taken;

	while (*link != NULL) {
		struct run_loop_block *at = *link;

		if (!is_of_mode_locked(ivars, at->mode, mode)) {
			link = &at->next;
			continue;
		}
		*link = at->next;
		at->next = NULL;
		*end = at;
		end = &at->next;
	}
	return taken;
}

void
run_loop_run_blocks(CFRunLoopRef loop, CFRunLoopMode mode)
{
	struct run_loop_block *taken;

	pthread_mutex_lock(&inside(loop)->lock);
	taken = take_locked(inside(loop), mode);
	pthread_mutex_unlock(&inside(loop)->lock);
	while (taken != NULL) {
		struct run_loop_block *next = taken->next;

		block_run_and_release(taken->block);
		CFRelease(taken->mode);
		free(taken);
		taken = next;
	}
}

void
run_loop_end_modes(struct CFRunLoop_IVars *ivars)
{
	while (ivars->blocks != NULL) {
		struct run_loop_block *first = ivars->blocks;

		ivars->blocks = first->next;
		block_release(first->block);
		CFRelease(first->mode);
		free(first);
	}
	for (size_t i = 0; i < ivars->common_count; i++)
		CFRelease(ivars->common[i]);
	free(ivars->common);
}

void
CFRunLoopPerformBlock(CFRunLoopRef loop, CFTypeRef mode, struct block *block)
{
	struct run_loop_block *made;
	struct run_loop_block **link;

	if (loop == NULL || mode == NULL ||
	    (CFGetTypeID(mode) != CFStringGetTypeID() && CFGetTypeID(mode) != CFArrayGetTypeID())) {
		log_error("CFRunLoopPerformBlock: %s",
			  loop == NULL ? "loop is NULL" : "mode is neither a string nor an array");
		return;
	}
	made = malloc(sizeof(*made));
	if (made == NULL)
		log_abort("CFRunLoopPerformBlock: out of memory");
	*made = (struct run_loop_block){.mode = CFRetain(mode)};
	made->block = block_copy(block, "CFRunLoopPerformBlock");
	pthread_mutex_lock(&inside(loop)->lock);
	link = &inside(loop)->blocks;
	while (*link != NULL)
		link = &(*link)->next;
	*link = made;
	pthread_mutex_unlock(&inside(loop)->lock);
}
