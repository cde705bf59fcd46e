/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host answers a map call with MEMORY on the socket, then in the slot. Each segment is checked
 * (a device's file of fixed size, or sealed against shrinking; then long enough) before it is
 * mapped. All segments go into one reserved range of addresses, one after the other, so that a
 * failure in the middle leaves nothing behind and a fixed address never replaces somebody's
 * mapping.
 */
#include "handed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "connection_private.h"
#include "device_memory.h"
#include "log.h"
#include "memfd.h"
#include "packets.h"
#include "status.h"

#define MEMORY_WAIT_MSEC 1000

/* --- what the host sends --- */

/* PROTOCOL.md 2.2, CALL_MAP: NULL, or the rule that the packet breaks. */
static const char *
broken_rule(const struct packet *packet, const struct memory_body *body,
	    const struct call_request *request, unsigned slot)
{
	if (packet->header->type != PACKET_MEMORY)
		return "the packet before the answer to a map call is MEMORY";
	if (body->slot != slot || body->generation != request->generation)
		return "MEMORY is for the map call that is waiting";
	if (body->segment_count == 0 || body->segment_count > SEGMENTS_MAX ||
	    packet->body_length != sizeof(*body) + (size_t)body->segment_count *
							   sizeof(struct memory_segment_body))
		return "MEMORY has 1 to 32 segments and as many in its body";
	return NULL;
}

/* PROTOCOL.md 2.2: whole pages but for the end of the last, whole-page offsets. */
static const char *
take_segments(const struct packet *packet, struct handed *memory)
{
	uint64_t mask = page_size() - 1, total = 0;

	for (uint32_t i = 0; i < memory->count; i++) {
		struct memory_segment_body body;

		memcpy(&body, packet->body + sizeof(struct memory_body) + i * sizeof(body),
		       sizeof(body));
		if (body.length == 0 || (body.offset & mask) != 0 ||
		    ((body.length & mask) != 0 && i + 1 < memory->count))
			return "segments are whole pages";
		if (body.length > INT64_MAX - mask ||
		    body.offset > INT64_MAX - body.length - mask ||
		    total > INT64_MAX - body.length - mask)
			return "segments are of possible size";
		total += body.length;
		memory->segments[i] = (struct segment){
			.fd = i < packet->fd_count ? packet->fds[i] : -1,
			.offset = body.offset,
			.length = body.length,
		};
	}
	if (total != memory->length)
		return "the segments are as long as the memory";
	return NULL;
}

/* The packet is sent before the answer, so it is there or the host is wrong, or just ending. */
static IOReturn
receive_memory(struct connection *connection)
{
	struct pollfd item = {.fd = connection->socket, .events = POLLIN};
	IOReturn status = packet_receive(connection->socket, connection->packet, false);

	if (status == kIOReturnNotReady) {
		while (poll(&item, 1, MEMORY_WAIT_MSEC) < 0 && errno == EINTR)
			;
		status = packet_receive(connection->socket, connection->packet, false);
	}
	if (status == kIOReturnOffline) {
		connection_check(connection);
		return status;
	}
	if (status == kIOReturnNotReady)
		return connection_break(connection, "MEMORY comes before the answer to a map call");
	return status;
}

/*
 * So that the host can send the next one. In the call page, where that wakes nobody: no other map
 * call of this connection is under way that would wait for it. An older host waits for a packet, so
 * its socket has room; not waiting for that, under the lock that a close needs, however many it has
 * left unread.
 */
static IOReturn
acknowledge(struct connection *connection)
{
	struct call_page *page = connection->client.page;
	struct packet_header header = {
		.type = PACKET_ACK,
		.sequence = connection->packet->header->sequence,
	};
	IOReturn status;

	if (page->received.is_ack != 0) {
		/* Pairs with the load in the host's is_unacknowledged_locked. */
		atomic_store_explicit(&page->received.sequence, header.sequence,
				      memory_order_release);
		return kIOReturnSuccess;
	}
	status = packet_send(connection->socket, &header, NULL, 0, NULL, 0, false);
	if (status == kIOReturnBusy)
		return connection_break(connection, "the ACK of each MEMORY is read");
	if (status != kIOReturnSuccess)
		connection_check(connection);
	return kIOReturnSuccess;
}

IOReturn
handed_receive(struct connection *connection, const struct call_request *request, unsigned slot,
	       const struct call_reply *reply, struct handed *memory)
{
	struct packet *packet = connection->packet;
	IOReturn status = receive_memory(connection);
	struct memory_body body;
	const char *rule;

	if (status != kIOReturnSuccess && status != kIOReturnNoResources) {
		if (status == kIOReturnIPCError)
			connection_break(connection, "packets are well-formed");
		return status;
	}
	if (packets_check(packet, PACKET_FROM_HOST) != kIOReturnSuccess)
		return connection_break(connection, "packets are of the protocol");
	memcpy(&body, packet->body, sizeof(body));
	rule = broken_rule(packet, &body, request, slot);
	if (rule == NULL) {
		memory->count = body.segment_count;
		memory->length = reply->map_length;
		memory->queue = reply->flags & CALL_QUEUE_ALL;
		memory->read_only = reply->map_read_only != 0;
		rule = take_segments(packet, memory);
	}
	if (rule != NULL)
		return connection_break(connection, rule);
	if (acknowledge(connection) != kIOReturnSuccess)
		return kIOReturnIPCError;
	if (status == kIOReturnSuccess && packet->fd_count != memory->count)
		return connection_break(connection, "MEMORY has a descriptor for each segment");
	return status;
}

/* --- what is checked before it is mapped --- */

/* Sealed against shrinking, then long enough; and which file it is. */
static IOReturn
check_file(int fd, uint64_t length, bool *ret_device, struct stat *ret_about)
{
	int seals = fcntl(fd, F_GET_SEALS);
	IOReturn status;

	*ret_device = seals < 0 && device_file_is(fd);
	if (!*ret_device)
		return memfd_check_peer_file(fd, seals, length, ret_about);
	status = device_file_check(fd, length);
	if (status == kIOReturnSuccess && fstat(fd, ret_about) < 0)
		status = status_from_errno(errno, "fstat");
	return status;
}

IOReturn
handed_check(struct handed *memory)
{
	for (uint32_t i = 0; i < memory->count; i++) {
		struct segment *segment = &memory->segments[i];
		uint64_t end = segment->offset + segment->length;
		struct stat about;
		bool device;
		IOReturn status = check_file(segment->fd, end, &device, &about);

		memory->device |= device;
		if (status != kIOReturnSuccess)
			return status;
		segment->device = about.st_dev;
		segment->inode = about.st_ino;
	}
	return kIOReturnSuccess;
}

/* --- mapping --- */

/* Addresses for the whole, at `fixed` if that is not NULL and nothing is there. */
static IOReturn
reserve(void *fixed, uint64_t length, void **ret_address)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *address;

	address = mmap(fixed, length, PROT_NONE, flags | (fixed != NULL ? MAP_FIXED_NOREPLACE : 0),
		       -1, 0);
	if (address == MAP_FAILED) {
		if (errno == EEXIST)
			log_error("IOConnectMapMemory64: something is mapped at %p already", fixed);
		return status_from_errno(errno, "reserving addresses");
	}
	/* A kernel that does not know NOREPLACE takes the address as a hint. */
	if (fixed != NULL && address != fixed) {
		munmap(address, length);
		log_error("IOConnectMapMemory64: something is mapped at %p already", fixed);
		return kIOReturnNoSpace;
	}
	*ret_address = address;
	return kIOReturnSuccess;
}

