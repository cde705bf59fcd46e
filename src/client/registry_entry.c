/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IORegistryEntry functions: names, paths, relations and properties. Nothing is remembered:
 * each answer is the registry's, and kIOReturnNotFound once the entry has gone.
 */
#include "registry_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errno_kept.h"
#include "log.h"
#include "object_table.h"
#include "registry.h"

#include <IOKit/IOKitLib.h>

IOReturn
entry_get(const char *function, io_registry_entry_t entry, uint64_t *ret_id)
{
	if (object_get_service(entry, ret_id))
		return kIOReturnSuccess;
	log_error("%s: 0x%x is no registry entry", function, entry);
	return object_refusal(entry);
}

static bool
get_plane(const char *function, const char *name, enum plane *ret_plane)
{
	*ret_plane = name != NULL ? plane_of(name) : PLANE_NONE;
	if (*ret_plane != PLANE_NONE)
		return true;
	log_error("%s: there is no plane %s; there are " kIOServicePlane " and " kIOUSBPlane,
		  function, name != NULL ? name : "NULL");
	return false;
}

/* --- names and places --- */

/* A string of the entry's description, the caller frees it. kIOReturnNotFound: it has none. */
static IOReturn
copy_description(const char *function, io_registry_entry_t entry, const char *plane_text,
		 const char *key, char **ret_text)
{
	enum plane plane = PLANE_NONE;
	OSDictionary *description;
	const char *value;
	IOReturn status;
	uint64_t id;

	status = entry_get(function, entry, &id);
	if (status != kIOReturnSuccess)
		return status;
	if (plane_text != NULL && !get_plane(function, plane_text, &plane))
		return kIOReturnBadArgument;
	status = registry_describe(id, plane, &description);
	if (status != kIOReturnSuccess)
		return status;
	value = OSDictionaryGetStringValue(description, key);
	if (value != NULL)
		*ret_text = strdup(value);
	if (value == NULL)
		status = kIOReturnNotFound;
	else if (*ret_text == NULL)
		status = kIOReturnNoMemory;
	OSRelease(description);
	return status;
}

static IOReturn
get_text(const char *function, io_registry_entry_t entry, const char *plane, const char *key,
	 char *text, size_t size)
{
	IOReturn status;
	char *value;

	if (text == NULL) {
		log_error("%s: there is no place to write to", function);
		return kIOReturnBadArgument;
	}
	status = copy_description(function, entry, plane, key, &value);
	if (status != kIOReturnSuccess)
		return status;
	if (strlen(value) < size) {
		strcpy(text, value);
	} else if (strcmp(key, "Path") == 0) {
		log_error("%s: the path has %zu bytes, %zu fit; IORegistryEntryCopyPath takes any",
			  function, strlen(value), size - 1);
		status = kIOReturnBadArgument;
	} else {
		memcpy(text, value, size - 1);
		text[size - 1] = '\0';
	}
	free(value);
	return status;
}

kern_return_t
IORegistryEntryGetName(io_registry_entry_t entry, io_name_t name)
{
	ERRNO_KEPT;

	return get_text("IORegistryEntryGetName", entry, NULL, "Name", name, sizeof(io_name_t));
}

kern_return_t
IORegistryEntryGetNameInPlane(io_registry_entry_t entry, const char *plane, io_name_t name)
{
	ERRNO_KEPT;

	/* Planes name nothing differently here. */
	return get_text("IORegistryEntryGetNameInPlane", entry, plane, "Name", name,
			sizeof(io_name_t));
}

kern_return_t
IORegistryEntryGetLocationInPlane(io_registry_entry_t entry, const char *plane, io_name_t location)
{
	ERRNO_KEPT;

	return get_text("IORegistryEntryGetLocationInPlane", entry, plane, "Location", location,
			sizeof(io_name_t));
}

