/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of entries that grows and never shrinks. A name is {generation, index, kind}: an index is
 * used again with another generation, so that a name that was released too often is seldom taken
 * for somebody else's. A service has one name, which is found by its id.
 *
 * One lock over all of it, held for a few instructions and over no call but connection_retain and
 * iterator_retain. Nobody takes another lock under it but an iterator's.
 */
#include "object_table.h"

#include <pthread.h>
#include <stdlib.h>

#include "connection.h"
#include "iterator.h"
#include "log.h"
#include "names.h"

#define INDEX_BITS 16
#define INDEX_MAX  (1u << INDEX_BITS)

struct entry {
	struct connection *connection; /* both NULL: a service */
	struct iterator *iterator;
	uint64_t id;	     /* registry id of a service */
	uint32_t references; /* 0: free */
	uint32_t generation;
	uint32_t next; /* index + 1 of the next free one, or service in its bucket; 0: none */
};

static struct {
	pthread_mutex_t lock;
	struct entry *entries; /* [lock], as the rest */
	uint32_t *services;    /* a bucket for each entry: index + 1; 0: none */
	uint32_t size;	       /* a power of two */
	uint32_t used;	       /* entries that were ever used */
	uint32_t first_free;   /* index + 1; 0: none */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static io_object_t
name_of(uint32_t index)
{
	return table.entries[index].generation << (INDEX_BITS + NAME_KIND_BITS) |
	       index << NAME_KIND_BITS | NAME_OBJECT;
}

static struct entry *
find_locked(io_object_t name)
{
	uint32_t index = (name >> NAME_KIND_BITS) & (INDEX_MAX - 1);

	if (name_kind_of(name) != NAME_OBJECT || index >= table.used ||
	    table.entries[index].references == 0 || name_of(index) != name)
		return NULL;
	return &table.entries[index];
}

static bool
is_service(const struct entry *entry)
{
	return entry->connection == NULL && entry->iterator == NULL;
}

/* Ids are random numbers. */
static uint32_t *
bucket_locked(uint64_t id)
{
	return &table.services[id & (table.size - 1)];
}

static void
link_service_locked(uint32_t index)
{
	uint32_t *bucket = bucket_locked(table.entries[index].id);

	table.entries[index].next = *bucket;
	*bucket = index + 1;
}

static void
unlink_service_locked(const struct entry *entry)
{
	uint32_t *link = bucket_locked(entry->id);

	while (&table.entries[*link - 1] != entry)
		link = &table.entries[*link - 1].next;
	*link = entry->next;
}

static IOReturn
grow_locked(void)
{
	uint32_t size = table.size == 0 ? 64 : table.size * 2, *services;
	struct entry *entries;

	if (table.size == INDEX_MAX) {
		log_error("this process holds %u services and connections, which is the limit",
			  INDEX_MAX);
		return kIOReturnNoResources;
	}
	services = calloc(size, sizeof(*services));
	entries = services != NULL ? realloc(table.entries, size * sizeof(*entries)) : NULL;
	if (entries == NULL) {
		free(services);
		return kIOReturnNoMemory;
	}
	free(table.services);
	table.entries = entries;
	table.services = services;
	table.size = size;
	for (uint32_t i = 0; i < table.used; i++)
		if (entries[i].references != 0 && is_service(&entries[i]))
			link_service_locked(i);
	return kIOReturnSuccess;
}

static IOReturn
add_locked(struct connection *connection, struct iterator *iterator, uint64_t id,
	   io_object_t *ret_name)
{
	uint32_t index;
	IOReturn status;

	if (table.first_free != 0) {
		index = table.first_free - 1;
		table.first_free = table.entries[index].next;
	} else {
		status = table.used == table.size ? grow_locked() : kIOReturnSuccess;
		if (status != kIOReturnSuccess)
			return status;
		index = table.used++;
		table.entries[index].generation = 0;
	}
	table.entries[index] = (struct entry){
		.connection = connection,
		.iterator = iterator,
		.id = id,
		.references = 1,
		.generation = table.entries[index].generation + 1,
	};
	if (is_service(&table.entries[index]))
		link_service_locked(index);
	*ret_name = name_of(index);
	return kIOReturnSuccess;
}

IOReturn
object_add_service(uint64_t id, io_object_t *ret_name)
{
	IOReturn status = kIOReturnSuccess;
	uint32_t at;

	pthread_mutex_lock(&table.lock);
	at = table.size > 0 ? *bucket_locked(id) : 0;
	while (at != 0 && table.entries[at - 1].id != id)
		at = table.entries[at - 1].next;
	if (at != 0) {
		table.entries[at - 1].references++;
		*ret_name = name_of(at - 1);
	} else {
		status = add_locked(NULL, NULL, id, ret_name);
	}
	pthread_mutex_unlock(&table.lock);
	return status;
}

IOReturn
object_add_connection_take(struct connection *connection, io_object_t *ret_name)
{
	IOReturn status;

	pthread_mutex_lock(&table.lock);
	status = add_locked(connection, NULL, 0, ret_name);
	pthread_mutex_unlock(&table.lock);
	return status;
}

IOReturn
object_add_iterator_take(struct iterator *iterator, io_object_t *ret_name)
{
	IOReturn status;

	pthread_mutex_lock(&table.lock);
	status = add_locked(NULL, iterator, 0, ret_name);
	pthread_mutex_unlock(&table.lock);
	return status;
}

bool
object_get_service(io_object_t name, uint64_t *ret_id)
{
	const struct entry *entry;
	bool found;

	pthread_mutex_lock(&table.lock);
	entry = find_locked(name);
	found = entry != NULL && is_service(entry);
	if (found)
		*ret_id = entry->id;
	pthread_mutex_unlock(&table.lock);
	return found;
}

struct connection *
object_copy_connection(io_object_t name)
{
	struct connection *connection = NULL;
	const struct entry *entry;

	pthread_mutex_lock(&table.lock);
	entry = find_locked(name);
	if (entry != NULL && entry->connection != NULL) {
		connection = entry->connection;
		connection_retain(connection);
	}
	pthread_mutex_unlock(&table.lock);
	return connection;
}

struct iterator *
object_copy_iterator(io_object_t name)
{
	struct iterator *iterator = NULL;
	const struct entry *entry;

	pthread_mutex_lock(&table.lock);
	entry = find_locked(name);
	if (entry != NULL && entry->iterator != NULL) {
		iterator = entry->iterator;
		iterator_retain(iterator);
	}
	pthread_mutex_unlock(&table.lock);
	return iterator;
}

uint32_t
object_references(io_object_t name)
{
	const struct entry *entry;
	uint32_t references;

	pthread_mutex_lock(&table.lock);
	entry = find_locked(name);
	references = entry != NULL ? entry->references : 0;
	pthread_mutex_unlock(&table.lock);
	return references;
}

IOReturn
object_refusal(io_object_t name)
{
	return object_references(name) == 0 ? MACH_SEND_INVALID_DEST : kIOReturnBadArgument;
}

bool
object_retain(io_object_t name)
{
	struct entry *entry;

	pthread_mutex_lock(&table.lock);
	entry = find_locked(name);
	if (entry != NULL)
		entry->references++;
	pthread_mutex_unlock(&table.lock);
	return entry != NULL;
}

bool
object_release(io_object_t name, struct connection **ret_connection)
{
	struct iterator *iterator = NULL;
	struct entry *entry;

	*ret_connection = NULL;
	pthread_mutex_lock(&table.lock);
	entry = find_locked(name);
	if (entry != NULL && --entry->references == 0) {
		if (is_service(entry))
			unlink_service_locked(entry);
		*ret_connection = entry->connection;
		iterator = entry->iterator;
		entry->connection = NULL;
		entry->iterator = NULL;
		entry->next = table.first_free;
		table.first_free = (uint32_t)(entry - table.entries) + 1;
	}
	pthread_mutex_unlock(&table.lock);
	if (iterator != NULL)
		iterator_release(iterator);
	return entry != NULL;
}

void
object_table_fork_prepare(void)
{
	pthread_mutex_lock(&table.lock);
}

void
object_table_fork_done(void)
{
	pthread_mutex_unlock(&table.lock);
}
