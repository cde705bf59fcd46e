/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket for all requests of this process, one request at a time: look-ups and opens are rare,
 * and each is answered by the registry alone without waiting for a driver.
 *
 * A registry that is being restarted has a socket that nobody listens on, or none: the request is
 * tried again for RESTART_WAIT, but only if there is reason to believe that one will come, namely a
 * socket in the file system or an earlier connection. A request that was sent and not answered is
 * sent again: look-ups change nothing, and an open whose reply is lost leaves a socket whose other
 * end is closed, which the host takes for an app that has gone.
 */
#include "registry.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fork.h"
#include "log.h"
#include "packets.h"
#include "plist.h"
#include "runtime.h"
#include "status.h"
#include "uncancelled.h"

#define RESTART_WAIT (5 * NSEC_PER_SEC)
#define RETRY_MSEC   20

static struct {
	pthread_mutex_t lock;
	int socket;	      /* [lock] -1: none */
	bool was_connected;   /* [lock] */
	uint32_t sequence;    /* [lock] of the last request */
	struct packet packet; /* [lock] the last reply */
} session = {.lock = PTHREAD_MUTEX_INITIALIZER, .socket = -1};

struct request {
	uint16_t type;
	const void *body;
	size_t length;
};

static IOReturn
connect_locked(void)
{
	IOReturn status;

	if (session.socket >= 0)
		return kIOReturnSuccess;
	fork_watch();
	status = runtime_connect(true, &session.socket);
	if (status == kIOReturnNotFound && session.was_connected)
		status = kIOReturnNotReady;
	if (status == kIOReturnSuccess)
		session.was_connected = true;
	return status;
}

/* PROTOCOL.md 4: the registry has no room for this socket. */
static bool
is_refusal(const struct packet *packet)
{
	return packet->header->sequence == 0 && packet->header->status != kIOReturnSuccess;
}

static IOReturn
exchange_locked(const struct request *request)
{
	struct packet_header header = {.type = request->type};
	struct packet *packet = &session.packet;
	IOReturn status;

	/* 0 is of no request, see is_refusal. */
	if (++session.sequence == 0)
		session.sequence = 1;
	header.sequence = session.sequence;
	status =
		packet_send(session.socket, &header, request->body, request->length, NULL, 0, true);
	/* A registry that refuses the socket does not read it, but has said why. */
	if (status != kIOReturnSuccess && status != kIOReturnOffline)
		return status;
	status = packet_receive(session.socket, packet, true);
	if (status != kIOReturnSuccess) {
		packet_close_fds(packet);
		return status;
	}
	status = packets_check(packet, PACKET_REGISTRY_REPLY);
	if (status == kIOReturnSuccess && is_refusal(packet)) {
		packet_close_fds(packet);
		return packet->header->status;
	}
	if (status == kIOReturnSuccess && (packet->header->type != request->type ||
					   packet->header->sequence != session.sequence)) {
		log_error("the registry answered request %u of type 0x%x with %u of type 0x%x",
			  session.sequence, request->type, packet->header->sequence,
			  packet->header->type);
		status = kIOReturnIPCError;
	}
	if (status != kIOReturnSuccess)
		packet_close_fds(packet);
	return status;
}

/*
 * Sends the request and leaves the reply, of whatever status, in session.packet, descriptors
 * included.
 */
static IOReturn
request_locked(const struct request *request)
{
	uint64_t deadline = clock_now() + RESTART_WAIT;
	IOReturn status;

	for (;;) {
		status = connect_locked();
		if (status == kIOReturnSuccess) {
			status = exchange_locked(request);
			if (status == kIOReturnSuccess)
				return session.packet.header->status;
			fd_close(&session.socket);
			if (status == kIOReturnNoResources)
				break;
			if (status != kIOReturnOffline)
				return status;
		} else if (status != kIOReturnNotReady) {
			break;
		}
		if (clock_now() >= deadline) {
			status = kIOReturnNotReady;
			break;
		}
		poll(NULL, 0, RETRY_MSEC);
	}
	return registry_unreachable(status);
}

IOReturn
registry_unreachable(IOReturn status)
{
	if (status == kIOReturnNoResources) {
		log_error("the registry has too many connections (DEXT_LIMIT_REGISTRY_CLIENTS)");
		return status;
	}
	if (status == kIOReturnNotFound) {
		log_error("no registry is running here: start dextd, or `dext run BUNDLE` and set "
			  "OPENDEXT_RUNTIME_DIR as it says");
		return kIOReturnNotReady;
	}
	log_error("the registry cannot be reached: %s", status_string(status));
	return status;
}

