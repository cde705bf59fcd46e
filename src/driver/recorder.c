/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who looks on, the files that they see, and the places of the objects that events are about.
 *
 * There is recording while there is a reader's socket. The files are made for the first reader and
 * stay until the host ends: so a thread that writes needs no hold on them, and readers that come
 * and go, and keep what they got, cost the host's memory once.
 *
 * Readers are trusted with nothing: their sockets are read by nobody, and anything on one ends it.
 * What they cannot be kept from is looking at what is recorded for others after they have closed
 * their socket.
 *
 * The lock is for readers and for giving places away; writers take it for an object's first event
 * only.
 */
#include "recorder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bounds.h"
#include "clock.h"
#include "closing.h"
#include "log.h"
#include "mapped_source.h"
#include "memfd.h"
#include "packet.h"
#include "places.h"
#include "record_client.h"
#include "status.h"

struct trace_watcher {
	struct loop_source source;
	struct loop *loop;
	struct trace_watcher *next; /* [lock] */
	bool capture;
	uint32_t snap;
	uint32_t uid;
};

struct file {
	struct trace_writer writer; /* [const] once `memory` is set */
	void *memory;		    /* [lock] NULL: nobody has asked for it yet */
	int fd;			    /* [lock] */
};

_Atomic uint32_t recorder_state;

static struct {
	pthread_mutex_t lock;
	struct trace_watcher *watchers; /* [lock] */
	unsigned count;			/* [lock] */
	uint32_t recordings;		/* [lock] */
	struct file files[2];		/* by enum trace_what */
	_Atomic uint32_t snap;		/* the longest that one wants */
	uint32_t next_place;		/* [lock] where to look first */
} recorder = {.lock = PTHREAD_MUTEX_INITIALIZER, .files = {{.fd = -1}, {.fd = -1}}};

static uint32_t
state(void)
{
	/* Pairs with the store in apply_locked: who sees that it is on sees the files. */
	return atomic_load_explicit(&recorder_state, memory_order_acquire);
}

/* --- the files --- */

static IOReturn
make_locked(enum trace_what what)
{
	static const char *const names[] = {"opendext-trace", "opendext-capture"};
	struct file *file = &recorder.files[what];
	void *memory = NULL;
	IOReturn res;

	if (file->memory != NULL)
		return kIOReturnSuccess;
	res = memfd_create_sealed(names[what], trace_length(what), &file->fd);
	if (res == kIOReturnSuccess)
		res = memfd_map(file->fd, 0, trace_length(what), true, false, NULL, &memory);
	if (res == kIOReturnSuccess)
		res = memfd_seal_for_peer(file->fd, MEMFD_READONLY);
	if (res != kIOReturnSuccess) {
		if (memory != NULL)
			memfd_unmap(memory, trace_length(what), false);
		fd_close(&file->fd);
		return res;
	}
	trace_writer_init(&file->writer, what, memory);
	file->memory = memory;
	return kIOReturnSuccess;
}

/* --- readers --- */

/* A new recording: calls of the one before that have not ended do not count as under way. */
static void
begin_locked(void)
{
	struct trace_file *file = recorder.files[TRACE_EVENTS].writer.file;

	for (uint32_t i = 0; i < TRACE_PLACES; i++)
		atomic_store_explicit(&file->places[i].in_flight, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&file->count.recordings, 1, memory_order_relaxed);
	recorder.recordings++;
}

/* What is recorded, by who is there. */
static void
apply_locked(void)
{
	uint32_t bits = 0, snap = 0;

	for (const struct trace_watcher *watcher = recorder.watchers; watcher != NULL;
	     watcher = watcher->next) {
		bits |= RECORDER_EVENTS | (watcher->capture ? RECORDER_CAPTURE : 0);
		if (watcher->snap > snap)
			snap = watcher->snap;
	}
	if (bits != 0 && state() == 0)
		begin_locked();
	atomic_store_explicit(&recorder.snap, snap, memory_order_relaxed);
	/* Pairs with state. */
	atomic_store_explicit(&recorder_state,
			      bits != 0 ? recorder.recordings * RECORDER_ONE | bits : 0,
			      memory_order_release);
	/* Pairs with mapped_source_tell_watcher_unlock. */
	atomic_store_explicit(&mapped_source_watched, bits != 0 ? record_entries : NULL,
			      memory_order_release);
}

static struct trace_watcher *
watcher_of(struct loop_source *source)
{
	return (struct trace_watcher *)((char *)source - offsetof(struct trace_watcher, source));
}

static void
forget_locked(struct trace_watcher *watcher)
{
	struct trace_watcher **place = &recorder.watchers;

	while (*place != NULL && *place != watcher)
		place = &(*place)->next;
	if (*place == NULL)
		return;
	*place = watcher->next;
	recorder.count--;
	apply_locked();
}

/* It has closed its socket, or says something, which is not done. */
static void
on_event(struct loop_source *source, uint32_t events)
{
	struct trace_watcher *watcher = watcher_of(source);

	pthread_mutex_lock(&recorder.lock);
	forget_locked(watcher);
	pthread_mutex_unlock(&recorder.lock);
	loop_source_remove(watcher->loop, source);
}

