/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications of services: an object of the app's with a watch inside.
 *
 * The object is there, with its name, before the registry is asked, because its messages carry that
 * name from the first one on. Whether a service "is published" or "is matched" is one thing here:
 * it appears when its driver has registered it, or its device was found.
 */
#include <string.h>

#include "errno_kept.h"
#include "events.h"
#include "iterator.h"
#include "log.h"
#include "object_table.h"
#include "port.h"
#include "registry_entry.h"
#include "status.h"
#include "watch.h"

#include <IOKit/IOKitLib.h>

static const struct {
	const char *name;
	enum watch_kind kind;
	uint32_t type;
} kinds[] = {
	{kIOPublishNotification, WATCH_ARRIVALS, kIOServicePublishNotificationType},
	{kIOFirstPublishNotification, WATCH_ARRIVALS, kIOServicePublishNotificationType},
	{kIOMatchedNotification, WATCH_ARRIVALS, kIOServiceMatchedNotificationType},
	{kIOFirstMatchNotification, WATCH_ARRIVALS, kIOServiceMatchedNotificationType},
	{kIOTerminatedNotification, WATCH_DEPARTURES, kIOServiceTerminatedNotificationType},
	{kIOWillTerminateNotification, WATCH_WARNINGS, kIOServiceTerminatedNotificationType},
};

/* Makes the object, and then asks the registry. Takes the reference of `service` on every path. */
static IOReturn
add_take(const struct watch_options *options, io_service_t service, io_object_t *ret_name)
{
	struct connection *connection;
	struct iterator *iterator;
	struct watch *watch;
	io_object_t name;
	IOReturn res = watch_create(options, &watch);

	if (res == kIOReturnSuccess) {
		res = iterator_create_watch_take(watch, service, &iterator);
		if (res != kIOReturnSuccess)
			watch_destroy(watch);
	}
	if (res != kIOReturnSuccess) {
		if (service != IO_OBJECT_NULL)
			object_release(service, &connection);
		return res;
	}
	res = object_add_iterator_take(iterator, &name);
	if (res != kIOReturnSuccess) {
		iterator_release(iterator);
		return res;
	}
	watch_set_name(watch, name);
	res = events_add(watch);
	if (res != kIOReturnSuccess) {
		object_release(name, &connection);
		return res;
	}
	*ret_name = name;
	return kIOReturnSuccess;
}

static bool
set_kind(const char *function, const char *type, struct watch_options *options)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(type, kinds[i].name) != 0)
			continue;
		options->kind = kinds[i].kind;
		options->type = kinds[i].type;
		return true;
	}
	log_error("%s: \"%s\" is no type of notification", function, type);
	return false;
}

/* Takes a reference of `matching` on every path. */
static IOReturn
add_matching_take(const char *function, mach_port_t port, const char *type,
		  CFDictionaryRef matching, const struct watch_options *reference,
		  io_iterator_t *ret_notification)
{
	const OSDictionary *dictionary = OSDynamicCast(OSDictionary, (void *)(uintptr_t)matching);
	struct watch_options options = *reference;
	IOReturn res = kIOReturnBadArgument;

	options.matching = dictionary;
	if (type == NULL || dictionary == NULL || ret_notification == NULL)
		log_error("%s: %s", function,
			  type == NULL	       ? "the type is NULL"
			  : dictionary == NULL ? "matching is no dictionary"
					       : "notification is NULL");
	else if (set_kind(function, type, &options))
		options.port = port_copy(port);
	if (options.port != NULL)
		res = add_take(&options, IO_OBJECT_NULL, ret_notification);
	else
		log_error("%s: refused: no port, or see above", function);
	port_release(options.port);
	OSRelease((void *)(uintptr_t)matching);
	return res;
}

kern_return_t
IOServiceAddMatchingNotification(IONotificationPortRef notify, const char *type,
				 CFDictionaryRef matching, IOServiceMatchingCallback callback,
				 void *refcon, io_iterator_t *notification)
{
	struct watch_options options = {0};
	ERRNO_KEPT;

	options.reference[kIOMatchingCalloutFuncIndex] = (uintptr_t)callback;
	options.reference[kIOMatchingCalloutRefconIndex] = (uintptr_t)refcon;
	return add_matching_take("IOServiceAddMatchingNotification",
				 notify != NULL ? IONotificationPortGetMachPort(notify)
						: MACH_PORT_NULL,
				 type, matching, &options, notification);
}

kern_return_t
IOServiceAddNotification(mach_port_t main_port, const char *type, CFDictionaryRef matching,
			 mach_port_t wake_port, uintptr_t reference, io_iterator_t *notification)
{
	struct watch_options options = {.reference = {reference}};
	ERRNO_KEPT;

	(void)main_port;
	return add_matching_take("IOServiceAddNotification", wake_port, type, matching, &options,
				 notification);
}

static IOReturn
get_news(const char *type, uint32_t *ret_news)
{
	if (strcmp(type, kIOGeneralInterest) == 0) {
		*ret_news = NEWS_CHANGED | NEWS_GONE;
	} else if (strcmp(type, kIOBusyInterest) == 0) {
		*ret_news = NEWS_BUSY;
	} else {
		log_error("IOServiceAddInterestNotification: no interest of type \"%s\" is there, "
			  "only kIOGeneralInterest and kIOBusyInterest",
			  type);
		return kIOReturnUnsupported;
	}
	return kIOReturnSuccess;
}

kern_return_t
IOServiceAddInterestNotification(IONotificationPortRef notify, io_service_t service,
				 const char *type, IOServiceInterestCallback callback, void *refcon,
				 io_object_t *notification)
{
	struct watch_options options = {
		.kind = WATCH_ENTRY,
		.type = kIOServiceMessageNotificationType,
	};
	IOReturn res;
	ERRNO_KEPT;

	if (notify == NULL || type == NULL || notification == NULL) {
		log_error("IOServiceAddInterestNotification: %s is NULL", notify == NULL ? "notify"
									  : type == NULL
										  ? "the type"
										  : "notification");
		return kIOReturnBadArgument;
	}
	res = get_news(type, &options.news);
	if (res != kIOReturnSuccess)
		return res;
	options.reference[kIOInterestCalloutFuncIndex] = (uintptr_t)callback;
	options.reference[kIOInterestCalloutRefconIndex] = (uintptr_t)refcon;
	options.reference[kIOInterestCalloutServiceIndex] = service;
	res = entry_get("IOServiceAddInterestNotification", service, &options.entry);
	if (res != kIOReturnSuccess)
		return res;
	options.port = port_copy(IONotificationPortGetMachPort(notify));
	res = kIOReturnBadArgument;
	if (options.port != NULL && object_retain(service))
		res = add_take(&options, service, notification);
	port_release(options.port);
	return res;
}
