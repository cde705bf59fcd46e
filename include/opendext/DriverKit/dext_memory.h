/* SPDX-License-Identifier: Apache-2.0 */
/* What only OpenDext tells a driver about memory. */
#ifndef OPENDEXT_DRIVERKIT_DEXT_MEMORY_H
#define OPENDEXT_DRIVERKIT_DEXT_MEMORY_H

#include <stdint.h>

#include <dext_cdefs.h>

DEXT_BEGIN_DECLS

/*
 * Payload bytes that the framework has copied in this process since it started, on the way between apps,
 * driver and USB stack. 0 for transfers on pipes, always. What counts: the data stage of control requests on
 * real devices, and the pages of a window that was split off from memory already in use. Any thread.
 */
uint64_t dext_bytes_copied(void);

DEXT_END_DECLS

#endif