/* One segment, wherever there is room. */
static IOReturn
map_anywhere(const struct segment *segment, int protection, void **ret_address)
{
	void *address = mmap(NULL, page_round_up(segment->length), protection, MAP_SHARED,
			     segment->fd, (off_t)segment->offset);

	if (address == MAP_FAILED)
		return status_from_errno(errno, "mmap of the driver's memory");
	*ret_address = address;
	return kIOReturnSuccess;
}

IOReturn
handed_map(const struct handed *memory, bool read_only, void *fixed, void **ret_address)
{
	int protection = PROT_READ | (read_only ? 0 : PROT_WRITE);
	uint64_t rounded = page_round_up(memory->length), at = 0;
	void *address = NULL;
	IOReturn status;

	if (!is_addressable((uintptr_t)fixed, rounded)) {
		log_error("IOConnectMapMemory64: %llu bytes at %p: a process of 32 bits has no "
			  "such addresses",
			  (unsigned long long)rounded, fixed);
		return kIOReturnNoSpace;
	}
	if (memory->count == 1 && fixed == NULL)
		return map_anywhere(&memory->segments[0], protection, ret_address);
	status = reserve(fixed, rounded, &address);
	if (status != kIOReturnSuccess)
		return status;
	for (uint32_t i = 0; i < memory->count; i++) {
		const struct segment *segment = &memory->segments[i];

		if (mmap((char *)address + at, page_round_up(segment->length), protection,
			 MAP_SHARED | MAP_FIXED, segment->fd,
			 (off_t)segment->offset) == MAP_FAILED) {
			status = status_from_errno(errno, "mmap of the driver's memory");
			munmap(address, rounded);
			return status;
		}
		at += segment->length;
	}
	*ret_address = address;
	return kIOReturnSuccess;
}
