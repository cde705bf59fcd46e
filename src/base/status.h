/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses: the only place where an errno becomes one, and where a status becomes words. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stddef.h>

#include <DriverKit/IOReturn.h>

/* Logs "what: strerror" at debug level and returns the status that stands for it; never success. */
IOReturn status_from_errno(int error, const char *what);

/* strerror into `text`, which it returns, from any thread. */
const char *errno_text(int error, char *text, size_t size);

/* "kIOReturnNotAligned: ..." in words; static storage; a number in hex for what is unknown. */
const char *status_string(IOReturn status);

#endif
