/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry made of bytes, for tests of the app's side of PROTOCOL.md 4.1: it answers watches with
 * what the test sets (HAS, refuse), and sends what the test makes it send. start, or prepare and
 * begin; stop, or end (it dies) and begin again.
 */
#ifndef TESTS_PROTO_FAKE_REGISTRY_H
#define TESTS_PROTO_FAKE_REGISTRY_H

#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "packets.h"

#define FAKE_IDS_MAX 8

static struct {
	char directory[32];
	struct sockaddr_un address;
	int listener;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;			    /* [lock], as the rest: of the last connection; -1 */
	unsigned connections;	    /* ever */
	unsigned watches;	    /* asked for, on this connection */
	unsigned unwatched;	    /* ever */
	uint64_t watch;		    /* the last one */
	uint64_t ids[FAKE_IDS_MAX]; /* the answer */
	size_t count;
	IOReturn status;
	bool silent; /* it does not answer */
	bool full;   /* it has no room for connections */
} registry = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.fd = -1,
};

/* --- the registry --- */

/* Sent without the lock: an app that does not read holds up nobody but itself. */
static inline void
answer(int fd, const struct packet *packet)
{
	struct packet_header header = *packet->header;
	struct watch_body body;
	uint64_t ids[FAKE_IDS_MAX];
	size_t count;
	bool silent;

	memcpy(&body, packet->body, sizeof(body));
	pthread_mutex_lock(&registry.lock);
	registry.watch = body.watch;
	registry.watches++;
	header.status = registry.status;
	silent = registry.silent;
	count = header.status == 0 ? registry.count : 0;
	memcpy(ids, registry.ids, sizeof(ids));
	pthread_mutex_unlock(&registry.lock);
	if (body.entry != 0) {
		ids[0] = body.entry;
		count = header.status == 0 ? 1 : 0;
	}
	if (!silent)
		packet_send(fd, &header, ids, count * sizeof(ids[0]), NULL, 0, true);
}

static inline void
serve_one(int fd)
{
	struct packet *packet = calloc(1, sizeof(*packet));

	while (packet_receive(fd, packet, true) == kIOReturnSuccess &&
	       packets_check(packet, PACKET_TO_REGISTRY) == kIOReturnSuccess) {
		if (packet->header->type == PACKET_WATCH)
			answer(fd, packet);
		pthread_mutex_lock(&registry.lock);
		if (packet->header->type == PACKET_UNWATCH)
			registry.unwatched++;
		pthread_cond_broadcast(&registry.changed);
		pthread_mutex_unlock(&registry.lock);
	}
	free(packet);
}

/* As the registry does: what is left unread at the close would reset the app before it has read. */
static inline void
refuse_one(int fd)
{
	struct packet_header refusal = {.type = PACKET_LOOKUP, .status = kIOReturnNoResources};
	char unread[64];

	packet_send(fd, &refusal, NULL, 0, NULL, 0, true);
	shutdown(fd, SHUT_RD);
	while (recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0)
		;
}

static inline void *
serve(void *context)
{
	int fd;

	while ((fd = accept4(registry.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		bool full;

		pthread_mutex_lock(&registry.lock);
		full = registry.full;
		registry.fd = fd;
		registry.watches = 0;
		registry.connections++;
		pthread_mutex_unlock(&registry.lock);
		if (full)
			refuse_one(fd);
		else
			serve_one(fd);
		pthread_mutex_lock(&registry.lock);
		close(fd);
		registry.fd = -1;
		pthread_cond_broadcast(&registry.changed);
		pthread_mutex_unlock(&registry.lock);
	}
	return NULL;
}

static inline void
begin(void)
{
	registry.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(registry.listener, (struct sockaddr *)&registry.address,
			      sizeof(registry.address)),
			 0);
	ck_assert_int_eq(listen(registry.listener, 5), 0);
	ck_assert_int_eq(pthread_create(&registry.thread, NULL, serve, NULL), 0);
}

/* The registry dies. */
static inline void
end(void)
{
	unlink(registry.address.sun_path);
	shutdown(registry.listener, SHUT_RDWR);
	pthread_mutex_lock(&registry.lock);
	if (registry.fd >= 0)
		shutdown(registry.fd, SHUT_RDWR);
	pthread_mutex_unlock(&registry.lock);
	pthread_join(registry.thread, NULL);
	close(registry.listener);
}

static inline void
prepare(void)
{
	strcpy(registry.directory, "/tmp/opendext-reg-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(registry.directory));
	registry.address.sun_family = AF_UNIX;
	snprintf(registry.address.sun_path, sizeof(registry.address.sun_path), "%s/registry",
		 registry.directory);
	setenv("OPENDEXT_RUNTIME_DIR", registry.directory, 1);
}

static inline void
start(void)
{
	prepare();
	begin();
}

static inline void
stop(void)
{
	end();
	rmdir(registry.directory);
}

static inline void
has(size_t count, const uint64_t *ids)
{
	pthread_mutex_lock(&registry.lock);
	registry.count = count;
	if (count > 0)
		memcpy(registry.ids, ids, count * sizeof(*ids));
	pthread_mutex_unlock(&registry.lock);
}

#define HAS(...) \
	has(sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (const uint64_t[]){__VA_ARGS__})

static inline void
refuse(IOReturn status)
{
	pthread_mutex_lock(&registry.lock);
	registry.status = status;
	pthread_mutex_unlock(&registry.lock);
}

static inline uint64_t
last_watch(void)
{
	uint64_t watch;

	pthread_mutex_lock(&registry.lock);
	watch = registry.watch;
	pthread_mutex_unlock(&registry.lock);
	return watch;
}

static inline void
send_raw(uint16_t type, uint32_t sequence, IOReturn status, const void *body, size_t length)
{
	struct packet_header header = {.type = type, .sequence = sequence, .status = status};

	pthread_mutex_lock(&registry.lock);
	ck_assert_int_eq(packet_send(registry.fd, &header, body, length, NULL, 0, true),
			 kIOReturnSuccess);
	pthread_mutex_unlock(&registry.lock);
}

struct event {
	struct event_body head;
	uint64_t watch;
};

static inline void
send_event(enum event_kind kind, uint64_t service, uint64_t watch)
{
	const struct event event = {{service, kind, 0}, watch};

	send_raw(PACKET_EVENT, 0, 0, &event, sizeof(event));
}

#endif
