/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of read-only mappings of apps' input structures. Asked by the handler of a fault, which
 * may interrupt anything: so no lock, only slots that are taken and given back by one exchange.
 *
 * A slot's start is written last and cleared first; a reader that sees a start sees its length,
 * acquire against release, or would explain a fault with another mapping's range.
 */
#include "readonly.h"

#include <stdatomic.h>
#include <stddef.h>

#define SLOTS 256u
#define TAKEN ((uintptr_t)1) /* no mapping starts there */

static struct {
	_Atomic uintptr_t start; /* 0: free */
	_Atomic uint64_t length;
} slots[SLOTS];

void
readonly_add(const void *address, uint64_t length)
{
	for (size_t i = 0; i < SLOTS; i++) {
		uintptr_t none = 0;

		if (!atomic_compare_exchange_strong(&slots[i].start, &none, TAKEN))
			continue;
		atomic_store_explicit(&slots[i].length, length, memory_order_relaxed);
		/* Pairs with the load in readonly_contains. */
		atomic_store_explicit(&slots[i].start, (uintptr_t)address, memory_order_release);
		return;
	}
}

void
readonly_remove(const void *address)
{
	for (size_t i = 0; i < SLOTS; i++) {
		uintptr_t start = (uintptr_t)address;

		if (atomic_compare_exchange_strong(&slots[i].start, &start, 0))
			return;
	}
}

bool
readonly_contains(const void *address)
{
	for (size_t i = 0; i < SLOTS; i++) {
		/* Pairs with the store in readonly_add. */
		uintptr_t start = atomic_load_explicit(&slots[i].start, memory_order_acquire);
		uint64_t length = atomic_load_explicit(&slots[i].length, memory_order_relaxed);

		if (start > TAKEN && (uintptr_t)address - start < length)
			return true;
	}
	return false;
}
