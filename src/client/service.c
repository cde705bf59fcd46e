/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: matching dictionaries, look-ups, open and close.
 *
 * Matching is the registry's business: a dictionary goes there as it is. Releasing the last
 * reference of a connection closes it, as on macOS, where the port dies.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection_private.h"
#include "errno_kept.h"
#include "log.h"
#include "names.h"
#include "object_table.h"
#include "registry.h"
#include "status.h"
#include "uncancelled.h"

#include <IOKit/IOKitLib.h>

const mach_port_t kIOMainPortDefault = MACH_PORT_NULL;
const mach_port_t kIOMasterPortDefault = MACH_PORT_NULL;

kern_return_t
IOMainPort(mach_port_t bootstrap, mach_port_t *main_port)
{
	(void)bootstrap;
	if (main_port == NULL) {
		log_error("IOMainPort: main_port is NULL");
		return kIOReturnBadArgument;
	}
	*main_port = NAME_MAIN; /* old programs take MACH_PORT_NULL for a failure */
	return kIOReturnSuccess;
}

kern_return_t
IOMasterPort(mach_port_t bootstrap, mach_port_t *main_port)
{
	return IOMainPort(bootstrap, main_port);
}

/* --- look-ups --- */

static CFMutableDictionaryRef
dictionary_of(const char *key, const char *value)
{
	OSDictionary *dictionary;

	if (value == NULL) {
		log_error("a matching dictionary needs a name, not NULL");
		return NULL;
	}
	dictionary = OSDictionaryCreate(1);
	if (dictionary != NULL && !OSDictionarySetStringValue(dictionary, key, value))
		OSSafeReleaseNULL(dictionary);
	return (CFMutableDictionaryRef)(void *)dictionary;
}

CFMutableDictionaryRef
IOServiceMatching(const char *name)
{
	ERRNO_KEPT;

	return dictionary_of(kIOProviderClassKey, name);
}

CFMutableDictionaryRef
IOServiceNameMatching(const char *name)
{
	ERRNO_KEPT;

	return dictionary_of(kIONameMatchKey, name);
}

CFMutableDictionaryRef
IORegistryEntryIDMatching(uint64_t entry_id)
{
	ERRNO_KEPT;
	OSDictionary *dictionary = OSDictionaryCreate(1);

	if (dictionary != NULL &&
	    !OSDictionarySetUInt64Value(dictionary, kIORegistryEntryIDKey, entry_id))
		OSSafeReleaseNULL(dictionary);
	return (CFMutableDictionaryRef)(void *)dictionary;
}

CFMutableDictionaryRef
IOBSDNameMatching(mach_port_t main_port, uint32_t options, const char *name)
{
	ERRNO_KEPT;

	(void)main_port;
	(void)options;
	return dictionary_of("BSD Name", name);
}

CFMutableDictionaryRef
IOOpenFirmwarePathMatching(mach_port_t main_port, uint32_t options, const char *path)
{
	ERRNO_KEPT;
	CFMutableDictionaryRef dictionary = NULL;
	char *text;

	(void)main_port;
	(void)options;
	if (path != NULL && asprintf(&text, kIODeviceTreePlane ":%s", path) >= 0) {
		dictionary = dictionary_of(kIOPathMatchKey, text);
		free(text);
	}
	return dictionary;
}

io_service_t
IOServiceGetMatchingService(mach_port_t main_port, CFDictionaryRef matching)
{
	ERRNO_KEPT;
	OSDictionary *dictionary = OSDynamicCast(OSDictionary, (void *)(uintptr_t)matching);
	io_service_t service = IO_OBJECT_NULL;
	IOReturn status = kIOReturnBadArgument;
	uint64_t id;

	(void)main_port;
	if (dictionary == NULL)
		log_error("IOServiceGetMatchingService: matching is no dictionary");
	else
		status = registry_lookup(dictionary, &id);
	if (status == kIOReturnSuccess)
		status = object_add_service(id, &service);
	if (status != kIOReturnSuccess)
		log_info("IOServiceGetMatchingService: %s", status_string(status));
	OSRelease((void *)(uintptr_t)matching);
	return service;
}

static IOReturn
get_service(const char *function, io_object_t name, uint64_t *ret_id)
{
	if (object_get_service(name, ret_id))
		return kIOReturnSuccess;
	log_error("%s: 0x%x is no service", function, name);
	return object_refusal(name);
}

kern_return_t
IOServiceMatchPropertyTable(io_service_t service, CFDictionaryRef matching, boolean_t *matches)
{
	ERRNO_KEPT;
	OSDictionary *dictionary = OSDynamicCast(OSDictionary, (void *)(uintptr_t)matching);
	uint64_t *ids, id;
	boolean_t found = FALSE;
	IOReturn status;
	size_t count;

	if (dictionary == NULL || matches == NULL)
		return kIOReturnBadArgument;
	status = get_service("IOServiceMatchPropertyTable", service, &id);
	if (status == kIOReturnSuccess)
		status = registry_lookup_all(dictionary, &ids, &count);
	if (status != kIOReturnSuccess)
		return status;
	for (size_t i = 0; i < count; i++)
		found = found || ids[i] == id;
	free(ids);
	*matches = found;
	return kIOReturnSuccess;
}

/* --- connections --- */

static IOReturn
open_service(uint64_t id, uint32_t type, io_connect_t *connect)
{
	struct connection *connection;
	IOReturn status;
	int socket;

	status = registry_open(id, type, &socket);
	if (status == kIOReturnSuccess)
		status = connection_open_take(socket, id, &connection);
	if (status != kIOReturnSuccess) {
		log_error("IOServiceOpen of service 0x%016llx with type %u: %s",
			  (unsigned long long)id, type, status_string(status));
		return status;
	}
	status = object_add_connection_take(connection, connect);
	if (status != kIOReturnSuccess) {
		connection_close(connection);
		connection_release(connection);
	}
	return status;
}

kern_return_t
IOServiceOpen(io_service_t service, task_port_t owning_task, uint32_t type, io_connect_t *connect)
{
	ERRNO_KEPT;
	UNCANCELLED;
	IOReturn status;
	uint64_t id;

	if (connect == NULL || owning_task != NAME_TASK_SELF) {
		log_error("IOServiceOpen: %s", connect == NULL
						       ? "connect is NULL"
						       : "the task must be mach_task_self()");
		return kIOReturnBadArgument;
	}
	status = get_service("IOServiceOpen", service, &id);
	return status == kIOReturnSuccess ? open_service(id, type, connect) : status;
}

kern_return_t
IOServiceClose(io_connect_t connect)
{
	ERRNO_KEPT;
	UNCANCELLED;
	struct connection *connection = object_copy_connection(connect), *last;

	if (connection == NULL) {
		log_error("IOServiceClose: 0x%x is no open connection", connect);
		return object_refusal(connect);
	}
	connection_close(connection);
	object_release(connect, &last);
	if (last != NULL)
		connection_release(last);
	connection_release(connection);
	return kIOReturnSuccess;
}

kern_return_t
IOConnectGetService(io_connect_t connect, io_service_t *service)
{
	ERRNO_KEPT;
	struct connection *connection = object_copy_connection(connect);
	IOReturn status;

	if (connection == NULL || service == NULL) {
		log_error("IOConnectGetService: %s",
			  service == NULL ? "service is NULL" : "no open connection");
		if (connection == NULL)
			return object_refusal(connect);
		connection_release(connection);
		return kIOReturnBadArgument;
	}
	status = object_add_service(connection->service, service);
	connection_release(connection);
	return status;
}
