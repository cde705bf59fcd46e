/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The count of payload bytes that the framework copied. There should be next to none, so whatever has to
 * copy some does it here, where it shows: dext_bytes_copied is in drivers' statistics and 0 in the tests.
 */
#ifndef MEMORY_COPIED_H
#define MEMORY_COPIED_H

#include <stddef.h>
#include <stdint.h>

/* memcpy of payload. */
void payload_copy(void *to, const void *from, size_t length);
/* For a copy that was made in another way. */
void payload_copied(uint64_t length);

#endif
