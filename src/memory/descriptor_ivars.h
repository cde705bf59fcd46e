/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a descriptor, for the files of this layer. */
#ifndef MEMORY_DESCRIPTOR_IVARS_H
#define MEMORY_DESCRIPTOR_IVARS_H

#include "backing.h"
#include "descriptor.h"
#include "mapping.h"

#include <stdatomic.h>

#define MEMORY_DIRECTIONS ((uint64_t)kIOMemoryDirectionInOut)

struct IOMemoryDescriptor_IVars {
	struct memory_use *parts;     /* [const] one after the other they are the descriptor */
	uint32_t part_count;	      /* [const] */
	IOMemoryDescriptor **parents; /* [const] retained: what a window or joined one is made of */
	uint32_t parent_count;	      /* [const] */
	uint64_t direction;	      /* [const] */
	pthread_mutex_t lock;
	_Atomic uint64_t length;	  /* of a buffer, SetLength changes it */
	struct memory_mapping contiguous; /* [lock] made when memory_address is first asked */
};

/* With room for so many parts and parents, which the caller fills in, in this order. */
IOMemoryDescriptor *memory_new(const OSMetaClass *metaclass, uint32_t part_count,
			       uint32_t parent_count, uint64_t direction);

#endif
