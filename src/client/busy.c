/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Busy and quiet: an entry is busy while a driver at or below it is being started. Waiting is a
 * port of its own, with a notification of the entry.
 */
#include "clock.h"
#include "errno_kept.h"
#include "events.h"
#include "log.h"
#include "object_table.h"
#include "port.h"
#include "registry.h"
#include "registry_entry.h"
#include "watch.h"

#include <IOKit/IOKitLib.h>

static IOReturn
get_busy(uint64_t id, uint32_t *ret_busy)
{
	OSDictionary *description;
	uint64_t busy = 0;
	IOReturn status = registry_describe(id, PLANE_NONE, &description);

	if (status != kIOReturnSuccess)
		return status;
	OSDictionaryGetUInt64Value(description, "Busy", &busy);
	OSRelease(description);
	*ret_busy = (uint32_t)busy;
	return kIOReturnSuccess;
}

kern_return_t
IOServiceGetBusyState(io_service_t service, uint32_t *busy_state)
{
	ERRNO_KEPT;
	IOReturn status;
	uint64_t id;

	if (busy_state == NULL)
		return kIOReturnBadArgument;
	status = entry_get("IOServiceGetBusyState", service, &id);
	return status == kIOReturnSuccess ? get_busy(id, busy_state) : status;
}

static IOReturn
await_news(uint64_t id, uint64_t deadline, struct port *port)
{
	struct port_message message;
	uint32_t busy = 0;
	IOReturn status;

	for (;;) {
		status = get_busy(id, &busy);
		if (status != kIOReturnSuccess || busy == 0)
			return status;
		status = port_wait(port, deadline, DEXT_SCALARS_MAX, &message);
		if (status != kIOReturnSuccess)
			return status;
	}
}

static IOReturn
await_quiet(uint64_t id, uint64_t deadline)
{
	struct watch_options options = {
		.kind = WATCH_ENTRY,
		.news = NEWS_BUSY | NEWS_GONE,
		.type = kIOServiceMessageNotificationType,
		.entry = id,
	};
	struct watch *watch;
	uint32_t busy = 0;
	IOReturn status = get_busy(id, &busy);

	if (status != kIOReturnSuccess || busy == 0)
		return status;
	status = port_create(&options.port);
	if (status != kIOReturnSuccess)
		return status;
	status = watch_create(&options, &watch);
	if (status == kIOReturnSuccess) {
		status = events_add(watch);
		if (status == kIOReturnSuccess)
			status = await_news(id, deadline, options.port);
		watch_destroy(watch);
	}
	port_close(options.port);
	port_release(options.port);
	return status;
}

kern_return_t
IOServiceWaitQuiet(io_service_t service, mach_timespec_t *wait_time)
{
	ERRNO_KEPT;
	uint64_t deadline = UINT64_MAX, id;
	IOReturn status;

	status = entry_get("IOServiceWaitQuiet", service, &id);
	if (status != kIOReturnSuccess)
		return status;
	if (wait_time != NULL && (wait_time->tv_nsec < 0 || wait_time->tv_nsec >= 1000000000)) {
		log_error("IOServiceWaitQuiet: the time's nanoseconds are out of range");
		return kIOReturnBadArgument;
	}
	if (wait_time != NULL)
		deadline = clock_now() + wait_time->tv_sec * NSEC_PER_SEC +
			   (uint64_t)wait_time->tv_nsec;
	return await_quiet(id, deadline);
}

kern_return_t
IOKitGetBusyState(mach_port_t main_port, uint32_t *busy_state)
{
	io_registry_entry_t root = IORegistryGetRootEntry(main_port);
	IOReturn status;

	if (root == IO_OBJECT_NULL)
		return kIOReturnNotReady;
	status = IOServiceGetBusyState(root, busy_state);
	IOObjectRelease(root);
	return status;
}

kern_return_t
IOKitWaitQuiet(mach_port_t main_port, mach_timespec_t *wait_time)
{
	io_registry_entry_t root = IORegistryGetRootEntry(main_port);
	IOReturn status;

	if (root == IO_OBJECT_NULL)
		return kIOReturnNotReady;
	status = IOServiceWaitQuiet(root, wait_time);
	IOObjectRelease(root);
	return status;
}
