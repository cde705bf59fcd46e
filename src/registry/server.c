/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry's socket: who is at it, and which file answers what is asked.
 *
 * Who an app is comes from the kernel, by its own connection to this socket: SO_PEERCRED, and a
 * pidfd of that process.
 *
 * An app that does not read its replies is dropped; nothing here blocks. One thread, the loop's.
 */
#include "registry_private.h"

#include "bounds.h"
#include "clock.h"
#include "closing.h"
#include "log.h"
#include "packet.h"
#include "plane.h"
#include "plist.h"
#include "policy.h"
#include "status.h"
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PACKETS_PER_TURN 16
#define TURN_NSEC	 (1 * NSEC_PER_MSEC) /* then it is the turn of others */
#define ACCEPTS_PER_TURN 16

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

struct client {
	struct loop_source source;
	struct registry *registry;
	int fd;
	int pidfd;
	struct ucred who;
	struct watcher watcher;
	unsigned unread; /* answers with a descriptor since it had last read everything, at most */
	bool dropped;
	struct client *next;
};

static void
client_removed(struct loop_source *source)
{
	struct client *client = (struct client *)source;

	socket_close_foreign(&client->fd, client->who.uid);
	fd_close(&client->pidfd);
	watcher_clear(&client->watcher);
	free(client);
}

static void
drop(struct client *client)
{
	struct registry *registry = client->registry;
	struct client **link = &registry->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->dropped = true;
	registry->client_count--;
	plug_forget_client(registry, client);
	settings_forget_client(registry, client);
	reports_forget_client(registry, client);
	loop_source_remove(registry->loop, &client->source);
}

static IOReturn
reply(struct client *client, const struct packet_header *request, IOReturn status, const void *body,
      size_t length, int fd)
{
	struct packet_header header = {
		.type = request->type,
		.sequence = request->sequence,
		.status = status,
	};

	return packet_send(client->fd, &header, body, length, &fd, fd >= 0 ? 1 : 0, false);
}

IOReturn
server_reply(struct client *client, const struct packet_header *request, IOReturn status,
	     const void *body, size_t length)
{
	return reply(client, request, status, body, length, -1);
}

IOReturn
server_reply_object_take(struct client *client, const struct packet_header *request,
			 OSDictionary *object)
{
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status = kIOReturnNoMemory;

	if (object != NULL)
		status = plist_encode(object, &bytes, &length);
	OSSafeReleaseNULL(object);
	status = server_reply(client, request, status, bytes,
			      status == kIOReturnSuccess ? length : 0);
	free(bytes);
	return status;
}

IOReturn
server_reply_with(struct client *client, const struct packet_header *request, IOReturn status,
		  int fd)
{
	client->unread += fd >= 0;
	return reply(client, request, status, NULL, 0, fd);
}

/* The kernel says how much is unread, not what of it: events may be, too. */
IOReturn
server_check_unread(struct client *client)
{
	int bytes = 0;

	if (ioctl(client->fd, SIOCOUTQ, &bytes) == 0 && bytes == 0)
		client->unread = 0;
	if (client->unread < DEXT_LIMIT_UNREAD_ANSWERS)
		return kIOReturnSuccess;
	if (client->unread++ == DEXT_LIMIT_UNREAD_ANSWERS)
		log_error("process %d of uid %u has not read %u answers with a descriptor "
			  "(DEXT_LIMIT_UNREAD_ANSWERS)",
			  client->who.pid, client->who.uid, DEXT_LIMIT_UNREAD_ANSWERS);
	return kIOReturnNoResources;
}

void
server_reply_late(struct client *client, const struct packet_header *request, IOReturn status)
{
	if (reply(client, request, status, NULL, 0, -1) != kIOReturnSuccess)
		drop(client);
}

void
server_drop(struct client *client)
{
	drop(client);
}

struct registry *
server_registry(const struct client *client)
{
	return client->registry;
}

bool
server_allows(const struct client *client, const struct host *host, char *reason)
{
	return server_is_own_user(client) ||
	       policy_allows(client->registry->policy, client->fd, &client->who,
			     host->personality->bundle->identifier, reason);
}

bool
server_is_own_user(const struct client *client)
{
	return client->who.uid == geteuid();
}

bool
server_may_capture(const struct client *client)
{
	return client->who.uid == 0 || server_is_own_user(client);
}

const struct ucred *
server_credentials(const struct client *client)
{
	return &client->who;
}

int
server_pidfd(const struct client *client)
{
	return client->pidfd;
}

/* --- requests --- */

/* What all apps of this one's user watch. */
static struct watcher_share
watched_by_user(const struct client *client)
{
	struct watcher_share share = {0};

	for (const struct client *other = client->registry->clients; other != NULL;
	     other = other->next) {
		if (other->who.uid != client->who.uid)
			continue;
		share.count += other->watcher.count;
		share.plist_bytes += other->watcher.plist_bytes;
	}
	return share;
}

static IOReturn
watch(struct client *client, const struct packet *packet)
{
	const struct watcher_share share = watched_by_user(client);

	return watcher_add(client->registry, &client->watcher, &share, client->fd, packet);
}