kern_return_t
IORegistryEntryGetPath(io_registry_entry_t entry, const char *plane, io_string_t path)
{
	ERRNO_KEPT;
	IOReturn status;

	status =
		get_text("IORegistryEntryGetPath", entry, plane, "Path", path, sizeof(io_string_t));
	return status == kIOReturnNotFound ? kIOReturnBadArgument : status;
}

CFStringRef
IORegistryEntryCopyPath(io_registry_entry_t entry, const char *plane)
{
	ERRNO_KEPT;
	OSString *path;
	char *text;

	if (plane == NULL || copy_description("IORegistryEntryCopyPath", entry, plane, "Path",
					      &text) != kIOReturnSuccess)
		return NULL;
	path = OSStringCreateWithCString(text);
	free(text);
	return (CFStringRef)(void *)path;
}

boolean_t
IORegistryEntryInPlane(io_registry_entry_t entry, const char *plane)
{
	ERRNO_KEPT;
	char *text;

	if (plane == NULL || plane_of(plane) == PLANE_NONE ||
	    copy_description("IORegistryEntryInPlane", entry, plane, "Path", &text) !=
		    kIOReturnSuccess)
		return FALSE;
	free(text);
	return TRUE;
}

kern_return_t
IORegistryEntryGetRegistryEntryID(io_registry_entry_t entry, uint64_t *entry_id)
{
	ERRNO_KEPT;

	if (entry_id == NULL)
		return kIOReturnBadArgument;
	return entry_get("IORegistryEntryGetRegistryEntryID", entry, entry_id);
}

/* --- from a path --- */

static IOReturn
look_up_path(const char *path, uint64_t *ret_id)
{
	OSDictionary *matching = OSDictionaryCreate(1);
	IOReturn status = kIOReturnNoMemory;

	if (matching != NULL && OSDictionarySetStringValue(matching, kIOPathMatchKey, path))
		status = registry_lookup(matching, ret_id);
	OSRelease(matching);
	return status;
}

io_registry_entry_t
IORegistryEntryFromPath(mach_port_t main_port, const char *path)
{
	ERRNO_KEPT;
	io_registry_entry_t entry = IO_OBJECT_NULL;
	uint64_t id;

	(void)main_port;
	if (path == NULL) {
		log_error("IORegistryEntryFromPath: path is NULL");
		return IO_OBJECT_NULL;
	}
	if (look_up_path(path, &id) != kIOReturnSuccess ||
	    object_add_service(id, &entry) != kIOReturnSuccess)
		return IO_OBJECT_NULL;
	return entry;
}

io_registry_entry_t
IORegistryEntryCopyFromPath(mach_port_t main_port, CFStringRef path)
{
	const OSString *string = OSDynamicCast(OSString, (const void *)path);

	return IORegistryEntryFromPath(main_port,
				       string != NULL ? OSStringGetCStringPtr(string) : NULL);
}

io_registry_entry_t
IORegistryGetRootEntry(mach_port_t main_port)
{
	return IORegistryEntryFromPath(main_port, kIOServicePlane ":/");
}

/* --- relations --- */

static IOReturn
iterate(const char *function, io_registry_entry_t entry, const char *plane_text,
	enum entry_relation relation, io_iterator_t *iterator)
{
	enum plane plane;
	IOReturn status;
	uint64_t id;

	if (iterator == NULL || !get_plane(function, plane_text, &plane))
		return kIOReturnBadArgument;
	status = entry_get(function, entry, &id);
	if (status != kIOReturnSuccess)
		return status;
	return entry_iterate(id, plane, relation, iterator);
}

static IOReturn
get_first(const char *function, io_registry_entry_t entry, const char *plane_text,
	  enum entry_relation relation, io_registry_entry_t *ret_entry)
{
	enum plane plane;
	uint64_t *ids;
	IOReturn status;
	size_t count;
	uint64_t id;

