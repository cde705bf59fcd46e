/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os_log, for apps and drivers: os_log(OS_LOG_DEFAULT, "opened %u pipes", n). printf formats;
 * Apple's annotations (%{public}s, %{private}s) are accepted, what they annotate is printed; %@ is
 * an object as CFShow says it. One call is one line on standard error. A driver's lines carry its
 * name and are always written; an app's only if OPENDEXT_LOG asks for it (error, info or debug).
 */
#ifndef OPENDEXT_OS_LOG_H
#define OPENDEXT_OS_LOG_H

#include <stdbool.h>

#include <dext_cdefs.h>

DEXT_BEGIN_DECLS

typedef const struct os_log_s *os_log_t;

#define OS_LOG_DEFAULT	((os_log_t)0)
#define OS_LOG_DISABLED ((os_log_t)1) /* writes nothing */

typedef enum {
	OS_LOG_TYPE_DEFAULT = 0x00,
	OS_LOG_TYPE_INFO = 0x01,
	OS_LOG_TYPE_DEBUG = 0x02,
	OS_LOG_TYPE_ERROR = 0x10,
	OS_LOG_TYPE_FAULT = 0x11,
} os_log_type_t;

#define os_log(log, ...)       os_log_with_type((log), OS_LOG_TYPE_DEFAULT, __VA_ARGS__)
#define os_log_info(log, ...)  os_log_with_type((log), OS_LOG_TYPE_INFO, __VA_ARGS__)
#define os_log_debug(log, ...) os_log_with_type((log), OS_LOG_TYPE_DEBUG, __VA_ARGS__)
#define os_log_error(log, ...) os_log_with_type((log), OS_LOG_TYPE_ERROR, __VA_ARGS__)
#define os_log_fault(log, ...) os_log_with_type((log), OS_LOG_TYPE_FAULT, __VA_ARGS__)

/*
 * A log whose lines begin with "subsystem:category: ", cut at 255 bytes. Never freed; for equal
 * names the same one. Without memory: OS_LOG_DEFAULT.
 */
os_log_t os_log_create(const char *subsystem, const char *category);
/* Whether a line of that type would be written. */
bool os_log_type_enabled(os_log_t log, os_log_type_t type);
#define os_log_info_enabled(log)  os_log_type_enabled((log), OS_LOG_TYPE_INFO)
#define os_log_debug_enabled(log) os_log_type_enabled((log), OS_LOG_TYPE_DEBUG)

/* Any thread. Not checked by the compiler, since Apple's annotations are no printf formats. */
void os_log_with_type(os_log_t log, os_log_type_t type, const char *format, ...);

DEXT_END_DECLS

#endif
