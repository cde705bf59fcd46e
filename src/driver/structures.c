/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an app sends on its connection's socket: the memory of large structures, which is filed by
 * slot until the call that it belongs to is prepared, and acknowledgements.
 *
 * Packets are received and filed under socket_lock, so whoever does not find the structures of a
 * call, and has emptied the socket under that lock, knows that they were never sent.
 */
#include "connection.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "bound_settings.h"
#include "closing.h"
#include "descriptor.h"
#include "log.h"
#include "record_client.h"

static void
clear(struct structures *structures)
{
	fd_close_foreign(&structures->input, CLOSING_NOBODY);
	fd_close_foreign(&structures->output, CLOSING_NOBODY);
	structures->present = false;
	structures->lost = false;
	structures->foreign = false;
}

/* Only memory is kept: what is something else may take its time to close, and is the packet's to.
 */
static void
take_memory(struct packet *packet, unsigned index, struct structures *place, int *ret_fd)
{
	if (fcntl(packet->fds[index], F_GET_SEALS) >= 0)
		*ret_fd = packet_take_fd(packet, index);
	else
		place->foreign = true;
}

/* [socket_lock] */
static const char *
file_locked(struct connection *c, struct packet *packet, bool lost)
{
	struct structures_body body;
	struct structures *place;
	unsigned next = 0;

	memcpy(&body, packet->body, sizeof(body));
	place = &c->structures[body.slot];
	if (place->present)
		return "STRUCTURES: at most one for each slot is under way";
	place->body = body;
	place->present = true;
	place->lost = lost;
	if (lost)
		return NULL;
	if (body.flags & STRUCTURES_INPUT)
		take_memory(packet, next++, place, &place->input);
	if (body.flags & STRUCTURES_OUTPUT)
		take_memory(packet, next++, place, &place->output);
	return NULL;
}

/*
 * One packet. kIOReturnNotReady: there is none. *ret_ready: a map call whose MEMORY may be sent
 * now. [socket_lock]
 */
static IOReturn
receive_locked(struct connection *c, struct packet *packet, const char **ret_rule,
	       struct call **ret_ready)
{
	IOReturn res;
	bool lost;

	if (!closing_has_room(c->who.uid)) {
		*ret_rule = "what its user has sent can be closed (DEXT_LIMIT_CLOSING_USER)";
		return kIOReturnIPCError;
	}
	packet->owner = c->who.uid;
	res = packet_receive(c->socket, packet, false);
	lost = res == kIOReturnNoResources;
	if (res == kIOReturnIPCError)
		*ret_rule = "its packets are what PROTOCOL.md says";
	if (res != kIOReturnSuccess && !lost)
		return res;
	if (packets_check(packet, PACKET_FROM_APP) != kIOReturnSuccess)
		*ret_rule = "its packets are what PROTOCOL.md says";
	else if (packet->header->type == PACKET_STRUCTURES)
		*ret_rule = file_locked(c, packet, lost);
	else if (packet->header->type == PACKET_CLIENT_MEMORY)
		*ret_rule = client_memory_file_locked(c, packet, lost);
	else if (!maps_acknowledged_locked(c, packet->header->sequence, ret_ready))
		*ret_rule = "ACK: the sequence is that of the unacknowledged MEMORY";
	packet_close_fds(packet);
	return *ret_rule == NULL ? kIOReturnSuccess : kIOReturnIPCError;
}

/* Until the socket is empty. Sends what waited for an acknowledgement, without the lock. */
static const char *
empty(struct connection *c, bool *ret_closed)
{
	struct packet *packet = malloc(sizeof(*packet));
	const char *rule = NULL;
	IOReturn res;

	if (packet == NULL)
		return "no memory to read its packets";
	do {
		struct call *ready = NULL;

		pthread_mutex_lock(&c->socket_lock);
		res = c->socket < 0 ? kIOReturnOffline : receive_locked(c, packet, &rule, &ready);
		pthread_mutex_unlock(&c->socket_lock);
		if (ready != NULL)
			maps_send(ready);
	} while (res == kIOReturnSuccess);
	free(packet);
	*ret_closed = res == kIOReturnOffline;
	return rule;
}

const char *
structures_receive(struct connection *c, bool *ret_closed)
{
	return empty(c, ret_closed);
}

