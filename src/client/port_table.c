/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of ports: a table of places, each with a count of its uses. One lock, a leaf, that is held
 * over fork, so that a child can make ports of its own whatever the parent's threads were doing.
 */
#include "port_table.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "log.h"
#include "names.h"
#include "port.h"

#define PLACE_BITS 14
#define PLACES_MAX (1u << PLACE_BITS)
#define USES_MASK  0xffffu

struct place {
	struct port *port; /* +1; NULL: free */
	uint32_t uses;
	uint32_t next_free; /* index + 1 of the next free place; 0: none */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct place *places; /* [lock] */
static uint32_t size;	     /* [lock] */
static uint32_t first_free;  /* [lock] index + 1 */
static uint32_t last_free;   /* [lock] places are used again in turn, the longest free first */
static unsigned generation;  /* changed in a child's only thread */

static void
before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void
after_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void
after_fork_child(void)
{
	generation++;
	pthread_mutex_unlock(&lock);
}

static void
prepare(void)
{
	if (pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0)
		log_error("ports: no memory to prepare for fork");
}

unsigned
port_table_generation(void)
{
	return generation;
}

static void
append_free_locked(uint32_t index)
{
	places[index].next_free = 0;
	if (last_free != 0)
		places[last_free - 1].next_free = index + 1;
	else
		first_free = index + 1;
	last_free = index + 1;
}

static IOReturn
grow_locked(void)
{
	uint32_t wanted = size == 0 ? 16 : size * 2;
	struct place *grown;

	if (size == PLACES_MAX) {
		log_error("ports: all %u names are in use", PLACES_MAX);
		return kIOReturnNoResources;
	}
	grown = realloc(places, wanted * sizeof(*grown));
	if (grown == NULL)
		return kIOReturnNoMemory;
	places = grown;
	for (uint32_t i = size; i < wanted; i++) {
		places[i] = (struct place){0};
		append_free_locked(i);
	}
	size = wanted;
	return kIOReturnSuccess;
}

static mach_port_t
name_of(uint32_t index)
{
	uint32_t number = (places[index].uses & USES_MASK) << PLACE_BITS | index;

	return number << NAME_KIND_BITS | NAME_PORT;
}

/* The place that a name stands for now, or NULL. */
static struct place *
find_locked(mach_port_t name)
{
	uint32_t index = name >> NAME_KIND_BITS & (PLACES_MAX - 1);

	if (index >= size || places[index].port == NULL || name_of(index) != name)
		return NULL;
	return &places[index];
}

IOReturn
port_table_add(struct port *port, mach_port_t *ret_name)
{
	IOReturn res = kIOReturnSuccess;
	struct place *place;

	pthread_once(&once, prepare);
	pthread_mutex_lock(&lock);
	if (first_free == 0)
		res = grow_locked();
	if (res == kIOReturnSuccess) {
		place = &places[first_free - 1];
		*ret_name = name_of(first_free - 1);
		first_free = place->next_free;
		if (first_free == 0)
			last_free = 0;
		place->port = port_retain(port);
	}
	pthread_mutex_unlock(&lock);
	return res;
}

bool
port_table_remove(mach_port_t name)
{
	struct port *port = NULL;
	struct place *place;

	pthread_mutex_lock(&lock);
	place = find_locked(name);
	if (place != NULL) {
		port = place->port;
		place->port = NULL;
		/* MACH_PORT_DEAD has all bits set: the last place skips the use that gives it. */
		place->uses = (place->uses + 1) % USES_MASK;
		append_free_locked((uint32_t)(place - places));
	}
	pthread_mutex_unlock(&lock);
	if (port == NULL)
		return false;
	port_release(port);
	return true;
}

struct port *
port_table_copy(mach_port_t name)
{
	struct port *port = NULL;
	struct place *place;

	pthread_mutex_lock(&lock);
	place = find_locked(name);
	if (place != NULL && !port_is_inherited(place->port))
		port = port_retain(place->port);
	pthread_mutex_unlock(&lock);
	return port;
}
