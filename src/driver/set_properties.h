/* SPDX-License-Identifier: Apache-2.0 */
/* Properties that an app sets: IORegistryEntrySetCFProperties, IOConnectSetCFProperties. */
#ifndef DRIVER_SET_PROPERTIES_H
#define DRIVER_SET_PROPERTIES_H

#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOService.h>

/*
 * On the service's Default queue. `bytes`: a binary property list, not trusted. What the driver
 * answers; kIOReturnUnsupported where it has no SetProperties, kIOReturnBadArgument: no dictionary.
 */
IOReturn set_properties(IOService *service, const void *bytes, size_t length);

/* The same from any thread, for the registered service with this id; answered to the registry. */
void set_properties_post(uint64_t id, uint64_t number, const void *bytes, size_t length);

#endif