/* Moves what was filed for the slot out. [socket_lock] */
static bool
find_locked(struct connection *c, uint32_t slot, struct structures *ret_found)
{
	struct structures *place = &c->structures[slot];

	if (!place->present)
		return false;
	*ret_found = *place;
	*place = (struct structures){.input = -1, .output = -1};
	return true;
}

static bool
find(struct connection *c, uint32_t slot, struct structures *ret_found)
{
	bool found;

	pthread_mutex_lock(&c->socket_lock);
	found = find_locked(c, slot, ret_found);
	pthread_mutex_unlock(&c->socket_lock);
	return found;
}

static uint32_t
wanted(const struct call_request *request)
{
	return (request->flags & CALL_LARGE_INPUT ? STRUCTURES_INPUT : 0) |
	       (request->flags & CALL_LARGE_OUTPUT ? STRUCTURES_OUTPUT : 0);
}

/* Until the driver has nothing left of it, which may be after the connection's end. */
static bool
charge(struct connection *c, uint64_t size)
{
	bool room;

	pthread_mutex_lock(&c->lock);
	room = size <= limit_of(LIMIT_PEER_BYTES) - c->peer_bytes;
	if (room)
		c->peer_bytes += size;
	if (room && recorder_is_on())
		record_kept_locked(c);
	pthread_mutex_unlock(&c->lock);
	if (room)
		connection_retain(c);
	return room;
}

static void
discharge(void *context, uint64_t size)
{
	struct connection *c = context;

	pthread_mutex_lock(&c->lock);
	c->peer_bytes -= size;
	if (recorder_is_on())
		record_kept_locked(c);
	pthread_mutex_unlock(&c->lock);
	connection_release(c);
}

IOReturn
structures_adopt_take(struct connection *c, int fd, uint64_t offset, uint64_t size,
		      uint64_t direction, IOMemoryDescriptor **ret_memory)
{
	IOReturn res;

	if (!charge(c, size)) {
		log_error("process %d: the structures of its calls, and those that the driver has "
			  "kept, have more bytes than they may: %s",
			  c->who.pid, limit_named(LIMIT_PEER_BYTES));
		fd_close(&fd);
		return kIOReturnNoResources;
	}
	res = memory_create_from_peer_take(fd, offset, size, direction, ret_memory);
	if (res == kIOReturnSuccess)
		memory_when_gone(*ret_memory, discharge, c);
	else
		discharge(c, size);
	return res;
}

/* Descriptors of the app's memory; those that could not be made are an error of the call. */
static IOReturn
make(struct call *call, struct structures *found, IOReturn res)
{
	const struct call_request *request = &call->request;

	if (res == kIOReturnSuccess && found->lost)
		res = kIOReturnNoResources;
	if (res == kIOReturnSuccess && found->foreign) {
		log_error(
			"process %d: memory refused: not a memfd that is sealed against shrinking",
			call->connection->who.pid);
		res = kIOReturnBadArgument;
	}
	if (res == kIOReturnSuccess && found->input >= 0) {
		res = structures_adopt_take(call->connection, found->input,
					    found->body.input_offset, request->structure_in_size,
					    kIOMemoryDirectionOut, &call->input);
		found->input = -1;
	}
	if (res == kIOReturnSuccess && found->output >= 0) {
		res = structures_adopt_take(call->connection, found->output,
					    found->body.output_offset, request->structure_out_size,
					    kIOMemoryDirectionIn, &call->output);
		found->output = -1;
	}
	clear(found);
	return res;
}

IOReturn
structures_take(struct call *call, IOReturn status, const char **ret_rule)
{
	struct connection *c = call->connection;
	struct structures found;
	bool closed;

	*ret_rule = NULL;
	if (!find(c, call->slot, &found)) {
		*ret_rule = structures_receive(c, &closed);
		if (*ret_rule == NULL && !find(c, call->slot, &found))
			*ret_rule = "a large structure is sent before its call";
		if (*ret_rule != NULL)
			return kIOReturnIPCError;
	}
	if (found.body.generation != call->generation ||
	    found.body.flags != wanted(&call->request)) {
		clear(&found);
		*ret_rule = "STRUCTURES are those of the slot's next call";
		return kIOReturnIPCError;
	}
	return make(call, &found, status);
}

void
structures_free(struct connection *c)
{
	for (uint32_t i = 0; i < CALL_PAGE_SLOTS; i++)
		clear(&c->structures[i]);
	client_memory_free(c);
}
