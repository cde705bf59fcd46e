/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks, as libraries that are compiled without them know them: what the compilers lay down, a
 * struct whose `invoke` takes the block itself first. A block that is called later is copied, by
 * the runtime that a program with blocks links; without one there is nothing that could copy it.
 */
#ifndef QUEUE_BLOCK_H
#define QUEUE_BLOCK_H

struct block {
	void *isa;
	int flags;
	int reserved;
	void (*invoke)(void);
};

/* The program's copy of a block; `function` is for the message with which it aborts if it cannot.
 */
struct block *block_copy(struct block *block, const char *function);
void block_release(struct block *block);

/* For functions with a context: the block. */
void block_run(void *block);
void block_run_and_release(void *block);

#endif
