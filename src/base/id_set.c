/* SPDX-License-Identifier: Apache-2.0 */
/* No state; the caller's lock guards a set. */
#include "id_set.h"

#include <stdlib.h>
#include <string.h>

/* Where the id is, or would be. */
static size_t
place_of(const struct id_set *set, uint64_t id)
{
	size_t from = 0, to = set->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (set->ids[middle] < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

bool
id_set_has(const struct id_set *set, uint64_t id)
{
	size_t place = place_of(set, id);

	return place < set->count && set->ids[place] == id;
}

IOReturn
id_set_add(struct id_set *set, uint64_t id)
{
	size_t place = place_of(set, id);

	if (place < set->count && set->ids[place] == id)
		return kIOReturnExclusiveAccess;
	if (set->count == set->size) {
		size_t size = set->size == 0 ? 4 : set->size * 2;
		uint64_t *grown = realloc(set->ids, size * sizeof(*grown));

		if (grown == NULL)
			return kIOReturnNoMemory;
		set->ids = grown;
		set->size = size;
	}
	memmove(&set->ids[place + 1], &set->ids[place], (set->count - place) * sizeof(id));
	set->ids[place] = id;
	set->count++;
	return kIOReturnSuccess;
}

bool
id_set_remove(struct id_set *set, uint64_t id)
{
	size_t place = place_of(set, id);

	if (place == set->count || set->ids[place] != id)
		return false;
	set->count--;
	memmove(&set->ids[place], &set->ids[place + 1], (set->count - place) * sizeof(id));
	return true;
}

void
id_set_clear(struct id_set *set)
{
	free(set->ids);
	*set = (struct id_set){0};
}
