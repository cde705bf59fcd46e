/* SPDX-License-Identifier: Apache-2.0 */
/* Where the registry listens, and a socket to it. */
#ifndef CLIENT_RUNTIME_H
#define CLIENT_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

#include <DriverKit/IOReturn.h>

/*
 * The index-th place to look for the registry's socket, as a path. OPENDEXT_RUNTIME_DIR, where set,
 * is the only one. kIOReturnNotFound: there are no more. kIOReturnBadArgument: too long for an
 * address.
 */
IOReturn runtime_path(unsigned index, char *path, size_t size);

/*
 * A socket connected to the first that accepts, close-on-exec; wait: false for one that is
 * non-blocking, and where too many wait to be accepted, kIOReturnNotReady. kIOReturnNotFound: there
 * is no socket anywhere. kIOReturnNotReady: there is one that nobody listens on at the moment.
 */
IOReturn runtime_connect(bool wait, int *ret_socket);

#endif
