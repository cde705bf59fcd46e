/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOConnectMapMemory64 and IOConnectUnmapMemory64. What a host hands over is received, checked and
 * mapped in handed.c.
 *
 * map_lock is held over the whole of a map or unmap call: map calls of one connection take turns,
 * so the MEMORY on the socket is always for the caller that reads it.
 *
 * Mapping a type again with kIOMapAnywhere gives the same address if the driver names the same
 * memory: the files are compared, since a driver may have other memory behind the type by now. The
 * host counts a type once, so it is told when the last mapping of the type goes.
 */
#include "map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "connection_private.h"
#include "errno_kept.h"
#include "handed.h"
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

/* --- mapping --- */

/* The kernel maps a device's memory uncached and all other memory cached; there is no choice. */
static IOReturn
check_cache(const struct handed *memory, IOOptionBits options)
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
is_same_memory(const struct client_map *map, const struct handed *memory)
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

static IOReturn
add_map(struct connection *connection, const struct handed *memory, uint32_t type, void *fixed,
	bool read_only, struct client_map **ret_map)
{
	struct client_map *map = calloc(1, sizeof(*map) + memory->count * sizeof(map->segments[0]));
	IOReturn status;

	if (map == NULL)
		return kIOReturnNoMemory;
	status = handed_map(memory, read_only, fixed, &map->address);
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
find_same(struct connection *connection, const struct handed *memory, uint32_t type, bool read_only)
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
map_call(struct connection *connection, uint32_t type, IOOptionBits options, struct handed *memory)
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
		status = handed_receive(connection, &request, slot, &reply, memory);
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
	struct handed memory = {0};
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
		status = handed_check(&memory);
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