static IOReturn
handle(struct client *client, const struct packet *packet)
{
	IOReturn status = packets_check(packet, PACKET_TO_REGISTRY);

	if (status != kIOReturnSuccess)
		return status;
	switch (packet->header->type) {
	case PACKET_LOOKUP:
		return entries_look_up(client->registry, client, packet);
	case PACKET_PROPERTIES:
		return entries_properties(client->registry, client, packet);
	case PACKET_OPEN:
		return opening_request(client->registry, client, packet);
	case PACKET_ENTRIES:
		return entries_related(client->registry, client, packet);
	case PACKET_DESCRIBE:
		return entries_describe(client->registry, client, packet);
	case PACKET_SET_PROPERTIES:
		return opening_set_properties(client->registry, client, packet);
	case PACKET_DRIVER:
		return reports_driver(client->registry, client, packet);
	case PACKET_LOG:
		return reports_log(client->registry, client, packet);
	case PACKET_TRACE:
		return traces_request(client->registry, client, packet);
	case PACKET_PLUG:
		return plug_request(client->registry, client, packet);
	case PACKET_UNPLUG:
		return unplug_request(client->registry, client, packet);
	case PACKET_WATCH:
		return watch(client, packet);
	case PACKET_UNWATCH:
		return watcher_remove(&client->watcher, packet);
	default:
		return kIOReturnIPCError;
	}
}

/* Room in the socket is waited for while something waits for it. */
static void
watch_room(struct client *client)
{
	uint32_t events = EPOLLIN | (watcher_is_waiting(&client->watcher) ? EPOLLOUT : 0);

	if (client->source.events != events)
		loop_source_rearm(client->registry->loop, &client->source, events);
}

/* Hosts' lines are not apps'. */
static void
catch_up(struct registry *registry)
{
	log_set_share(NULL);
	hosts_catch_up(registry);
	log_set_share(&registry->app_lines);
}

static void
serve(struct client *client)
{
	struct packet *packet = &client->registry->packet;
	uint64_t began = clock_now();

	if (client->watcher.ended || watcher_flush(&client->watcher, client->fd)) {
		drop(client);
		return;
	}
	for (unsigned i = 0; i < PACKETS_PER_TURN && clock_now() - began < TURN_NSEC; i++) {
		IOReturn status = packet_receive_plain(client->fd, packet);

		if (status == kIOReturnNotReady)
			break;
		if (status == kIOReturnSuccess) {
			catch_up(client->registry);
			if (!client->dropped)
				status = handle(client, packet);
		}
		/* It did not take an answer that came meanwhile. */
		if (client->dropped)
			return;
		if (status == kIOReturnSuccess)
			continue;
		if (status != kIOReturnOffline)
			log_error("process %d: its connection to the registry is ended: %s",
				  client->who.pid, status_string(status));
		drop(client);
		return;
	}
	watch_room(client);
}

static void
client_ready(struct loop_source *source, uint32_t events)
{
	struct client *client = (struct client *)source;

	log_set_share(&client->registry->app_lines);
	serve(client); /* which may be the client's end */
	log_set_share(NULL);
}

void
server_tell(struct registry *registry, const struct entry *entry, enum event_kind kind)
{
	for (struct client *client = registry->clients; client != NULL; client = client->next) {
		watcher_tell(&client->watcher, client->fd, entry, kind);
		watch_room(client);
	}
}

void
server_tell_busy(struct registry *registry)
{
	for (struct client *client = registry->clients; client != NULL; client = client->next) {
		watcher_tell_busy(registry, &client->watcher, client->fd);
		watch_room(client);
	}
}

/* --- new connections --- */

static int
open_pidfd(int fd, pid_t pid)
{
	socklen_t length = sizeof(int);
	int pidfd = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0)
		return pidfd;
	/* Before Linux 6.5: by number, which is its own as long as the process lives. */
	return pid > 0 ? pidfd_open(pid, 0) : -1;
}

/*
 * Says so before it closes. Nothing may be left unread then, or the app would get a reset and not
 * this answer (but one that sends descriptors, which are left to those who can wait); and nothing
 * can come any more once the socket is shut for reading.
 */
static void
refuse_take(struct registry *registry, int fd, uid_t uid)
{
	struct packet *packet = &registry->packet;
	struct packet_header header = {.type = PACKET_LOOKUP, .status = kIOReturnNoResources};
	IOReturn res;

	packet_send(fd, &header, NULL, 0, NULL, 0, false);
	shutdown(fd, SHUT_RD);
	do
		res = packet_receive_plain(fd, packet);
	while (res == kIOReturnSuccess);
	socket_close_foreign(&fd, uid);
}

/* NULL, or the limit that one more connection of this user is past. */
static const char *
past_limit(const struct registry *registry, uid_t uid)
{
	unsigned count = 0;

	if (registry->client_count >= DEXT_LIMIT_REGISTRY_CLIENTS)
		return "DEXT_LIMIT_REGISTRY_CLIENTS";
	for (const struct client *client = registry->clients; client != NULL; client = client->next)
		count += client->who.uid == uid;
	/* A registry that serves its own user only keeps nothing back for others. */
	if (registry->shared && count >= DEXT_LIMIT_REGISTRY_CLIENTS_USER)
		return "DEXT_LIMIT_REGISTRY_CLIENTS_USER";
	return NULL;
}

