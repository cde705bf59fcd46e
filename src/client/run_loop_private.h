/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of run loops and their sources. */
#ifndef CLIENT_RUN_LOOP_PRIVATE_H
#define CLIENT_RUN_LOOP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "object.h"
#include "run_loop.h"

extern const OSMetaClass gCFRunLoopSourceMetaClass, gCFRunLoopMetaClass, gCFRunLoopTimerMetaClass,
	gCFRunLoopObserverMetaClass;

struct CFRunLoopSource_IVars {
	int descriptor;		     /* [const] */
	bool (*perform)(void *info); /* [const] */
	void (*release)(void *info); /* [const] */
	void *info;		     /* [const] */
	/* [const] Of the app's own sources: hear of loops, without locks. */
	void (*added)(void *info, CFRunLoopRef loop, CFRunLoopMode mode);
	void (*removed)(void *info, CFRunLoopRef loop, CFRunLoopMode mode);
	CFIndex order;	  /* [const] lower ones first */
	bool is_timer;	  /* [const] no source for the result of a run */
	bool is_observer; /* [const] nothing to wait for */
	/*
	 * Written once, by the end of what it listens to. Pairs with nothing: who misses it
	 * performs a closed port, which has nothing to take.
	 */
	_Atomic bool invalid;
};

struct run_loop_block;

struct run_loop_entry {
	CFRunLoopSourceRef source; /* retained */
	CFStringRef mode;	   /* retained */
};

/* A run that is under way, on the stack of its thread. */
struct run_loop_run {
	struct run_loop_run *outer;
	CFRunLoopMode mode;
	bool stopped; /* [lock of the loop] */
};

struct CFRunLoop_IVars {
	pthread_mutex_t lock;
	int wake;			/* eventfd; [const] but for a forked child's beginning */
	struct run_loop_entry *entries; /* [lock] */
	size_t count, size;		/* [lock] */
	CFStringRef *common;		/* [lock] modes that the app made common; retained */
	size_t common_count;		/* [lock] */
	struct run_loop_block *blocks;	/* [lock] oldest first */
	struct run_loop_run *current;	/* [lock] the innermost; NULL: not running */
	bool waiting;			/* [lock] */
	CFRunLoopRef previous, next;	/* [the lock of all loops] */
};

static inline struct CFRunLoopSource_IVars *
inside_source(CFRunLoopSourceRef source)
{
	return OSObjectIVars(CFRunLoopSource, source);
}

static inline struct CFRunLoop_IVars *
inside(CFRunLoopRef loop)
{
	return OSObjectIVars(CFRunLoop, loop);
}

/* Ends the loop's sleep, or its next one. */
void run_loop_wake(struct CFRunLoop_IVars *ivars);
/* Gives up an entry that was taken out; without the lock, because it may free a port. */
void run_loop_drop(struct run_loop_entry entry);
/* Lets go of the sources that have become invalid. */
void run_loop_purge(CFRunLoopRef loop);
bool run_loop_is_mode(CFStringRef one, CFStringRef other);
/* Whether an entry counts in a mode. */
bool run_loop_entry_is_in(const struct CFRunLoop_IVars *ivars, const struct run_loop_entry *entry,
			  CFRunLoopMode mode);
bool run_loop_is_common_locked(const struct CFRunLoop_IVars *ivars, CFRunLoopMode mode);
/* Blocks that wait for a run in this mode. */
bool run_loop_has_block_locked(const struct CFRunLoop_IVars *ivars, CFRunLoopMode mode);
void run_loop_run_blocks(CFRunLoopRef loop, CFRunLoopMode mode);
/* What modes.c keeps in a loop, when the loop ends. */
void run_loop_end_modes(struct CFRunLoop_IVars *ivars);
/* Calls the observers. */
void run_loop_observe(CFRunLoopRef loop, CFRunLoopMode mode, CFRunLoopActivity activity);
/* Whether the loop would perform the source in this mode. */
bool run_loop_holds(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);
bool run_loop_source_is_valid(CFRunLoopSourceRef source);
/* What CFRunLoopAddSource and its siblings do, for the source that a timer is. */
void run_loop_add(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode,
		  const char *function);
void run_loop_remove(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode,
		     const char *function);
bool run_loop_contains(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode,
		       const char *function);

#endif
