/* SPDX-License-Identifier: Apache-2.0 */
/* Copying and running blocks. The runtime is the program's, so the references to it are weak. */
#include "block.h"

#include <stddef.h>

#include "log.h"

extern void *_Block_copy(const void *block) __attribute__((weak));
extern void _Block_release(const void *block) __attribute__((weak));

struct block *
block_copy(struct block *block, const char *function)
{
	struct block *copied;

	if (block == NULL)
		log_abort("%s: block is NULL", function);
	if (_Block_copy == NULL || _Block_release == NULL)
		log_abort("%s: the program has no runtime for blocks: link it with -lBlocksRuntime",
			  function);
	copied = _Block_copy(block);
	if (copied == NULL)
		log_abort("%s: out of memory", function);
	return copied;
}

void
block_release(struct block *block)
{
	_Block_release(block);
}

void
block_run(void *context)
{
	struct block *block = context;

	((void (*)(struct block *))block->invoke)(block);
}

void
block_run_and_release(void *context)
{
	block_run(context);
	_Block_release(context);
}
