/* SPDX-License-Identifier: Apache-2.0 */
/* One counter for the process; any thread. Relaxed: it stands for itself and pairs with nothing. */
#include "copied.h"

#include <stdatomic.h>
#include <string.h>

#include <DriverKit/dext_memory.h>

static _Atomic uint64_t copied;

void
payload_copied(uint64_t length)
{
	atomic_fetch_add_explicit(&copied, length, memory_order_relaxed);
}

void
payload_copy(void *to, const void *from, size_t length)
{
	memcpy(to, from, length);
	payload_copied(length);
}

uint64_t
dext_bytes_copied(void)
{
	return atomic_load_explicit(&copied, memory_order_relaxed);
}
