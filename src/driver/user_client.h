/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of IOUserClient: what a connection calls. */
#ifndef DRIVER_USER_CLIENT_H
#define DRIVER_USER_CLIENT_H

#include "service.h"

#include <DriverKit/IOUserClient.h>

/*
 * Asks the service for a user client, on the calling thread, which owns the service's queue: +1,
 * started. kIOReturnUnsupported: what NewUserClient brought is none; it is terminated.
 */
IOReturn user_client_create(IOService *service, uint32_t type, IOUserClient **ret_client);

#endif
