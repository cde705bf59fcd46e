/* SPDX-License-Identifier: Apache-2.0 */
/* A range of a descriptor, contiguous in this process: what IOMemoryMap and memory_address have. */
#ifndef MEMORY_MAPPING_H
#define MEMORY_MAPPING_H

#include "backing.h"

struct memory_mapping {
	void *address; /* of the first byte; NULL: no mapping */
	uint64_t length;
	char *base; /* of its page */
	bool guards;
	struct memory_use *uses; /* hold the backings, and their splits up */
	uint32_t use_count;
};

/* `length` bytes, not 0, from `offset`, both inside the parts. fixed_address: NULL for anywhere. */
IOReturn mapping_create(struct memory_mapping *mapping, const struct memory_use *parts,
			uint32_t part_count, uint64_t offset, uint64_t length, bool writable,
			bool guards, void *fixed_address);
void mapping_end(struct memory_mapping *mapping);

#endif
