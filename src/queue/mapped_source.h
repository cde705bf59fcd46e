/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dispatch source whose memory an app may map: data queues and rings. What they have in common is
 * the app at the other end: whose it is, how it is told, and looking at the memory after it has
 * rung.
 *
 *	mapped_source_add: a kind of source, when it is made; its free calls mapped_source_remove
 *	mapped_source_copy_of: is this memory such a source's?
 *	mapped_source_claim, mapped_source_disown: one connection at a time, as often as it maps it
 *	mapped_source_listen: how the app is told
 *	mapped_source_look: after the app has rung
 *	mapped_source_hold, mapped_source_moved: by a kind, around what moves entries
 */
#ifndef QUEUE_MAPPED_SOURCE_H
#define QUEUE_MAPPED_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <DriverKit/IODispatchSource.h>
#include <DriverKit/IOMemoryDescriptor.h>

/* In the instance variables of a kind, which fills in the upper part before it is added. */
struct mapped_source {
	IOMemoryDescriptor *memory; /* [const] +1 */
	uint32_t flags;		    /* [const] CALL_QUEUE_x of the map call's answer */
	/*
	 * [const] Fires the handlers for what the app has done since, by the words in the memory
	 * and not by its having rung. True if there was anything. Any thread, no lock held.
	 * inline_ok: one of them in this thread if its queue is idle.
	 */
	bool (*look)(IODispatchSource *source, bool inline_ok);
	/* [const] Whether the app has something to look at. */
	bool (*is_due)(IODispatchSource *source);
	IODispatchSource *source;   /* [const] not retained */
	struct mapped_source *next; /* [list_lock] */
	pthread_mutex_t lock;
	const void *owner;		  /* [lock] NULL: no app has it */
	unsigned claims;		  /* [lock] */
	OSAction *listener;		  /* [lock] +1 or NULL */
	void (*tell)(OSAction *listener); /* [lock] */
};

void mapped_source_add(IODispatchSource *source, struct mapped_source *mapped);
void mapped_source_remove(struct mapped_source *mapped);

/* The source behind that memory, +1, or NULL. */
IODispatchSource *mapped_source_copy_of(const IOMemoryDescriptor *memory);
/* CALL_QUEUE_x; 0 for NULL. */
uint32_t mapped_source_flags(IODispatchSource *source);

/* kIOReturnExclusiveAccess: another owner has it. Each success is paired with a
 * mapped_source_disown. */
IOReturn mapped_source_claim(IODispatchSource *source, const void *owner);
/* With the last one of the owner the app is not told any more. */
void mapped_source_disown(IODispatchSource *source, const void *owner);

/*
 * The app is told through `listener`, of which a reference is kept, by tell(listener): for entries
 * if it consumes and for room if it produces; no lock is held. At once if it is due. NULL: no more.
 * kIOReturnExclusiveAccess: not the owner.
 */
IOReturn mapped_source_listen(IODispatchSource *source, const void *owner, OSAction *listener,
			      void (*tell)(OSAction *listener));
/* Nobody listens any more: at Cancel. */
void mapped_source_stop_listening(struct mapped_source *mapped);
/* Tells whoever listens. No lock held. */
void mapped_source_tell(struct mapped_source *mapped);

/*
 * Who is told of entries that went through sources whose memory an app has; NULL: nobody. Called
 * with the source's lock, under which its owner stays.
 */
struct mapped_move {
	bool is_ring;	/* else a data queue */
	bool taken;	/* by the driver; else for the app */
	uint32_t count; /* of entries; of a data queue: 1 */
	uint32_t size;	/* bytes of an entry of a data queue */
};
typedef void (*mapped_source_watcher)(const void *owner, const struct mapped_move *move);
extern _Atomic(mapped_source_watcher) mapped_source_watched;

/*
 * An app may see what was moved, and go: what moves it is in between these two, so that it is
 * counted while that app still is the owner. `held` is what mapped_source_hold returned: somebody
 * watches, and the source's lock is held.
 */
static inline bool
mapped_source_hold(struct mapped_source *mapped)
{
	/* Relaxed: one who has just begun to watch may miss it. */
	bool held = __builtin_expect(
		atomic_load_explicit(&mapped_source_watched, memory_order_relaxed) != NULL, 0);

	if (held)
		pthread_mutex_lock(&mapped->lock);
	return held;
}

void mapped_source_tell_watcher_unlock(struct mapped_source *mapped,
				       const struct mapped_move *move);

static inline void
mapped_source_moved(struct mapped_source *mapped, const struct mapped_move *move, bool held)
{
	if (held)
		mapped_source_tell_watcher_unlock(mapped, move);
}

/* What the kind's look says. */
bool mapped_source_look(IODispatchSource *source, bool inline_ok);

#endif
