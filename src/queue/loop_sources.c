/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources of the loop: descriptors of others in the epoll set, and their handlers.
 *
 * Invariants.
 * - epoll knows a source by an id that is never used again. A thread that got an event for a source
 *   which another thread removed in that moment looks the id up and finds nothing, so `removed`
 *   needs to wait only for threads that are inside the handler.
 * - A place in `entries` is free or has one source; its generation goes up each time it is freed.
 *
 * Add, rearm and remove are for any thread, the handler's included; handlers run on the loop's
 * threads. The loop's lock guards the places and the private fields of a source; it is not held
 * while a handler or `removed` runs.
 *
 * Left out: closing the descriptor, which is the owner's.
 */
#include "loop_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "status.h"

static struct loop_source *
find_locked(struct loop *loop, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	uint32_t generation = (uint32_t)(id >> 32);

	if (index >= loop->entry_count || loop->entries[index].generation != generation)
		return NULL;
	return loop->entries[index].source;
}

/* A free place, or LOOP_NO_ENTRY without memory. */
static uint32_t
take_entry_locked(struct loop *loop)
{
	uint32_t count = loop->entry_count;
	struct loop_entry *entries;
	uint32_t index;

	if (loop->free_entry == LOOP_NO_ENTRY) {
		uint32_t larger = count > 0 ? count * 2 : 16;

		entries = reallocarray(loop->entries, larger, sizeof(*entries));
		if (entries == NULL)
			return LOOP_NO_ENTRY;
		for (uint32_t i = count; i < larger; i++)
			entries[i] = (struct loop_entry){
				.generation = 1,
				.next_free = i + 1 < larger ? i + 1 : LOOP_NO_ENTRY,
			};
		loop->entries = entries;
		loop->entry_count = larger;
		loop->free_entry = count;
	}
	index = loop->free_entry;
	loop->free_entry = loop->entries[index].next_free;
	return index;
}

static void
free_entry_locked(struct loop *loop, uint32_t index)
{
	struct loop_entry *entry = &loop->entries[index];

	entry->source = NULL;
	entry->generation++;
	/* A place whose generations are used up is not used again: ids stay unique. */
	if (entry->generation == 0)
		return;
	entry->next_free = loop->free_entry;
	loop->free_entry = index;
}

/* A level-triggered source is watched one event at a time, or every waiting thread would run it. */
static uint32_t
watched_events(const struct loop_source *source)
{
	return source->events & EPOLLET ? source->events : source->events | EPOLLONESHOT;
}

IOReturn
loop_source_add(struct loop *loop, struct loop_source *source)
{
	IOReturn res = kIOReturnNoMemory;
	uint32_t index;

	source->running = 0;
	source->dying = 0;
	pthread_mutex_lock(&loop->lock);
	index = take_entry_locked(loop);
	if (index != LOOP_NO_ENTRY) {
		loop->entries[index].source = source;
		source->id = (uint64_t)loop->entries[index].generation << 32 | index;
		res = loop_watch(loop, source->fd, watched_events(source), source->id);
		if (res != kIOReturnSuccess)
			free_entry_locked(loop, index);
	}
	pthread_mutex_unlock(&loop->lock);
	return res;
}

static IOReturn
rearm_locked(struct loop *loop, struct loop_source *source)
{
	struct epoll_event event = {.events = watched_events(source), .data.u64 = source->id};

	if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return status_from_errno(errno, "epoll_ctl");
	return kIOReturnSuccess;
}

IOReturn
loop_source_rearm(struct loop *loop, struct loop_source *source, uint32_t events)
{
	IOReturn res = kIOReturnOffline;

	pthread_mutex_lock(&loop->lock);
	if (!source->dying) {
		source->events = events;
		/* A level-triggered one is watched again when its handler returns. */
		if (source->running > 0 && !(events & (EPOLLET | EPOLLONESHOT)))
			res = kIOReturnSuccess;
		else
			res = rearm_locked(loop, source);
	}
	pthread_mutex_unlock(&loop->lock);
	return res;
}

void
loop_source_remove(struct loop *loop, struct loop_source *source)
{
	bool removed = false;

	pthread_mutex_lock(&loop->lock);
	if (!source->dying) {
		source->dying = 1;
		/* Fails only if the owner closed the descriptor, which took it out of the set. */
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
		free_entry_locked(loop, (uint32_t)source->id);
		removed = source->running == 0;
	}
	pthread_mutex_unlock(&loop->lock);
	if (removed && source->removed != NULL)
		source->removed(source);
}

void
loop_source_run(struct loop *loop, uint64_t id, uint32_t events)
{
	struct loop_source *source;
	bool removed = false;

	pthread_mutex_lock(&loop->lock);
	source = find_locked(loop, id);
	if (source != NULL)
		source->running++;
	pthread_mutex_unlock(&loop->lock);
	if (source == NULL)
		return;
	source->handler(source, events);
	if (loop->abandoned)
		return;
	pthread_mutex_lock(&loop->lock);
	source->running--;
	if (source->dying)
		removed = source->running == 0;
	else if (!(source->events & (EPOLLET | EPOLLONESHOT)))
		rearm_locked(loop, source);
	pthread_mutex_unlock(&loop->lock);
	if (removed && source->removed != NULL)
		source->removed(source);
}