static void
on_removed(struct loop_source *source)
{
	struct trace_watcher *watcher = watcher_of(source);

	socket_close_foreign(&source->fd, CLOSING_NOBODY);
	free(watcher);
}

static unsigned
count_of(const struct trace_watcher *watcher)
{
	return watcher->capture ? 2 : 1;
}

/* What a reader is told. */
struct greeting {
	struct tracing_body body;
	int fds[2];
};

/* The limit that one more of this user's is past; NULL: none. */
static const char *
find_limit_locked(uint32_t uid)
{
	unsigned own = 0;

	if (recorder.count >= DEXT_LIMIT_TRACES)
		return "DEXT_LIMIT_TRACES";
	for (const struct trace_watcher *watcher = recorder.watchers; watcher != NULL;
	     watcher = watcher->next)
		own += watcher->uid == uid;
	return own >= DEXT_LIMIT_TRACES_USER && places_are_shared() ? "DEXT_LIMIT_TRACES_USER"
								    : NULL;
}

static IOReturn
add_locked(struct trace_watcher *watcher, struct greeting *ret_greeting)
{
	struct greeting greeting = {.body.version = TRACE_VERSION};
	const char *limit = find_limit_locked(watcher->uid);
	IOReturn res = kIOReturnSuccess;

	if (limit != NULL) {
		log_error("a recording is refused to uid %u: %u look on already (%s)", watcher->uid,
			  recorder.count, limit);
		return kIOReturnNoResources;
	}
	for (unsigned i = 0; res == kIOReturnSuccess && i < count_of(watcher); i++)
		res = make_locked(i);
	if (res != kIOReturnSuccess)
		return res;
	/* Before it is on: all that is recorded for it is behind where it begins. */
	for (unsigned i = 0; i < count_of(watcher); i++) {
		struct trace_start start;

		trace_writer_start(&recorder.files[i].writer, &start);
		greeting.body.position[i] = start.position;
		greeting.body.number[i] = start.number;
		greeting.fds[i] = recorder.files[i].fd;
	}
	*ret_greeting = greeting;
	watcher->next = recorder.watchers;
	recorder.watchers = watcher;
	recorder.count++;
	apply_locked();
	return kIOReturnSuccess;
}

/* When it is told, all clients that there are have their places. */
static IOReturn
greet(struct trace_watcher *watcher, struct greeting *greeting)
{
	struct packet_header header = {.type = PACKET_TRACING};
	IOReturn res;

	record_connections();
	res = packet_send(watcher->source.fd, &header, &greeting->body, sizeof(greeting->body),
			  greeting->fds, count_of(watcher), false);
	/* Last: its end is seen from now on, by other threads. */
	if (res == kIOReturnSuccess)
		res = loop_source_add(watcher->loop, &watcher->source);
	if (res == kIOReturnSuccess)
		return res;
	pthread_mutex_lock(&recorder.lock);
	forget_locked(watcher);
	pthread_mutex_unlock(&recorder.lock);
	return res;
}

void
recorder_serve_take(struct loop *loop, int socket, const struct host_trace_body *body)
{
	struct packet_header header = {.type = PACKET_TRACING};
	const struct tracing_body none = {.version = TRACE_VERSION};
	struct trace_watcher *watcher = calloc(1, sizeof(*watcher));
	struct greeting greeting;

	header.status = kIOReturnNoMemory;
	if (watcher != NULL) {
		watcher->loop = loop;
		watcher->capture = (body->flags & TRACE_WITH_CAPTURE) != 0;
		watcher->snap = body->snap;
		watcher->uid = body->uid;
		watcher->source.fd = socket;
		watcher->source.events = EPOLLIN | EPOLLRDHUP;
		watcher->source.handler = on_event;
		watcher->source.removed = on_removed;
		pthread_mutex_lock(&recorder.lock);
		header.status = add_locked(watcher, &greeting);
		pthread_mutex_unlock(&recorder.lock);
		if (header.status == kIOReturnSuccess)
			header.status = greet(watcher, &greeting);
	}
	if (header.status == kIOReturnSuccess)
		return;
	packet_send(socket, &header, &none, sizeof(none), NULL, 0, false);
	socket_close_foreign(&socket, CLOSING_NOBODY);
	free(watcher);
}

void
recorder_close(void)
{
	struct trace_watcher *watcher;

	atomic_store_explicit(&recorder_state, 0, memory_order_relaxed);
	atomic_store_explicit(&mapped_source_watched, NULL, memory_order_relaxed);
	while ((watcher = recorder.watchers) != NULL) {
		recorder.watchers = watcher->next;
		on_removed(&watcher->source);
	}
	recorder.count = 0;
}

/* --- places --- */

