/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of entries that grows and never shrinks. A name is {generation, index, kind}: an index is
 * used again with another generation, so that a name that was released too often is seldom taken
 * for somebody else's. A service has one name, which is found by its id.
 *
 * One lock over all of it, held for a few instructions and over no call but connection_retain and
 * iterator_retain. Nobody takes another lock under it but an iterator's.
 *
 * A call finds its connection without the lock. For this entries never move, and that of a
 * connection has a word with the name that it is known by and the number of calls that are
 * underway: who adds himself sees the name of that very moment (object_table.pml). When the name
 * goes the entry and the table's reference stay until the last call leaves. In a forked child calls
 * of the parent's other threads never do, and such an entry is not used again.
 */
#include "object_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "connection.h"
#include "iterator.h"
#include "log.h"
#include "names.h"
#include "rare.h"

#define INDEX_BITS 16
#define INDEX_MAX  (1u << INDEX_BITS)
#define CHUNK	   64u /* entries */

/* The upper half of `calls`: the connection's name, or one of these, which are nobody's. */
#define NOT_NAMED UINT64_C(0)
#define CLOSING	  (UINT64_C(1) << 33)

struct entry {
	struct connection *connection; /* both NULL: a service */
	struct iterator *iterator;
	uint64_t id;	     /* registry id of a service */
	uint32_t references; /* 0: free */
	uint32_t generation;
	uint32_t next; /* index + 1 of the next free one, or service in its bucket; 0: none */
	_Atomic uint64_t calls; /* name, and in the lower half how many call by it */
};

