/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses in words. */
#ifndef OPENDEXT_MACH_MACH_ERROR_H
#define OPENDEXT_MACH_MACH_ERROR_H

#include <dext_cdefs.h>
#include <mach/error.h>

DEXT_BEGIN_DECLS

/* Static storage, or the calling thread's until its next call. */
char *mach_error_string(mach_error_t status);
/* Whose status it is: "(os/kern)", "(ipc/send)", "(iokit/common)", ... */
char *mach_error_type(mach_error_t status);
/* Prints "what: words" to standard error. */
void mach_error(const char *what, mach_error_t status);

DEXT_END_DECLS

#endif