static void
welcome_take(struct registry *registry, int fd)
{
	struct client *client = NULL;
	const char *limit = NULL;
	struct ucred who;
	socklen_t length = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0) {
		status_from_errno(errno, "SO_PEERCRED");
	} else if ((limit = past_limit(registry, who.uid)) != NULL) {
		log_error("process %d of uid %u was refused: the registry has as many connections "
			  "as %s allows; close some",
			  who.pid, who.uid, limit);
		refuse_take(registry, fd, who.uid);
		return;
	} else {
		client = calloc(1, sizeof(*client));
	}
	if (client == NULL) {
		socket_close_foreign(&fd, CLOSING_NOBODY);
		return;
	}
	client->registry = registry;
	client->who = who;
	client->fd = fd;
	client->pidfd = open_pidfd(fd, who.pid);
	/* Without it the process could open nothing through this connection, ever. */
	if (client->pidfd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
		log_error("process %d was refused: there is no descriptor to know it by (%s)",
			  who.pid, strerror(errno));
		free(client);
		refuse_take(registry, fd, who.uid);
		return;
	}
	client->source.fd = fd;
	client->source.events = EPOLLIN;
	client->source.handler = client_ready;
	client->source.removed = client_removed;
	if (loop_source_add(registry->loop, &client->source) != kIOReturnSuccess) {
		client_removed(&client->source);
		return;
	}
	client->next = registry->clients;
	registry->clients = client;
	registry->client_count++;
}

/*
 * Out of descriptors, the waiting connection is refused by giving it the spare one; left alone it
 * would wake the loop for ever.
 */
static void
refuse(struct registry *registry)
{
	int fd;

	fd_close(&registry->spare_fd);
	fd = accept4(registry->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		log_error("a connection was refused: the registry is out of descriptors; raise "
			  "`ulimit -n`");
	socket_close_foreign(&fd, CLOSING_NOBODY);
	registry->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
listener_ready(struct loop_source *source, uint32_t events)
{
	struct registry *registry =
		(struct registry *)((char *)source - offsetof(struct registry, listener_source));

	log_set_share(&registry->app_lines);
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(registry->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			refuse(registry);
		if (fd < 0)
			break;
		welcome_take(registry, fd);
	}
	log_set_share(NULL);
}

static void
listener_removed(struct loop_source *source)
{
	struct registry *registry =
		(struct registry *)((char *)source - offsetof(struct registry, listener_source));

	registry->listener_watched = false;
}

static IOReturn
bind_to(struct registry *registry, const struct sockaddr_un *address)
{
	registry->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	registry->app_lines.most = DEXT_LIMIT_APP_LINES;
	registry->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (registry->listener < 0)
		return status_from_errno(errno, "socket");
	if (bind(registry->listener, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return status_from_errno(errno, address->sun_path);
	registry->socket_path = strdup(address->sun_path);
	if (registry->socket_path == NULL)
		return kIOReturnNoMemory;
	/* Everybody may look; who may open is the policy's. */
	if (registry->shared && chmod(address->sun_path, 0666) < 0)
		return status_from_errno(errno, address->sun_path);
	return kIOReturnSuccess;
}

IOReturn
server_listen(struct registry *registry)
{
	IOReturn status;

	if (listen(registry->listener, SOMAXCONN) < 0)
		return status_from_errno(errno, "listen");
	registry->listener_source = (struct loop_source){
		.fd = registry->listener,
		.events = EPOLLIN,
		.handler = listener_ready,
		.removed = listener_removed,
	};
	status = loop_source_add(registry->loop, &registry->listener_source);
	registry->listener_watched = status == kIOReturnSuccess;
	return status;
}

IOReturn
server_start(struct registry *registry, char error[REGISTRY_ERROR_MAX])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s",
			      registry->runtime_dir, REGISTRY_SOCKET_NAME);
	IOReturn status;

	if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
		snprintf(
			error, REGISTRY_ERROR_MAX,
			"the runtime directory's path is too long for a socket (%zu bytes): %.200s",
			sizeof(address.sun_path), registry->runtime_dir);
		return kIOReturnBadArgument;
	}
	status = bind_to(registry, &address);
	if (status != kIOReturnSuccess) {
		snprintf(error, REGISTRY_ERROR_MAX, "%s: cannot listen there: %s", address.sun_path,
			 status_string(status));
		fd_close(&registry->listener);
	}
	return status;
}

void
server_stop(struct registry *registry)
{
	while (registry->clients != NULL)
		drop(registry->clients);
	if (registry->listener_watched)
		loop_source_remove(registry->loop, &registry->listener_source);
	fd_close(&registry->listener);
	fd_close(&registry->spare_fd);
	if (registry->socket_path != NULL)
		unlink(registry->socket_path);
	free(registry->socket_path);
	registry->socket_path = NULL;
}