static struct {
	pthread_mutex_t lock;
	_Atomic(struct entry *) chunks[INDEX_MAX / CHUNK]; /* once made they stay */
	uint32_t *services;  /* [lock], as the rest; buckets: index + 1; 0: none */
	uint32_t size;	     /* of those, a power of two and no less than `used` */
	uint32_t used;	     /* entries that were ever used */
	uint32_t first_free; /* index + 1; 0: none */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint32_t
index_of(io_object_t name)
{
	return (name >> NAME_KIND_BITS) & (INDEX_MAX - 1);
}

/* NULL: there is none yet. */
static struct entry *
entry_at(uint32_t index)
{
	/* Pairs with the store in add_chunk_locked, for who has no lock. */
	struct entry *chunk =
		atomic_load_explicit(&table.chunks[index / CHUNK], memory_order_acquire);

	return chunk != NULL ? &chunk[index % CHUNK] : NULL;
}

static io_object_t
name_of(uint32_t index)
{
	return entry_at(index)->generation << (INDEX_BITS + NAME_KIND_BITS) |
	       index << NAME_KIND_BITS | NAME_OBJECT;
}

static struct entry *
find_locked(io_object_t name)
{
	uint32_t index = index_of(name);

	if (name_kind_of(name) != NAME_OBJECT || index >= table.used ||
	    entry_at(index)->references == 0 || name_of(index) != name)
		return NULL;
	return entry_at(index);
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
	uint32_t *bucket = bucket_locked(entry_at(index)->id);

	entry_at(index)->next = *bucket;
	*bucket = index + 1;
}

static void
unlink_service_locked(const struct entry *entry)
{
	uint32_t *link = bucket_locked(entry->id);

	while (entry_at(*link - 1) != entry)
		link = &entry_at(*link - 1)->next;
	*link = entry->next;
}

static IOReturn
grow_services_locked(void)
{
	uint32_t size = table.size == 0 ? CHUNK : table.size * 2;
	uint32_t *services = calloc(size, sizeof(*services));

	if (services == NULL)
		return kIOReturnNoMemory;
	free(table.services);
	table.services = services;
	table.size = size;
	for (uint32_t i = 0; i < table.used; i++)
		if (entry_at(i)->references != 0 && is_service(entry_at(i)))
			link_service_locked(i);
	return kIOReturnSuccess;
}

static IOReturn
add_chunk_locked(void)
{
	struct entry *chunk;

	if (table.used == INDEX_MAX) {
		log_error("this process holds %u services and connections, which is the limit",
			  INDEX_MAX);
		return kIOReturnNoResources;
	}
	if (table.used == table.size && grow_services_locked() != kIOReturnSuccess)
		return kIOReturnNoMemory;
	chunk = calloc(CHUNK, sizeof(*chunk));
	if (chunk == NULL)
		return kIOReturnNoMemory;
	/* Pairs with the load in entry_at. */
	atomic_store_explicit(&table.chunks[table.used / CHUNK], chunk, memory_order_release);
	return kIOReturnSuccess;
}

static IOReturn
add_locked(struct connection *connection, struct iterator *iterator, uint64_t id,
	   io_object_t *ret_name)
{
	struct entry *entry;
	uint32_t index;
	IOReturn status;

	if (table.first_free != 0) {
		index = table.first_free - 1;
		table.first_free = entry_at(index)->next;
	} else {
		status = table.used % CHUNK == 0 ? add_chunk_locked() : kIOReturnSuccess;
		if (status != kIOReturnSuccess)
			return status;
		index = table.used++;
	}
	entry = entry_at(index);
	entry->connection = connection;
	entry->iterator = iterator;
	entry->id = id;
	entry->references = 1;
	entry->generation++;
	if (is_service(entry))
		link_service_locked(index);
	*ret_name = name_of(index);
	/* Pairs with object_enter, which is about to find the connection. */
	if (connection != NULL)
		atomic_fetch_add_explicit(&entry->calls, (uint64_t)*ret_name << 32,
					  memory_order_release);
	return kIOReturnSuccess;
}

IOReturn
object_add_service(uint64_t id, io_object_t *ret_name)
{
	IOReturn status = kIOReturnSuccess;
	uint32_t at;

	pthread_mutex_lock(&table.lock);
	at = table.size > 0 ? *bucket_locked(id) : 0;
	while (at != 0 && entry_at(at - 1)->id != id)
		at = entry_at(at - 1)->next;
	if (at != 0) {
		entry_at(at - 1)->references++;
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

static void
free_locked(struct entry *entry, uint32_t index)
{
	entry->connection = NULL;
	entry->iterator = NULL;
	entry->next = table.first_free;
	table.first_free = index + 1;
}

/* Once, after the last call by a name that has gone; who has come since by mistake does it then. */
RARE static void
close_entry(struct entry *entry, uint32_t index)
{
	struct connection *connection;
	uint64_t nobody = CLOSING;

	/* Pairs with the other callers' leaving. */
	if (!atomic_compare_exchange_strong_explicit(&entry->calls, &nobody, NOT_NAMED,
						     memory_order_acq_rel, memory_order_relaxed))
		return;
	pthread_mutex_lock(&table.lock);
	connection = entry->connection;
	free_locked(entry, index);
	pthread_mutex_unlock(&table.lock);
	connection_release(connection);
}

/* Pairs with itself: who closes the entry comes after all that the others did. */
static void
leave(struct entry *entry, uint32_t index)
{
	if (atomic_fetch_sub_explicit(&entry->calls, 1, memory_order_acq_rel) == CLOSING + 1)
		close_entry(entry, index);
}

struct connection *
object_enter(io_object_t name)
{
	uint32_t index = index_of(name);
	struct entry *entry = entry_at(index);

	if (name_kind_of(name) != NAME_OBJECT || entry == NULL)
		return NULL;
	/* Pairs with add_locked, whose name this is, and with object_release, which takes it away.
	 */
	if (atomic_fetch_add_explicit(&entry->calls, 1, memory_order_acquire) >> 32 == name)
		return entry->connection;
	leave(entry, index);
	return NULL;
}

void
object_leave(io_object_t name)
{
	leave(entry_at(index_of(name)), index_of(name));
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

/* Of a connection, which is retained for who closes it: he is one of those that have to leave. */
static void
end_name_locked(struct entry *entry, io_object_t name)
{
	connection_retain(entry->connection);
	/* Pairs with object_enter. */
	atomic_fetch_add_explicit(&entry->calls, CLOSING - ((uint64_t)name << 32) + 1,
				  memory_order_acq_rel);
}

bool
object_release(io_object_t name, struct connection **ret_connection)
{
	struct connection *connection = NULL;
	struct iterator *iterator = NULL;
	struct entry *entry;

	pthread_mutex_lock(&table.lock);
	entry = find_locked(name);
	if (entry != NULL && --entry->references == 0) {
		connection = entry->connection;
		iterator = entry->iterator;
		if (is_service(entry))
			unlink_service_locked(entry);
		if (connection != NULL)
			end_name_locked(entry, name);
		else
			free_locked(entry, index_of(name));
	}
	pthread_mutex_unlock(&table.lock);
	if (connection != NULL)
		object_leave(name);
	*ret_connection = connection;
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
