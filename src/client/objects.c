/* SPDX-License-Identifier: Apache-2.0 */
/* The IOObject functions: references, classes, and whether two are one. */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "connection_private.h"
#include "errno_kept.h"
#include "iterator.h"
#include "log.h"
#include "object_table.h"
#include "registry.h"

#include <IOKit/IOKitLib.h>

static kern_return_t
release(const char *function, io_object_t object)
{
	struct connection *connection;

	if (!object_release(object, &connection)) {
		log_error("%s: 0x%x is no service, connection or iterator of this process",
			  function, object);
		return KERN_INVALID_NAME;
	}
	if (connection != NULL) {
		connection_close(connection);
		connection_release(connection);
	}
	return kIOReturnSuccess;
}

static kern_return_t
retain(const char *function, io_object_t object)
{
	if (object_retain(object))
		return kIOReturnSuccess;
	log_error("%s: 0x%x is no service, connection or iterator of this process", function,
		  object);
	return KERN_INVALID_NAME;
}

kern_return_t
IOObjectRelease(io_object_t object)
{
	ERRNO_KEPT;

	return release("IOObjectRelease", object);
}

kern_return_t
IOObjectRetain(io_object_t object)
{
	ERRNO_KEPT;

	return retain("IOObjectRetain", object);
}

kern_return_t
IOConnectAddRef(io_connect_t connect)
{
	ERRNO_KEPT;

	return retain("IOConnectAddRef", connect);
}

kern_return_t
IOConnectRelease(io_connect_t connect)
{
	ERRNO_KEPT;

	return release("IOConnectRelease", connect);
}

boolean_t
IOObjectIsEqualTo(io_object_t object, io_object_t other)
{
	/* The same service has the same name here; nothing is nothing. */
	return object == other;
}

uint32_t
IOObjectGetUserRetainCount(io_object_t object)
{
	return object_references(object);
}

uint32_t
IOObjectGetKernelRetainCount(io_object_t object)
{
	return object_references(object);
}

uint32_t
IOObjectGetRetainCount(io_object_t object)
{
	return object_references(object);
}

/* --- classes --- */

static IOReturn
get_entry_class(uint64_t id, io_name_t class_name)
{
	OSDictionary *description;
	const char *value;
	IOReturn status = registry_describe(id, PLANE_NONE, &description);

	if (status != kIOReturnSuccess)
		return status;
	value = OSDictionaryGetStringValue(description, "Class");
	if (value != NULL)
		snprintf(class_name, sizeof(io_name_t), "%s", value);
	else
		status = kIOReturnIPCError;
	OSRelease(description);
	return status;
}

static IOReturn
get_class(const char *function, io_object_t object, io_name_t class_name)
{
	struct connection *connection;
	struct iterator *iterator;
	uint64_t id;

	if (object_get_service(object, &id))
		return get_entry_class(id, class_name);
	connection = object_copy_connection(object);
	if (connection != NULL) {
		connection_release(connection);
		strcpy(class_name, "IOUserUserClient");
		return kIOReturnSuccess;
	}
	iterator = object_copy_iterator(object);
	if (iterator != NULL) {
		strcpy(class_name, iterator_watch(iterator) != NULL ? "IOServiceUserNotification"
								    : "IOUserIterator");
		iterator_release(iterator);
		return kIOReturnSuccess;
	}
	log_error("%s: 0x%x is no service, connection or iterator of this process", function,
		  object);
	return object_refusal(object);
}

kern_return_t
IOObjectGetClass(io_object_t object, io_name_t class_name)
{
	ERRNO_KEPT;

	if (class_name == NULL) {
		log_error("IOObjectGetClass: className is NULL");
		return kIOReturnBadArgument;
	}
	return get_class("IOObjectGetClass", object, class_name);
}

CFStringRef
IOObjectCopyClass(io_object_t object)
{
	ERRNO_KEPT;
	io_name_t name;

	if (get_class("IOObjectCopyClass", object, name) != kIOReturnSuccess)
		return NULL;
	return (CFStringRef)(void *)OSStringCreateWithCString(name);
}

boolean_t
IOObjectConformsTo(io_object_t object, const char *class_name)
{
	ERRNO_KEPT;
	io_name_t name;

	if (class_name == NULL || get_class("IOObjectConformsTo", object, name) != kIOReturnSuccess)
		return FALSE;
	return class_conforms(name, class_name);
}

CFStringRef
IOObjectCopySuperclassForClass(CFStringRef class_name)
{
	ERRNO_KEPT;
	const OSString *string = OSDynamicCast(OSString, (const void *)class_name);
	const char *super = string != NULL ? class_superclass(OSStringGetCStringPtr(string)) : NULL;

	return super != NULL ? (CFStringRef)(void *)OSStringCreateWithCString(super) : NULL;
}

CFStringRef
IOObjectCopyBundleIdentifierForClass(CFStringRef class_name)
{
	(void)class_name;
	return NULL; /* the registry's classes come with no bundle */
}
