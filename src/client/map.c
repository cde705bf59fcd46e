/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOConnectMapMemory64 and IOConnectUnmapMemory64.
 *
 * The host answers a map call with MEMORY on the socket, then in the slot. Each segment is checked
 * (a device's file of fixed size, or sealed against shrinking; then long enough) before it is
 * mapped, and its descriptor is closed right after. All segments go into one reserved range of
 * addresses, one after the other, so that a failure in the middle leaves nothing behind and a fixed
 * address never replaces somebody's mapping.
 *
 * map_lock is held over the whole of a map or unmap call: map calls of one connection take turns,
 * so the MEMORY on the socket is always for the caller that reads it.
 *
 * Mapping a type again with kIOMapAnywhere gives the same address if the driver names the same
 * memory: the files are compared, since a driver may have other memory behind the type by now. The
 * host counts a type once, so it is told when the last mapping of the type goes.
 */
#include "map.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "clock.h"
#include "connection_private.h"
#include "device_memory.h"
#include "errno_kept.h"
#include "log.h"
#include "memfd.h"
#include "names.h"
#include "object_table.h"
#include "packets.h"
#include "queues.h"
#include "slots.h"
#include "status.h"
#include "uncancelled.h"

#include <IOKit/IOKitLib.h>

#define SEGMENTS_MAX	 32u
#define MEMORY_WAIT_MSEC 1000

/* What a segment is, whatever descriptor it came with. */
struct segment {
	int fd; /* while it is being mapped */
	dev_t device;
	ino_t inode;
	uint64_t offset;
	uint64_t length;
};

struct memory {
	struct segment segments[SEGMENTS_MAX];
	uint32_t count;
	uint64_t length; /* of all, not rounded */
	bool read_only;
	bool device;	/* a segment of it is a device's */
	uint32_t queue; /* CALL_QUEUE_x, or 0 */
};

struct client_map {
	struct client_map *next;
	uint32_t type;
	void *address;
	uint64_t length; /* not rounded */
	bool read_only;
	uint32_t segment_count;
	struct segment segments[];
};

static const IOOptionBits known_options = kIOMapUserOptionsMask | kIOMapReadOnly | kIOMapStatic |
					  kIOMapReference | kIOMapUnique | kIOMap64Bit |
					  kIOMapPrefault;

static void
unlink_and_free(struct client_map **at)
{
	struct client_map *map = *at;

	*at = map->next;
	queues_remove(map->address);
	munmap(map->address, page_round_up(map->length));
	free(map);
}

void
map_remove_all_locked(struct connection *connection)
{
	while (connection->maps != NULL)
		unlink_and_free(&connection->maps);
}

void
map_forget_inherited(struct connection *connection)
{
	/* The list may have been in the middle of a change when the fork came; the mappings stay.
	 */
	connection->maps = NULL;
}

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
take_segments(const struct packet *packet, struct memory *memory)
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

/*
 * Fills *memory from the packet; the descriptors stay the packet's. kIOReturnNoResources:
 * descriptors were lost, and only this call with them.
 */
static IOReturn
take_memory(struct connection *connection, const struct call_request *request, unsigned slot,
	    const struct call_reply *reply, struct memory *memory)
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

/* --- mapping --- */

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

static IOReturn
check_segments(struct memory *memory)
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

/* The kernel maps a device's memory uncached and all other memory cached; there is no choice. */
static IOReturn
check_cache(const struct memory *memory, IOOptionBits options)
{
	IOOptionBits cache = options & kIOMapCacheMask;

	if (cache == kIOMapDefaultCache ||
	    cache == (memory->device ? kIOMapInhibitCache : kIOMapCopybackCache))
		return kIOReturnSuccess;
	log_error("IOConnectMapMemory64: no cache mode but the default and %s for this memory, not "
		  "0x%x",
		  memory->device ? "kIOMapInhibitCache" : "kIOMapCopybackCache", cache);
	return kIOReturnBadArgument;
}

static bool
is_same_memory(const struct client_map *map, const struct memory *memory)
{
	if (map->segment_count != memory->count || map->length != memory->length)
		return false;
	for (uint32_t i = 0; i < memory->count; i++)
		if (map->segments[i].device != memory->segments[i].device ||
		    map->segments[i].inode != memory->segments[i].inode ||
		    map->segments[i].offset != memory->segments[i].offset)
			return false;
	return true;
}

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

static IOReturn
map_segments(const struct memory *memory, bool read_only, void *fixed, void **ret_address)
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

static IOReturn
add_map(struct connection *connection, const struct memory *memory, uint32_t type, void *fixed,
	bool read_only, struct client_map **ret_map)
{
	struct client_map *map = calloc(1, sizeof(*map) + memory->count * sizeof(map->segments[0]));
	IOReturn status;

	if (map == NULL)
		return kIOReturnNoMemory;
	status = map_segments(memory, read_only, fixed, &map->address);
	if (status != kIOReturnSuccess) {
		free(map);
		return status;
	}
	map->type = type;
	map->length = memory->length;
	map->read_only = read_only;
	map->segment_count = memory->count;
	memcpy(map->segments, memory->segments, memory->count * sizeof(map->segments[0]));
	status = queues_add(connection, map->address, map->length, read_only, memory->queue);
	if (status != kIOReturnSuccess) {
		munmap(map->address, page_round_up(map->length));
		free(map);
		return status;
	}
	map->next = connection->maps;
	connection->maps = map;
	*ret_map = map;
	return kIOReturnSuccess;
}

static bool
is_mapped(const struct connection *connection, uint32_t type)
{
	for (const struct client_map *map = connection->maps; map != NULL; map = map->next)
		if (map->type == type)
			return true;
	return false;
}

static struct client_map *
find_same(struct connection *connection, const struct memory *memory, uint32_t type, bool read_only)
{
	for (struct client_map *map = connection->maps; map != NULL; map = map->next)
		if (map->type == type && map->read_only == read_only && is_same_memory(map, memory))
			return map;
	return NULL;
}

/* --- the two calls --- */

static IOReturn
unmap_call(struct connection *connection, uint32_t type)
{
	struct call_request request = {.operation = CALL_UNMAP, .selector = type};
	struct call_reply reply;
	bool answered;
	unsigned slot;
	IOReturn status = slot_take(connection, 0, &slot, &request.generation);

	if (status != kIOReturnSuccess)
		return status;
	status = slot_call(connection, slot, &request, 0, &reply, &answered);
	if (answered)
		slot_give_back(connection, slot);
	return status;
}

/* Asks the driver; fills *memory, whose descriptors are in connection->packet. */
static IOReturn
map_call(struct connection *connection, uint32_t type, IOOptionBits options, struct memory *memory)
{
	struct call_request request = {
		.operation = CALL_MAP,
		.selector = type,
		.scalar_in_count = 1,
		.scalars = {options},
	};
	struct call_reply reply;
	bool answered;
	unsigned slot;
	IOReturn status = slot_take(connection, 0, &slot, &request.generation);

	if (status != kIOReturnSuccess)
		return status;
	status = slot_call(connection, slot, &request, 0, &reply, &answered);
	if (status == kIOReturnSuccess)
		status = take_memory(connection, &request, slot, &reply, memory);
	else if (answered)
		log_error("the driver gives no memory of type %u: %s", type, status_string(status));
	if (answered)
		slot_give_back(connection, slot);
	return status;
}

static IOReturn
map_locked(struct connection *connection, uint32_t type, void *fixed, IOOptionBits options,
	   struct client_map **ret_map)
{
	struct memory memory = {0};
	bool read_only;
	IOReturn status;

	connection->packet->fd_count = 0;
	status = map_call(connection, type, options, &memory);
	if (status != kIOReturnSuccess && status != kIOReturnNoResources) {
		packet_close_fds(connection->packet);
		return status;
	}
	read_only = memory.read_only || (options & kIOMapReadOnly) != 0;
	if (status == kIOReturnSuccess)
		status = check_segments(&memory);
	if (status == kIOReturnSuccess)
		status = check_cache(&memory, options);
	if (status == kIOReturnSuccess) {
		*ret_map = fixed == NULL ? find_same(connection, &memory, type, read_only) : NULL;
		if (*ret_map == NULL)
			status = add_map(connection, &memory, type, fixed, read_only, ret_map);
	}
	packet_close_fds(connection->packet);
	/* The host counts the type as mapped. */
	if (status != kIOReturnSuccess && memory.count != 0 && !is_mapped(connection, type))
		unmap_call(connection, type);
	return status;
}

/* Says which argument is wrong. */
static bool
are_good(const mach_vm_address_t *address, const mach_vm_size_t *size, task_port_t task,
	 IOOptionBits options)
{
	if (task != NAME_TASK_SELF) {
		log_error("IOConnectMapMemory64: the task must be mach_task_self()");
		return false;
	}
	if (address == NULL || size == NULL) {
		log_error("IOConnectMapMemory64: address and size must not be NULL");
		return false;
	}
	if (options & ~known_options) {
		log_error("IOConnectMapMemory64: unknown options 0x%x", options & ~known_options);
		return false;
	}
	/* What memory is anyway (check_cache says which), or nothing that this kernel gives. */
	if ((options & kIOMapCacheMask) != kIOMapDefaultCache &&
	    (options & kIOMapCacheMask) != kIOMapInhibitCache &&
	    (options & kIOMapCacheMask) != kIOMapCopybackCache) {
		log_error("IOConnectMapMemory64: no cache mode but the default, copyback for "
			  "memory and inhibit for a device's, not 0x%x",
			  options & kIOMapCacheMask);
		return false;
	}
	if (!(options & kIOMapAnywhere) &&
	    (*address == 0 || *address % page_size() != 0 || !is_addressable(*address, 0))) {
		log_error("IOConnectMapMemory64: without kIOMapAnywhere *address must be the start "
			  "of "
			  "a page, not 0x%llx",
			  (unsigned long long)*address);
		return false;
	}
	return true;
}

kern_return_t
IOConnectMapMemory64(io_connect_t connect, uint32_t memory_type, task_port_t into_task,
		     mach_vm_address_t *address, mach_vm_size_t *size, IOOptionBits options)
{
	ERRNO_KEPT;
	UNCANCELLED;
	struct connection *connection;
	struct client_map *map;
	void *fixed = NULL;
	IOReturn status;

	if (!are_good(address, size, into_task, options))
		return kIOReturnBadArgument;
	connection = object_copy_connection(connect);
	if (connection == NULL)
		return object_refusal(connect);
	if (!(options & kIOMapAnywhere))
		fixed = (void *)(uintptr_t)*address;
	status = connection_status(connection);
	if (status == kIOReturnSuccess) {
		pthread_mutex_lock(&connection->map_lock);
		status = connection_status(connection);
		if (status == kIOReturnSuccess)
			status = map_locked(connection, memory_type, fixed, options, &map);
		if (status == kIOReturnSuccess) {
			*address = (uintptr_t)map->address;
			*size = map->length;
		}
		pthread_mutex_unlock(&connection->map_lock);
	}
	connection_release(connection);
	if (status == kIOReturnSuccess || status == MACH_SEND_INVALID_DEST)
		return status;
	log_error("IOConnectMapMemory64 of type %u: %s", memory_type, status_string(status));
	return status == kIOReturnOffline || status == kIOReturnAborted ? status
									: kIOReturnBadArgument;
}

kern_return_t
IOConnectMapMemory(io_connect_t connect, uint32_t memory_type, task_port_t into_task,
		   mach_vm_address_t *address, mach_vm_size_t *size, IOOptionBits options)
{
	return IOConnectMapMemory64(connect, memory_type, into_task, address, size, options);
}

static IOReturn
unmap_locked(struct connection *connection, uint32_t type, void *address)
{
	struct client_map **at = &connection->maps;

	while (*at != NULL && ((*at)->type != type || (*at)->address != address))
		at = &(*at)->next;
	if (*at == NULL) {
		log_error("IOConnectUnmapMemory64: memory of type %u is not mapped at %p", type,
			  address);
		return kIOReturnBadArgument;
	}
	unlink_and_free(at);
	if (is_mapped(connection, type) || connection_status(connection) != kIOReturnSuccess)
		return kIOReturnSuccess;
	/* A driver that has nothing to say about the type now does not bring the mapping back. */
	if (unmap_call(connection, type) != kIOReturnSuccess)
		log_info("the driver did not take back its memory of type %u", type);
	return kIOReturnSuccess;
}

kern_return_t
IOConnectUnmapMemory64(io_connect_t connect, uint32_t memory_type, task_port_t from_task,
		       mach_vm_address_t address)
{
	ERRNO_KEPT;
	UNCANCELLED;
	struct connection *connection;
	IOReturn status;

	if (from_task != NAME_TASK_SELF || !is_addressable(address, 0)) {
		log_error("IOConnectUnmapMemory64: the task must be mach_task_self(), the address "
			  "one "
			  "of its own");
		return kIOReturnBadArgument;
	}
	connection = object_copy_connection(connect);
	if (connection == NULL)
		return object_refusal(connect);
	if (connection_is_inherited(connection)) {
		connection_release(connection);
		return MACH_SEND_INVALID_DEST;
	}
	pthread_mutex_lock(&connection->map_lock);
	status = unmap_locked(connection, memory_type, (void *)(uintptr_t)address);
	pthread_mutex_unlock(&connection->map_lock);
	connection_release(connection);
	return status;
}

kern_return_t
IOConnectUnmapMemory(io_connect_t connect, uint32_t memory_type, task_port_t from_task,
		     mach_vm_address_t address)
{
	return IOConnectUnmapMemory64(connect, memory_type, from_task, address);
}
