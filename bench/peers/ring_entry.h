/* SPDX-License-Identifier: Apache-2.0 */
/* What goes through the rings of the bench, ours and raw: each word is written, and each checked.
 */
#ifndef BENCH_RING_ENTRY_H
#define BENCH_RING_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#define RING_CAPACITY  1024u /* entries */
#define RING_BATCH_MAX 64u
#define RING_TURN      64u /* entries of one operation, in batches of the row's argument */

struct ring_entry {
	uint64_t words[8];
};

static inline void
ring_entry_write(struct ring_entry *entry, uint64_t number)
{
	for (unsigned i = 0; i < 8; i++)
		entry->words[i] = number + i;
}

static inline bool
ring_entry_is(const struct ring_entry *entry, uint64_t number)
{
	uint64_t wrong = 0;

	for (unsigned i = 0; i < 8; i++)
		wrong |= entry->words[i] ^ (number + i);
	return wrong == 0;
}

#endif