static void
give_locked(struct trace_place *place, const struct trace_owner *owner)
{
	uint64_t words[sizeof(*owner) / sizeof(uint64_t)];
	_Atomic uint64_t *counters[] = {
		&place->began,	     &place->ended,	   place->entries + 0, place->entries + 1,
		&place->failed,	     &place->bytes,	   &place->spent,      &place->waited,
		&place->completions, &place->mapped_bytes, &place->kept_bytes,
	};
	uint32_t generation = atomic_load_explicit(&place->generation, memory_order_relaxed);

	memcpy(words, owner, sizeof(words));
	/* Release, as in trace.c: who sees a word sees the generation before, and then another. */
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		atomic_store_explicit(&place->owner[i], words[i], memory_order_release);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		atomic_store_explicit(counters[i], 0, memory_order_relaxed);
	atomic_store_explicit(&place->in_flight, 0, memory_order_relaxed);
	atomic_store_explicit(&place->waiting, 0, memory_order_relaxed);
	atomic_store_explicit(&place->buffers, 0, memory_order_relaxed);
	atomic_store_explicit(&place->registrations, 0, memory_order_relaxed);
	for (uint32_t i = 0; i < TRACE_BUCKETS; i++)
		atomic_store_explicit(&place->latency[i], 0, memory_order_relaxed);
	/* Pairs with trace_read_owner. */
	atomic_store_explicit(&place->generation, generation + 1, memory_order_release);
}

/* Index + 1 of a free place; 0: there is none. Those that were left last are taken last. */
static uint32_t
take_locked(struct trace_file *file, const struct trace_owner *owner)
{
	for (uint32_t i = 0; i < TRACE_PLACES; i++) {
		uint32_t index = (recorder.next_place + i) % TRACE_PLACES;
		struct trace_place *place = &file->places[index];

		if (atomic_load_explicit(&place->generation, memory_order_relaxed) % 2 != 0)
			continue;
		give_locked(place, owner);
		recorder.next_place = index + 1;
		return index + 1;
	}
	return 0;
}

struct trace_place *
recorder_find(struct recorder_place *place,
	      void (*describe)(const void *object, struct trace_owner *owner), const void *object)
{
	struct trace_file *file;
	uint32_t number;

	if (state() == 0)
		return NULL;
	file = recorder.files[TRACE_EVENTS].writer.file;
	/* Relaxed: what is in a place is atomic, and older than the number. */
	number = atomic_load_explicit(&place->number, memory_order_relaxed);
	if (number == 0) {
		struct trace_owner owner = {.since = clock_now()};

		describe(object, &owner);
		pthread_mutex_lock(&recorder.lock);
		number = atomic_load_explicit(&place->number, memory_order_relaxed);
		if (number == 0)
			number = take_locked(file, &owner);
		atomic_store_explicit(&place->number, number, memory_order_relaxed);
		pthread_mutex_unlock(&recorder.lock);
	}
	return number != 0 ? &file->places[number - 1] : NULL;
}

void
recorder_leave(struct recorder_place *place)
{
	uint32_t number = atomic_load_explicit(&place->number, memory_order_relaxed);
	struct trace_place *left;

	if (number == 0)
		return;
	/* Under the lock, for who looks for a free one; and this thread may not have seen the file.
	 */
	pthread_mutex_lock(&recorder.lock);
	left = &recorder.files[TRACE_EVENTS].writer.file->places[number - 1];
	atomic_store_explicit(&left->in_flight, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&left->generation, 1, memory_order_release);
	pthread_mutex_unlock(&recorder.lock);
	atomic_store_explicit(&place->number, 0, memory_order_relaxed);
}

void
recorder_count_end(struct trace_place *place, bool failed, uint64_t bytes, uint64_t spent)
{
	if (failed)
		recorder_add(&place->failed, 1);
	if (bytes != 0)
		recorder_add(&place->bytes, bytes);
	if (spent != 0) {
		recorder_add(&place->spent, spent);
		atomic_fetch_add_explicit(&place->latency[trace_bucket(spent)], 1,
					  memory_order_relaxed);
	}
	/* Release, and last: who sees that it has ended sees the rest, and that it had begun. */
	atomic_fetch_add_explicit(&place->ended, 1, memory_order_release);
}

/* --- events --- */

uint32_t
recorder_number(void)
{
	return state() / RECORDER_ONE;
}

uint32_t
recorder_snap(bool *ret_wanted)
{
	*ret_wanted = (state() & RECORDER_CAPTURE) != 0;
	return atomic_load_explicit(&recorder.snap, memory_order_relaxed);
}

static void
write_to(enum trace_what what, const struct trace_place *place, struct trace_event *event,
	 const void *bytes, uint32_t length)
{
	struct trace_file *trace = recorder.files[TRACE_EVENTS].writer.file;

	event->place = place != NULL ? (uint32_t)(place - trace->places) : TRACE_NO_PLACE;
	if (event->time == 0)
		event->time = clock_now();
	trace_write(&recorder.files[what].writer, event, bytes, length);
}

void
recorder_write(const struct trace_place *place, struct trace_event *event)
{
	if (state() != 0)
		write_to(TRACE_EVENTS, place, event, NULL, 0);
}

void
recorder_write_bytes(const struct trace_place *place, struct trace_event *event, const void *bytes,
		     uint32_t length)
{
	if ((state() & RECORDER_CAPTURE) != 0)
		write_to(TRACE_CAPTURE, place, event, bytes, length);
}
