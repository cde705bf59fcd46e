/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array of registrations that grows by doubling, with a list of free indices through it. The
 * generation of an index counts its uses, so that a late completion for an earlier use is seen to
 * be one. Locked by its connection.
 */
#include "async_table.h"

#include <assert.h>
#include <stdlib.h>

#include "bounds.h"
#include "log.h"

struct async_entry {
	struct async_registration registration;
	uint32_t generation;
	uint32_t next_free; /* index + 1; 0: none */
	bool used;
};

static IOReturn
grow(struct async_table *table)
{
	uint32_t size = table->size == 0 ? 8 : table->size * 2;
	struct async_entry *entries;

	if (size > DEXT_LIMIT_ASYNC)
		size = DEXT_LIMIT_ASYNC;
	if (size == table->size)
		return kIOReturnNoResources;
	entries = realloc(table->entries, size * sizeof(*entries));
	if (entries == NULL)
		return kIOReturnNoMemory;
	for (uint32_t i = size; i-- > table->size;) {
		entries[i] = (struct async_entry){.next_free = table->first_free};
		table->first_free = i + 1;
	}
	table->entries = entries;
	table->size = size;
	return kIOReturnSuccess;
}

IOReturn
async_table_add(struct async_table *table, const struct async_registration *registration,
		uint32_t *ret_index, uint32_t *ret_generation)
{
	struct async_entry *entry;
	IOReturn status;

	if (table->first_free == 0) {
		status = grow(table);
		if (status != kIOReturnSuccess)
			return status;
	}
	*ret_index = table->first_free - 1;
	entry = &table->entries[*ret_index];
	table->first_free = entry->next_free;
	entry->registration = *registration;
	entry->used = true;
	*ret_generation = ++entry->generation;
	table->used++;
	return kIOReturnSuccess;
}

const struct async_registration *
async_table_get(const struct async_table *table, uint32_t index, uint32_t generation)
{
	if (index >= table->size || !table->entries[index].used ||
	    table->entries[index].generation != generation)
		return NULL;
	return &table->entries[index].registration;
}

bool
async_table_remove(struct async_table *table, uint32_t index, uint32_t generation,
		   struct async_registration *ret_registration)
{
	struct async_entry *entry;

	if (async_table_get(table, index, generation) == NULL)
		return false;
	entry = &table->entries[index];
	*ret_registration = entry->registration;
	entry->registration = (struct async_registration){0};
	entry->used = false;
	entry->next_free = table->first_free;
	table->first_free = index + 1;
	table->used--;
	return true;
}

bool
async_table_remove_any(struct async_table *table, struct async_registration *ret_registration)
{
	for (uint32_t i = 0; table->used != 0 && i < table->size; i++)
		if (table->entries[i].used)
			return async_table_remove(table, i, table->entries[i].generation,
						  ret_registration);
	return false;
}

const struct async_registration *
async_table_next(const struct async_table *table, uint32_t *index)
{
	while (*index < table->size) {
		struct async_entry *entry = &table->entries[(*index)++];

		if (entry->used)
			return &entry->registration;
	}
	return NULL;
}

void
async_table_free(struct async_table *table)
{
	assert(table->used == 0);
	free(table->entries);
	*table = (struct async_table){0};
}
