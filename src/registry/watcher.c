/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches. Whether a service matches is asked once, when it appears (or when the watch is made);
 * each watch remembers what its client was told of, so that "gone" is told of just that, whatever
 * became of the service's properties meanwhile.
 *
 * Events go out from within changes of the tree, so nothing here ends a client: one that is too
 * slow gets its socket shut down, and is dropped when the loop comes to that. One thread, the
 * loop's.
 */
#include "watcher.h"

#include "bounds.h"
#include "id_set.h"
#include "log.h"
#include "plane.h"
#include "plist.h"
#include "registry_private.h"
#include "status.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BODY_MAX (PACKET_MAX - sizeof(struct packet_header))
#define IDS_MAX	 DEXT_LIMIT_MATCHES

_Static_assert(sizeof(struct event_body) + DEXT_LIMIT_WATCHES * sizeof(uint64_t) <= BODY_MAX,
	       "one event names all watches of a client");

struct watch {
	uint64_t id;
	uint64_t entry;		/* 0: whatever matches */
	OSDictionary *matching; /* NULL with an entry */
	size_t plist_bytes;
	struct id_set told; /* services that the client knows of by this watch */
	bool busy;	    /* the entry, as the client knows it */
	struct watch *next;
};

struct outgoing {
	struct outgoing *next;
	struct packet_header header;
	size_t length;
	uint8_t body[];
};

/* --- sending --- */

static void
end(struct watcher *watcher, int fd, const char *why)
{
	struct ucred who = {0};
	socklen_t length = sizeof(who);

	if (watcher->ended)
		return;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length);
	log_error("process %d is cut off from events: %s; it can connect again", who.pid, why);
	shutdown(fd, SHUT_RDWR);
	watcher_clear(watcher);
	watcher->ended = true;
}

static void
keep(struct watcher *watcher, int fd, const struct packet_header *header, const void *body,
     size_t length)
{
	struct outgoing *outgoing;

	/* The header counts too: an event without it would be cheap to pile up. */
	if (watcher->waiting_bytes + sizeof(*outgoing) + length > DEXT_LIMIT_EVENT_BYTES) {
		end(watcher, fd, "it does not read them, and DEXT_LIMIT_EVENT_BYTES wait");
		return;
	}
	outgoing = malloc(sizeof(*outgoing) + length);
	if (outgoing == NULL) {
		end(watcher, fd, "no memory");
		return;
	}
	outgoing->next = NULL;
	outgoing->header = *header;
	outgoing->length = length;
	if (length > 0)
		memcpy(outgoing->body, body, length);
	if (watcher->first == NULL)
		watcher->last = &watcher->first;
	*watcher->last = outgoing;
	watcher->last = &outgoing->next;
	watcher->waiting_bytes += sizeof(*outgoing) + length;
}

static void
send_or_keep(struct watcher *watcher, int fd, struct packet_header *header, const void *body,
	     size_t length)
{
	IOReturn status = kIOReturnBusy;

	if (watcher->ended)
		return;
	if (!watcher_is_waiting(watcher))
		status = packet_send(fd, header, body, length, NULL, 0, false);
	if (status == kIOReturnBusy)
		keep(watcher, fd, header, body, length);
	/* With any other the client has gone: the loop finds that out. */
}

IOReturn
watcher_flush(struct watcher *watcher, int fd)
{
	while (watcher_is_waiting(watcher)) {
		struct outgoing *outgoing = watcher->first;
		IOReturn status = packet_send(fd, &outgoing->header, outgoing->body,
					      outgoing->length, NULL, 0, false);

		if (status == kIOReturnBusy)
			return kIOReturnSuccess;
		if (status != kIOReturnSuccess)
			return status;
		watcher->waiting_bytes -= sizeof(*outgoing) + outgoing->length;
		watcher->first = outgoing->next;
		free(outgoing);
	}
	return kIOReturnSuccess;
}

/* --- watches --- */

