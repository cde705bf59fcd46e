/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources whose memory an app may map.
 *
 * All living ones are in a list, so that one is found by its memory; the list's lock and a source's
 * are taken alone, and nothing is called or released under them, but who watches entries. While
 * somebody does, what moves them is under it, too.
 */
#include "mapped_source.h"

#include "object.h"
#include "source.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapped_source *list; /* [list_lock] */
_Atomic(mapped_source_watcher) mapped_source_watched;

static struct mapped_source *
mapped_of(IODispatchSource *source)
{
	return OSObjectIVars(IODispatchSource, source)->mapped;
}

void
mapped_source_add(IODispatchSource *source, struct mapped_source *mapped)
{
	mapped->source = source;
	pthread_mutex_init(&mapped->lock, NULL);
	OSObjectIVars(IODispatchSource, source)->mapped = mapped;
	pthread_mutex_lock(&list_lock);
	mapped->next = list;
	list = mapped;
	pthread_mutex_unlock(&list_lock);
}

void
mapped_source_remove(struct mapped_source *mapped)
{
	struct mapped_source **at = &list;

	pthread_mutex_lock(&list_lock);
	while (*at != NULL && *at != mapped)
		at = &(*at)->next;
	if (*at != NULL)
		*at = mapped->next;
	pthread_mutex_unlock(&list_lock);
	OSRelease(mapped->listener);
	OSRelease(mapped->memory);
	pthread_mutex_destroy(&mapped->lock);
}

IODispatchSource *
mapped_source_copy_of(const IOMemoryDescriptor *memory)
{
	IODispatchSource *source = NULL;
	struct mapped_source *found;

	pthread_mutex_lock(&list_lock);
	found = list;
	while (found != NULL && found->memory != memory)
		found = found->next;
	if (found != NULL && object_try_retain(found->source))
		source = found->source;
	pthread_mutex_unlock(&list_lock);
	return source;
}

uint32_t
mapped_source_flags(IODispatchSource *source)
{
	return source != NULL ? mapped_of(source)->flags : 0;
}

IOReturn
mapped_source_claim(IODispatchSource *source, const void *owner)
{
	struct mapped_source *mapped = mapped_of(source);
	IOReturn res = kIOReturnExclusiveAccess;

	pthread_mutex_lock(&mapped->lock);
	if (mapped->owner == NULL || mapped->owner == owner) {
		mapped->owner = owner;
		mapped->claims++;
		res = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&mapped->lock);
	return res;
}

void
mapped_source_disown(IODispatchSource *source, const void *owner)
{
	struct mapped_source *mapped = mapped_of(source);
	OSAction *listener = NULL;

	pthread_mutex_lock(&mapped->lock);
	if (mapped->owner == owner && --mapped->claims == 0) {
		mapped->owner = NULL;
		listener = mapped->listener;
		mapped->listener = NULL;
	}
	pthread_mutex_unlock(&mapped->lock);
	OSRelease(listener);
}

void
mapped_source_stop_listening(struct mapped_source *mapped)
{
	OSAction *listener;

	pthread_mutex_lock(&mapped->lock);
	listener = mapped->listener;
	mapped->listener = NULL;
	pthread_mutex_unlock(&mapped->lock);
	OSRelease(listener);
}

void
mapped_source_tell(struct mapped_source *mapped)
{
	void (*tell)(OSAction * listener);
	OSAction *listener;

	pthread_mutex_lock(&mapped->lock);
	listener = mapped->listener;
	tell = mapped->tell;
	OSRetain(listener);
	pthread_mutex_unlock(&mapped->lock);
	if (listener != NULL)
		tell(listener);
	OSRelease(listener);
}

IOReturn
mapped_source_listen(IODispatchSource *source, const void *owner, OSAction *listener,
		     void (*tell)(OSAction *listener))
{
	struct mapped_source *mapped = mapped_of(source);
	IOReturn res = kIOReturnExclusiveAccess;
	OSAction *old = listener;

	OSRetain(listener);
	pthread_mutex_lock(&mapped->lock);
	if (mapped->owner == owner) {
		old = mapped->listener;
		mapped->listener = listener;
		mapped->tell = tell;
		res = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&mapped->lock);
	OSRelease(old);
	/* What came before the app could be told is told now, or a program that waits first hangs.
	 * A producer, which stores its entry first, either finds the listener or is seen here. */
	if (res == kIOReturnSuccess && mapped->is_due(source))
		mapped_source_tell(mapped);
	return res;
}

void
mapped_source_tell_watcher_unlock(struct mapped_source *mapped, const struct mapped_move *move)
{
	/* Pairs with the store of whoever watches: what it has made before is seen. */
	mapped_source_watcher watcher =
		atomic_load_explicit(&mapped_source_watched, memory_order_acquire);

	if (watcher != NULL && mapped->owner != NULL && move->count > 0)
		watcher(mapped->owner, move);
	pthread_mutex_unlock(&mapped->lock);
}

bool
mapped_source_look(IODispatchSource *source, bool inline_ok)
{
	return mapped_of(source)->look(source, inline_ok);
}