	if (ret_entry == NULL || !get_plane(function, plane_text, &plane))
		return kIOReturnBadArgument;
	status = entry_get(function, entry, &id);
	if (status == kIOReturnSuccess)
		status = registry_entries(id, plane, relation, &ids, &count);
	if (status != kIOReturnSuccess)
		return status;
	status = count > 0 ? object_add_service(ids[0], ret_entry) : kIOReturnNoDevice;
	free(ids);
	return status;
}

static enum entry_relation
relation_of(IOOptionBits options)
{
	if (options & kIORegistryIterateParents)
		return options & kIORegistryIterateRecursively ? ENTRY_ABOVE : ENTRY_PARENTS;
	return options & kIORegistryIterateRecursively ? ENTRY_BELOW : ENTRY_CHILDREN;
}

static bool
check_options(const char *function, IOOptionBits options)
{
	if ((options &
	     ~(IOOptionBits)(kIORegistryIterateRecursively | kIORegistryIterateParents)) == 0)
		return true;
	log_error("%s: unknown options 0x%x", function, options);
	return false;
}

kern_return_t
IORegistryEntryCreateIterator(io_registry_entry_t entry, const char *plane, IOOptionBits options,
			      io_iterator_t *iterator)
{
	ERRNO_KEPT;

	if (!check_options("IORegistryEntryCreateIterator", options))
		return kIOReturnBadArgument;
	return iterate("IORegistryEntryCreateIterator", entry, plane, relation_of(options),
		       iterator);
}

kern_return_t
IORegistryCreateIterator(mach_port_t main_port, const char *plane, IOOptionBits options,
			 io_iterator_t *iterator)
{
	ERRNO_KEPT;
	io_registry_entry_t root = IORegistryGetRootEntry(main_port);
	IOReturn status;

	if (root == IO_OBJECT_NULL)
		return kIOReturnNotReady;
	status = IORegistryEntryCreateIterator(root, plane, options, iterator);
	IOObjectRelease(root);
	return status;
}

kern_return_t
IORegistryEntryGetChildIterator(io_registry_entry_t entry, const char *plane,
				io_iterator_t *iterator)
{
	ERRNO_KEPT;

	return iterate("IORegistryEntryGetChildIterator", entry, plane, ENTRY_CHILDREN, iterator);
}

kern_return_t
IORegistryEntryGetParentIterator(io_registry_entry_t entry, const char *plane,
				 io_iterator_t *iterator)
{
	ERRNO_KEPT;

	return iterate("IORegistryEntryGetParentIterator", entry, plane, ENTRY_PARENTS, iterator);
}

kern_return_t
IORegistryEntryGetChildEntry(io_registry_entry_t entry, const char *plane,
			     io_registry_entry_t *child)
{
	ERRNO_KEPT;

	return get_first("IORegistryEntryGetChildEntry", entry, plane, ENTRY_CHILDREN, child);
}

kern_return_t
IORegistryEntryGetParentEntry(io_registry_entry_t entry, const char *plane,
			      io_registry_entry_t *parent)
{
	ERRNO_KEPT;

	return get_first("IORegistryEntryGetParentEntry", entry, plane, ENTRY_PARENTS, parent);
}

/* --- properties --- */

kern_return_t
IORegistryEntryCreateCFProperties(io_registry_entry_t entry, CFMutableDictionaryRef *properties,
				  CFAllocatorRef allocator, IOOptionBits options)
{
	ERRNO_KEPT;
	OSDictionary *dictionary;
	IOReturn status;
	uint64_t id;

	(void)allocator;
	if (properties == NULL || options != 0) {
		log_error("IORegistryEntryCreateCFProperties: a place for the dictionary and no "
			  "options are needed");
		return kIOReturnBadArgument;
	}
	status = entry_get("IORegistryEntryCreateCFProperties", entry, &id);
	if (status == kIOReturnSuccess)
		status = registry_copy_properties(id, &dictionary);
	if (status == kIOReturnSuccess)
		*properties = (CFMutableDictionaryRef)(void *)dictionary;
	return status;
}

