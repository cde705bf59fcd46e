/* SPDX-License-Identifier: Apache-2.0 */
/* A set of registry ids, sorted. It starts as zeros and is given back with id_set_clear. */
#ifndef BASE_ID_SET_H
#define BASE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

struct id_set {
	uint64_t *ids;
	size_t count, size;
};

/* kIOReturnExclusiveAccess: it is in already. kIOReturnNoMemory. */
IOReturn id_set_add(struct id_set *set, uint64_t id);
/* Whether it was in. */
bool id_set_remove(struct id_set *set, uint64_t id);
bool id_set_has(const struct id_set *set, uint64_t id);
void id_set_clear(struct id_set *set);

#endif
