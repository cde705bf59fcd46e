/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IORegistryEntrySetCFProperties and IOConnectSetCFProperties: both reach the driver's
 * SetProperties, of the service by the registry, of the user client by the connection.
 *
 * The driver may take its time. So the registry is asked by a socket of this request's own: the one
 * that all look-ups share would be held for as long.
 */
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "call.h"
#include "errno_kept.h"
#include "log.h"
#include "object_table.h"
#include "packets.h"
#include "plist.h"
#include "registry_entry.h"
#include "runtime.h"
#include "status.h"
#include "uncancelled.h"

#include <IOKit/IOKitLib.h>

/* Of a dictionary; the caller frees them. */
static IOReturn
encode(const char *function, CFTypeRef properties, void **ret_bytes, size_t *ret_length)
{
	const OSDictionary *dictionary = OSDynamicCast(OSDictionary, (const void *)properties);

	if (dictionary == NULL) {
		log_error("%s: a dictionary was expected", function);
		return kIOReturnBadArgument;
	}
	return plist_encode(dictionary, ret_bytes, ret_length);
}

/* The caller releases it; NULL: the arguments are not what they must be. */
static CFDictionaryRef
create_of_one(const char *function, CFStringRef name, CFTypeRef property)
{
	OSDictionary *dictionary;
	const OSString *key = OSDynamicCast(OSString, (const void *)name);

	if (key == NULL || property == NULL) {
		log_error("%s: a name and a value were expected", function);
		return NULL;
	}
	dictionary = OSDictionaryCreate(1);
	if (dictionary != NULL && !OSDictionarySetValue(dictionary, OSStringGetCStringPtr(key),
							(void *)(uintptr_t)property))
		OSSafeReleaseNULL(dictionary);
	return (CFDictionaryRef)(const void *)dictionary;
}

/* --- a service's --- */

static IOReturn
exchange(int fd, const void *body, size_t length)
{
	struct packet_header header = {.type = PACKET_SET_PROPERTIES, .sequence = 1};
	struct packet *packet = malloc(sizeof(*packet));
	IOReturn status;

	if (packet == NULL)
		return kIOReturnNoMemory;
	status = packet_send(fd, &header, body, length, NULL, 0, true);
	if (status == kIOReturnSuccess)
		status = packet_receive(fd, packet, true);
	if (status == kIOReturnSuccess) {
		status = packets_check(packet, PACKET_REGISTRY_REPLY);
		packet_close_fds(packet);
	}
	/* A refusal for want of room (PROTOCOL.md 4) is of no request. */
	if (status == kIOReturnSuccess && packet->header->sequence != 0 &&
	    packet->header->type != PACKET_SET_PROPERTIES)
		status = kIOReturnIPCError;
	if (status == kIOReturnSuccess)
		status = packet->header->status;
	free(packet);
	return status;
}

static IOReturn
set_entry(const char *function, uint64_t id, const void *bytes, size_t length)
{
	struct id_body body = {.id = id};
	uint8_t *message;
	IOReturn status;
	int fd = -1;

	if (length > SET_PROPERTIES_MAX) {
		log_error("%s: the properties are %zu bytes, at most %zu can be set", function,
			  length, SET_PROPERTIES_MAX);
		return kIOReturnMessageTooLarge;
	}
	message = malloc(sizeof(body) + length);
	if (message == NULL)
		return kIOReturnNoMemory;
	memcpy(message, &body, sizeof(body));
	memcpy(message + sizeof(body), bytes, length);
	status = runtime_connect(true, &fd);
	if (status != kIOReturnSuccess) {
		log_error("%s: the registry cannot be reached: %s", function,
			  status_string(status));
		status = kIOReturnNotReady;
	} else {
		status = exchange(fd, message, sizeof(body) + length);
	}
	fd_close(&fd);
	free(message);
	return status;
}

/* By the function for several. */
static kern_return_t
set_one(const char *function, mach_port_t object, CFStringRef name, CFTypeRef property,
	kern_return_t (*set)(const char *function, mach_port_t object, CFTypeRef properties))
{
	CFDictionaryRef dictionary = create_of_one(function, name, property);
	kern_return_t status;

	if (dictionary == NULL)
		return kIOReturnBadArgument;
	status = set(function, object, dictionary);
	CFRelease(dictionary);
	return status;
}

static kern_return_t
set_entry_properties(const char *function, io_registry_entry_t entry, CFTypeRef properties)
{
	ERRNO_KEPT;
	UNCANCELLED;
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status;
	uint64_t id;

	status = entry_get(function, entry, &id);
	if (status != kIOReturnSuccess)
		return status;
	status = encode(function, properties, &bytes, &length);
	if (status == kIOReturnSuccess)
		status = set_entry(function, id, bytes, length);
	free(bytes);
	return status;
}

kern_return_t
IORegistryEntrySetCFProperties(io_registry_entry_t entry, CFTypeRef properties)
{
	return set_entry_properties("IORegistryEntrySetCFProperties", entry, properties);
}

kern_return_t
IORegistryEntrySetCFProperty(io_registry_entry_t entry, CFStringRef name, CFTypeRef property)
{
	return set_one("IORegistryEntrySetCFProperty", entry, name, property, set_entry_properties);
}

/* --- a user client's --- */

static kern_return_t
set_connection_properties(const char *function, io_connect_t connect, CFTypeRef properties)
{
	ERRNO_KEPT;
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status = encode(function, properties, &bytes, &length);

	if (status == kIOReturnSuccess && length > DEXT_STRUCTURE_INLINE_MAX) {
		log_error("%s: the properties are %zu bytes, at most %u can be set", function,
			  length, DEXT_STRUCTURE_INLINE_MAX);
		status = kIOReturnMessageTooLarge;
	}
	if (status == kIOReturnSuccess)
		status = call_set_properties(function, connect, bytes, length);
	free(bytes);
	return status;
}

kern_return_t
IOConnectSetCFProperties(io_connect_t connect, CFTypeRef properties)
{
	return set_connection_properties("IOConnectSetCFProperties", connect, properties);
}

kern_return_t
IOConnectSetCFProperty(io_connect_t connect, CFStringRef name, CFTypeRef property)
{
	return set_one("IOConnectSetCFProperty", connect, name, property,
		       set_connection_properties);
}