/* The caller releases it; NULL: it has none, or has gone. */
static OSObject *
copy_property(uint64_t id, const char *key)
{
	OSDictionary *properties;
	OSObject *value;

	if (registry_copy_properties(id, &properties) != kIOReturnSuccess)
		return NULL;
	value = OSDictionaryGetValue(properties, key);
	OSRetain(value);
	OSRelease(properties);
	return value;
}

static const char *
get_key(const char *function, CFStringRef key)
{
	const OSString *string = OSDynamicCast(OSString, (const void *)key);

	if (string != NULL)
		return OSStringGetCStringPtr(string);
	log_error("%s: key is no string", function);
	return NULL;
}

CFTypeRef
IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key,
				CFAllocatorRef allocator, IOOptionBits options)
{
	ERRNO_KEPT;
	const char *text = get_key("IORegistryEntryCreateCFProperty", key);
	uint64_t id;

	(void)allocator;
	if (text == NULL || options != 0 ||
	    entry_get("IORegistryEntryCreateCFProperty", entry, &id) != kIOReturnSuccess)
		return NULL;
	return copy_property(id, text);
}

CFTypeRef
IORegistryEntrySearchCFProperty(io_registry_entry_t entry, const char *plane_text, CFStringRef key,
				CFAllocatorRef allocator, IOOptionBits options)
{
	ERRNO_KEPT;
	static const char function[] = "IORegistryEntrySearchCFProperty";
	const char *text = get_key(function, key);
	uint64_t *ids = NULL, id;
	OSObject *value = NULL;
	enum plane plane;
	size_t count = 0;

	(void)allocator;
	if (text == NULL || !check_options(function, options) ||
	    !get_plane(function, plane_text, &plane) ||
	    entry_get(function, entry, &id) != kIOReturnSuccess)
		return NULL;
	value = copy_property(id, text);
	if (value != NULL || options == 0)
		return value;
	if (registry_entries(id, plane,
			     options & kIORegistryIterateParents ? ENTRY_ABOVE : ENTRY_BELOW, &ids,
			     &count) != kIOReturnSuccess)
		return NULL;
	for (size_t i = 0; i < count && value == NULL; i++)
		value = copy_property(ids[i], text);
	free(ids);
	return value;
}

kern_return_t
IORegistryEntryGetProperty(io_registry_entry_t entry, const char *name, io_struct_inband_t buffer,
			   uint32_t *size)
{
	ERRNO_KEPT;
	const void *bytes = NULL;
	const OSString *string;
	const OSNumber *number;
	const OSData *data;
	uint64_t id, word;
	OSObject *value;
	size_t length = 0;
	IOReturn status;

	if (name == NULL || buffer == NULL || size == NULL)
		return kIOReturnBadArgument;
	status = entry_get("IORegistryEntryGetProperty", entry, &id);
	if (status != kIOReturnSuccess)
		return status;
	value = copy_property(id, name);
	if (value == NULL)
		return kIOReturnNoResources;
	if ((data = OSDynamicCast(OSData, value)) != NULL) {
		bytes = OSDataGetBytesPtr(data);
		length = OSDataGetLength(data);
	} else if ((string = OSDynamicCast(OSString, value)) != NULL) {
		bytes = OSStringGetCStringPtr(string);
		length = OSStringGetLength(string) + 1;
	} else if ((number = OSDynamicCast(OSNumber, value)) != NULL) {
		word = OSNumberGetUInt64Value(number);
		bytes = &word;
		length = (OSNumberGetBits(number) + 7) / 8;
	} else {
		status = kIOReturnBadArgument;
	}
	if (status == kIOReturnSuccess && length > *size)
		status = kIOReturnIPCError;
	if (status == kIOReturnSuccess) {
		if (length > 0)
			memcpy(buffer, bytes, length);
		*size = (uint32_t)length;
	}
	OSRelease(value);
	return status;
}