static struct watch **
find(struct watcher *watcher, uint64_t id)
{
	struct watch **link = &watcher->watches;

	while (*link != NULL && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

static void
free_watch(struct watch *watch)
{
	OSRelease(watch->matching);
	id_set_clear(&watch->told);
	free(watch);
}

static IOReturn
set_matching(struct watch *watch, const struct packet *packet)
{
	OSObject *object = NULL;

	watch->plist_bytes = packet->body_length - sizeof(struct watch_body);
	if (plist_decode_matching(packet->body + sizeof(struct watch_body), watch->plist_bytes,
				  &object) != kIOReturnSuccess)
		return kIOReturnBadArgument;
	watch->matching = OSDynamicCast(OSDictionary, object);
	if (watch->matching != NULL)
		return kIOReturnSuccess;
	OSRelease(object);
	return kIOReturnBadArgument;
}

static bool
matches(const struct watch *watch, const struct entry *entry)
{
	/* As for look-ups: only its path means the root. */
	if (plane_is_root(entry) && OSDictionaryGetValue(watch->matching, "IOPathMatch") == NULL)
		return false;
	return matching_entry(watch->matching, entry);
}

/* What is there already; the client is told in the reply. */
static IOReturn
fill(struct registry *registry, struct watch *watch, uint64_t *ids, size_t *ret_count)
{
	IOReturn status = kIOReturnSuccess;
	size_t count = 0;

	for (const struct entry *entry = registry->tree.first;
	     entry != NULL && status == kIOReturnSuccess; entry = entry->next) {
		if (watch->matching != NULL ? !matches(watch, entry) : entry->id != watch->entry)
			continue;
		if (count == IDS_MAX) {
			log_error("an app's notification matches more than %u entries "
				  "(DEXT_LIMIT_MATCHES)",
				  DEXT_LIMIT_MATCHES);
			return kIOReturnNoResources;
		}
		ids[count++] = entry->id;
		status = id_set_add(&watch->told, entry->id);
		if (watch->matching == NULL)
			watch->busy = registry_busy(registry, entry) != 0;
	}
	if (status == kIOReturnSuccess && watch->matching == NULL && count == 0)
		status = kIOReturnNotFound;
	*ret_count = count;
	return status;
}

static IOReturn
check_limits(const struct watcher *watcher, const struct watcher_share *share, size_t plist_bytes)
{
	const char *limit = NULL;

	if (watcher->count >= DEXT_LIMIT_WATCHES)
		limit = "DEXT_LIMIT_WATCHES";
	else if (watcher->plist_bytes + plist_bytes > DEXT_LIMIT_WATCH_BYTES)
		limit = "DEXT_LIMIT_WATCH_BYTES";
	else if (share->count >= DEXT_LIMIT_WATCHES_USER)
		limit = "DEXT_LIMIT_WATCHES_USER";
	else if (share->plist_bytes + plist_bytes > DEXT_LIMIT_WATCH_BYTES_USER)
		limit = "DEXT_LIMIT_WATCH_BYTES_USER";
	if (limit == NULL)
		return kIOReturnSuccess;
	log_error("an app was refused one more notification: %s", limit);
	return kIOReturnNoResources;
}

static IOReturn
make(struct registry *registry, struct watcher *watcher, const struct watcher_share *share,
     const struct packet *packet, uint64_t *ids, size_t *ret_count, struct watch **ret_watch)
{
	struct watch *watch;
	struct watch_body body;
	IOReturn status = check_limits(watcher, share, packet->body_length - sizeof(body));

	if (status != kIOReturnSuccess)
		return status;
	memcpy(&body, packet->body, sizeof(body));
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return kIOReturnNoMemory;
	watch->id = body.watch;
	watch->entry = body.entry;
	if (body.entry == 0)
		status = set_matching(watch, packet);
	if (status == kIOReturnSuccess)
		status = fill(registry, watch, ids, ret_count);
	if (status != kIOReturnSuccess) {
		free_watch(watch);
		return status;
	}
	*ret_watch = watch;
	return kIOReturnSuccess;
}

static void
send_event(struct watcher *watcher, int fd, const struct event_body *event, const uint64_t *watches,
	   size_t count)
{
	struct packet_header header = {.type = PACKET_EVENT};
	uint8_t body[BODY_MAX];
	size_t length = sizeof(*event) + count * sizeof(*watches);

	memcpy(body, event, sizeof(*event));
	memcpy(body + sizeof(*event), watches, count * sizeof(*watches));
	send_or_keep(watcher, fd, &header, body, length);
}

IOReturn
watcher_add(struct registry *registry, struct watcher *watcher, const struct watcher_share *share,
	    int fd, const struct packet *packet)
{
	struct packet_header header = {.type = PACKET_WATCH, .sequence = packet->header->sequence};
	struct watch *watch = NULL;
	struct watch_body body;
	uint64_t ids[IDS_MAX];
	size_t count = 0;

	memcpy(&body, packet->body, sizeof(body));
	if (*find(watcher, body.watch) != NULL) {
		log_error("a watch was made twice");
		return kIOReturnIPCError;
	}
	header.status = make(registry, watcher, share, packet, ids, &count, &watch);
	if (watch == NULL) {
		send_or_keep(watcher, fd, &header, NULL, 0);
		return kIOReturnSuccess;
	}
	*find(watcher, body.watch) = watch; /* the end of the list */
	watcher->count++;
	watcher->plist_bytes += watch->plist_bytes;
	send_or_keep(watcher, fd, &header, ids, count * sizeof(ids[0]));
	if (watch->entry != 0 && !watcher->ended) {
		const struct event_body event = {watch->entry, EVENT_BUSY, watch->busy};

		send_event(watcher, fd, &event, &body.watch, 1);
	}
	return kIOReturnSuccess;
}

IOReturn
watcher_remove(struct watcher *watcher, const struct packet *packet)
{
	struct watch **link, *watch;
	struct id_body body;

	memcpy(&body, packet->body, sizeof(body));
	link = find(watcher, body.id);
	watch = *link;
	if (watch == NULL) {
		log_error("an unknown watch was given up");
		return kIOReturnIPCError;
	}
	*link = watch->next;
	watcher->count--;
	watcher->plist_bytes -= watch->plist_bytes;
	free_watch(watch);
	return kIOReturnSuccess;
}

void
watcher_clear(struct watcher *watcher)
{
	struct watch *watch = watcher->watches;
	struct outgoing *outgoing = watcher->first;

	while (watch != NULL) {
		struct watch *next = watch->next;

		free_watch(watch);
		watch = next;
	}
	while (outgoing != NULL) {
		struct outgoing *next = outgoing->next;

		free(outgoing);
		outgoing = next;
	}
	*watcher = (struct watcher){.ended = watcher->ended};
}

/* --- telling --- */

static bool
concerns(struct watch *watch, const struct entry *entry, enum event_kind kind)
{
	switch (kind) {
	case EVENT_APPEARED:
		/* Without memory the client is not told, and so never hears that it has gone. */
		return watch->matching != NULL && matches(watch, entry) &&
		       id_set_add(&watch->told, entry->id) == kIOReturnSuccess;
	case EVENT_GONE:
		return id_set_remove(&watch->told, entry->id);
	default:
		return watch->entry == entry->id;
	}
}

void
watcher_tell(struct watcher *watcher, int fd, const struct entry *entry, enum event_kind kind)
{
	const struct event_body event = {.service = entry->id, .kind = kind};
	uint64_t watches[DEXT_LIMIT_WATCHES];
	size_t count = 0;

	for (struct watch *watch = watcher->watches; watch != NULL; watch = watch->next)
		if (concerns(watch, entry, kind))
			watches[count++] = watch->id;
	if (count > 0)
		send_event(watcher, fd, &event, watches, count);
}

void
watcher_tell_busy(struct registry *registry, struct watcher *watcher, int fd)
{
	for (struct watch *watch = watcher->watches; watch != NULL && !watcher->ended;
	     watch = watch->next) {
		struct event_body event = {.service = watch->entry, .kind = EVENT_BUSY};
		const struct entry *entry =
			watch->entry != 0 ? tree_find(&registry->tree, watch->entry) : NULL;

		if (entry == NULL || (registry_busy(registry, entry) != 0) == watch->busy)
			continue;
		watch->busy = !watch->busy;
		event.busy = watch->busy;
		send_event(watcher, fd, &event, &watch->id, 1);
		if (watcher->ended)
			return; /* and its watches are gone */
	}
}