IOReturn
registry_lookup(OSDictionary *matching, uint64_t *ret_id)
{
	UNCANCELLED;
	struct request request = {.type = PACKET_LOOKUP};
	void *bytes = NULL;
	IOReturn status;

	status = plist_encode(matching, &bytes, &request.length);
	if (status != kIOReturnSuccess)
		return status;
	request.body = bytes;
	pthread_mutex_lock(&session.lock);
	status = request_locked(&request);
	if (status == kIOReturnSuccess) {
		if (session.packet.body_length >= sizeof(*ret_id))
			memcpy(ret_id, session.packet.body, sizeof(*ret_id));
		else
			status = kIOReturnNotFound;
	}
	pthread_mutex_unlock(&session.lock);
	free(bytes);
	return status;
}

/* The reply is a list of ids. */
static IOReturn
request_ids(const struct request *request, uint64_t **ret_ids, size_t *ret_count)
{
	UNCANCELLED;
	uint64_t *ids = NULL;
	size_t length = 0;
	IOReturn status;

	pthread_mutex_lock(&session.lock);
	status = request_locked(request);
	if (status == kIOReturnSuccess)
		length = session.packet.body_length;
	if (length > 0) {
		ids = malloc(length);
		if (ids != NULL)
			memcpy(ids, session.packet.body, length);
		else
			status = kIOReturnNoMemory;
	}
	pthread_mutex_unlock(&session.lock);
	if (status != kIOReturnSuccess)
		return status;
	*ret_ids = ids;
	*ret_count = length / sizeof(*ids);
	return kIOReturnSuccess;
}

IOReturn
registry_lookup_all(OSDictionary *matching, uint64_t **ret_ids, size_t *ret_count)
{
	struct request request = {.type = PACKET_LOOKUP};
	void *bytes = NULL;
	IOReturn status = plist_encode(matching, &bytes, &request.length);

	if (status != kIOReturnSuccess)
		return status;
	request.body = bytes;
	status = request_ids(&request, ret_ids, ret_count);
	free(bytes);
	return status;
}

IOReturn
registry_entries(uint64_t id, enum plane plane, enum entry_relation relation, uint64_t **ret_ids,
		 size_t *ret_count)
{
	const struct entries_body body = {.id = id, .plane = plane, .relation = relation};
	const struct request request = {PACKET_ENTRIES, &body, sizeof(body)};

	return request_ids(&request, ret_ids, ret_count);
}

/* The reply is a dictionary. */
static IOReturn
request_dictionary(const struct request *request, OSDictionary **ret_dictionary)
{
	UNCANCELLED;
	OSDictionary *dictionary;
	OSObject *object = NULL;
	IOReturn status;

	pthread_mutex_lock(&session.lock);
	status = request_locked(request);
	if (status == kIOReturnSuccess)
		status = plist_decode(session.packet.body, session.packet.body_length, &object);
	pthread_mutex_unlock(&session.lock);
	/* Not an argument of the app's. */
	if (object == NULL && status == kIOReturnBadArgument)
		status = kIOReturnIPCError;
	if (status != kIOReturnSuccess)
		return status;
	dictionary = OSDynamicCast(OSDictionary, object);
	if (dictionary == NULL) {
		log_error("the registry answered with a property list that is no dictionary");
		OSRelease(object);
		return kIOReturnIPCError;
	}
	*ret_dictionary = dictionary;
	return kIOReturnSuccess;
}

IOReturn
registry_copy_properties(uint64_t id, OSDictionary **ret_properties)
{
	const struct id_body body = {.id = id};
	const struct request request = {PACKET_PROPERTIES, &body, sizeof(body)};

	return request_dictionary(&request, ret_properties);
}

IOReturn
registry_describe(uint64_t id, enum plane plane, OSDictionary **ret_description)
{
	const struct describe_body body = {.id = id, .plane = plane};
	const struct request request = {PACKET_DESCRIBE, &body, sizeof(body)};

	return request_dictionary(&request, ret_description);
}

IOReturn
registry_open(uint64_t id, uint32_t type, int *ret_socket)
{
	UNCANCELLED;
	const struct open_body body = {.id = id, .type = type, .version = PROTOCOL_VERSION};
	const struct request request = {PACKET_OPEN, &body, sizeof(body)};
	IOReturn status;

	pthread_mutex_lock(&session.lock);
	status = request_locked(&request);
	if (status == kIOReturnSuccess)
		*ret_socket = packet_take_fd(&session.packet, 0);
	pthread_mutex_unlock(&session.lock);
	return status;
}

void
registry_fork_child(void)
{
	/* The thread that may have held the lock is not in this process. */
	pthread_mutex_init(&session.lock, NULL);
	fd_close(&session.socket);
}
