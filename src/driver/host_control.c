/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's control socket. One thread at a time reads it; any thread writes to it, under the
 * lock. The registry is trusted to be alive and to read, so writing may wait; what it sends is
 * checked all the same.
 *
 * Nothing is published before STARTED was sent.
 */
#include "host_control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "log.h"
#include "packets.h"
#include "plist.h"
#include "recorder.h"
#include "set_properties.h"
#include "status.h"

static struct {
	int socket;	   /* [const] while the loop runs */
	struct loop *loop; /* [const] */
	struct loop_source source;
	pthread_mutex_t lock;
	uint32_t start_sequence; /* [const] */
	bool started;		 /* [lock] STARTED was sent, with success; both in one step */
	_Atomic bool lost;	 /* something was not sent */
} control = {.socket = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

void
control_open_take(int socket)
{
	control.socket = socket;
}

static bool
may_publish(void)
{
	bool started;

	pthread_mutex_lock(&control.lock);
	started = control.started;
	pthread_mutex_unlock(&control.lock);
	return started;
}

/*
 * What the registry was not told it would never know: the host ends as after a crash and is started
 * again. By the socket's end, since whoever calls this may hold a lock.
 */
static void
lose(IOReturn res)
{
	log_error("the registry cannot be told: %s; the host ends", status_string(res));
	control.lost = true;
	shutdown(control.socket, SHUT_RDWR);
}

static void
send_locked(struct packet_header *header, const void *body, size_t length)
{
	IOReturn res = packet_send(control.socket, header, body, length, NULL, 0, true);

	if (res == kIOReturnOffline)
		log_info("the registry was not told: %s", status_string(res));
	else if (res != kIOReturnSuccess)
		lose(res);
}

static void
tell(struct packet_header *header, const void *body, size_t length)
{
	pthread_mutex_lock(&control.lock);
	send_locked(header, body, length);
	pthread_mutex_unlock(&control.lock);
}

static void
publish(uint64_t id, uint64_t provider, OSDictionary *properties)
{
	struct packet_header header = {.type = PACKET_HOST_PUBLISH};
	struct publish_body body = {.id = id, .provider = provider};
	void *bytes = NULL, *message;
	size_t length = 0;
	IOReturn res;

	if (!may_publish())
		return;
	res = plist_encode(properties, &bytes, &length);
	if (res == kIOReturnNoMemory) {
		lose(res);
		return;
	}
	if (res != kIOReturnSuccess || length > PUBLISHED_MAX) {
		log_error("a service, or a change of it, is not published: its properties %s",
			  res != kIOReturnSuccess ? "are no property list" : "are over 56 KiB");
		free(bytes);
		return;
	}
	message = malloc(sizeof(body) + length);
	if (message != NULL) {
		memcpy(message, &body, sizeof(body));
		memcpy((char *)message + sizeof(body), bytes, length);
		tell(&header, message, sizeof(body) + length);
	} else {
		lose(kIOReturnNoMemory);
	}
	free(message);
	free(bytes);
}

static void
unpublish(uint64_t id)
{
	struct packet_header header = {.type = PACKET_HOST_UNPUBLISH};
	struct id_body body = {.id = id};

	if (may_publish())
		tell(&header, &body, sizeof(body));
}

/*
 * A registry that was started again takes nothing before LISTING for news, but for GONE. So whether
 * STARTED was sent before it is decided under the lock under which that is sent.
 */
static void
list(bool begins)
{
	struct packet_header header = {.type = PACKET_HOST_LISTING};
	struct listing_body body = {.flags = host_is_gone() ? LISTING_GONE : 0};

	if (!begins) {
		header.type = PACKET_HOST_LISTED;
		tell(&header, NULL, 0);
		return;
	}
	pthread_mutex_lock(&control.lock);
	if (control.started)
		body.flags |= LISTING_STARTED;
	send_locked(&header, &body, sizeof(body));
	pthread_mutex_unlock(&control.lock);
}

const struct services_publisher control_publisher = {
	.publish = publish,
	.unpublish = unpublish,
	.list = list,
};

void
control_send_started(IOReturn status)
{
	struct packet_header header = {
		.type = PACKET_HOST_STARTED,
		.sequence = control.start_sequence,
		.status = status,
	};

	pthread_mutex_lock(&control.lock);
	send_locked(&header, NULL, 0);
	control.started = status == kIOReturnSuccess;
	pthread_mutex_unlock(&control.lock);
	if (status == kIOReturnSuccess)
		services_publish_all();
}

void
control_send_gone(void)
{
	struct packet_header header = {.type = PACKET_HOST_GONE};

	tell(&header, NULL, 0);
}

void
control_send_properties_set(uint64_t number, IOReturn status)
{
	struct packet_header header = {.type = PACKET_HOST_PROPERTIES_SET, .status = status};
	struct properties_set_body body = {.number = number};

	tell(&header, &body, sizeof(body));
}

static void
set(const struct packet *packet)
{
	struct set_properties_body body;

	memcpy(&body, packet->body, sizeof(body));
	set_properties_post(body.id, body.number, packet->body + sizeof(body),
			    packet->body_length - sizeof(body));
}

IOReturn
control_receive_start(OSDictionary **ret_start, struct fd_list *ret_files)
{
	struct packet *packet = malloc(sizeof(*packet));
	OSObject *decoded = NULL;
	IOReturn res;

	if (packet == NULL)
		return kIOReturnNoMemory;
	res = packet_receive(control.socket, packet, true);
	if (res == kIOReturnSuccess)
		res = packets_check(packet, PACKET_TO_HOST);
	else if (res != kIOReturnNoResources)
		goto out;
	if (res == kIOReturnSuccess && packet->header->type == PACKET_HOST_LIST) {
		log_error("control socket: the registry that made this host has ended without a "
			  "START");
		res = kIOReturnOffline;
	}
	if (res == kIOReturnSuccess && packet->header->type != PACKET_HOST_START) {
		log_error("control socket: the first packet is START");
		res = kIOReturnIPCError;
	}
	if (res == kIOReturnSuccess)
		res = plist_decode(packet->body, packet->body_length, &decoded);
	if (res == kIOReturnSuccess && OSDynamicCast(OSDictionary, decoded) == NULL) {
		log_error("START: a dictionary was expected");
		OSRelease(decoded);
		res = kIOReturnIPCError;
	}
	if (res == kIOReturnSuccess) {
		control.start_sequence = packet->header->sequence;
		*ret_start = (OSDictionary *)decoded;
		ret_files->count = packet->fd_count;
		for (unsigned i = 0; i < packet->fd_count; i++)
			ret_files->fds[i] = packet_take_fd(packet, i);
	}
	packet_close_fds(packet);
out:
	free(packet);
	return res;
}

static void
open_service(struct packet *packet)
{
	struct host_open_body body;
	IOService *service;
	int socket, pidfd;

	memcpy(&body, packet->body, sizeof(body));
	socket = packet_take_fd(packet, 0);
	pidfd = packet_take_fd(packet, 1);
	service = services_copy(body.id);
	if (service != NULL && body.version == PROTOCOL_VERSION) {
		connection_open_take(control.loop, service, socket, pidfd, &body);
	} else {
		fd_close(&pidfd);
		connection_refuse_take(socket, body.uid,
				       service == NULL ? kIOReturnNotFound : kIOReturnUnsupported);
	}
	OSRelease(service);
}

static void
serve_reader(struct packet *packet)
{
	struct host_trace_body body;

	memcpy(&body, packet->body, sizeof(body));
	recorder_serve_take(control.loop, packet_take_fd(packet, 0), &body);
}

/* False: the registry has gone, or what it says is not the protocol. */
static bool
handle(struct packet *packet, IOReturn res)
{
	if (res == kIOReturnNoResources) {
		log_error("an open is lost: this process is out of descriptors");
		return true;
	}
	if (res != kIOReturnSuccess || packets_check(packet, PACKET_TO_HOST) != kIOReturnSuccess)
		return false;
	if (packet->header->type == PACKET_HOST_OPEN) {
		open_service(packet);
		return true;
	}
	if (packet->header->type == PACKET_HOST_TRACE) {
		serve_reader(packet);
		return true;
	}
	if (packet->header->type == PACKET_HOST_STOP) {
		host_stop();
		return true;
	}
	if (packet->header->type == PACKET_HOST_SET_PROPERTIES) {
		set(packet);
		return true;
	}
	if (packet->header->type == PACKET_HOST_UNPLUG) {
		host_unplug();
		return true;
	}
	if (packet->header->type == PACKET_HOST_LIST) {
		services_list();
		return true;
	}
	log_error("control socket: START comes once");
	return false;
}

static void
on_packet(struct loop_source *source, uint32_t events)
{
	struct packet *packet = malloc(sizeof(*packet));
	IOReturn res = kIOReturnNoMemory;
	bool go_on = packet != NULL;

	while (go_on) {
		res = packet_receive(control.socket, packet, false);
		if (res == kIOReturnNotReady)
			break;
		go_on = handle(packet, res);
		if (res == kIOReturnSuccess || res == kIOReturnNoResources)
			packet_close_fds(packet);
	}
	free(packet);
	if (go_on)
		return;
	loop_source_remove(control.loop, source);
	/* The registry has ended, or has broken the protocol. */
	if ((res == kIOReturnOffline && !control.lost) || res == kIOReturnSuccess) {
		host_stop();
		return;
	}
	if (!control.lost)
		log_error("control socket: %s; the host ends", status_string(res));
	host_fail();
}

IOReturn
control_listen(struct loop *loop)
{
	control.loop = loop;
	control.source = (struct loop_source){
		.fd = control.socket,
		.events = EPOLLIN | EPOLLRDHUP,
		.handler = on_packet,
	};
	return loop_source_add(loop, &control.source);
}

void
control_close(void)
{
	fd_close(&control.socket);
	control.started = false;
	control.lost = false;
}
