/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of services, connections and iterators: io_object_t. A name has a count of the
 * references that the app holds on it; the same service found twice is the same name with two
 * references.
 */
#ifndef CLIENT_OBJECT_TABLE_H
#define CLIENT_OBJECT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <IOKit/IOTypes.h>

struct connection;
struct iterator;

/* Both return a name with one reference more. kIOReturnNoResources, kIOReturnNoMemory. */
IOReturn object_add_service(uint64_t id, io_object_t *ret_name);
/* Takes the connection's reference on success. */
IOReturn object_add_connection_take(struct connection *connection, io_object_t *ret_name);

/* Takes the iterator's reference on success. */
IOReturn object_add_iterator_take(struct iterator *iterator, io_object_t *ret_name);

/* The registry id of a service's name. False: there is no such service. */
bool object_get_service(io_object_t name, uint64_t *ret_id);
/*
 * The connection of a name, for the time of a call; NULL if there is none. It is there until
 * object_leave, which is called once for each that was not NULL and with that name, whatever
 * becomes of the name meanwhile. Takes no lock.
 */
struct connection *object_enter(io_object_t name);
void object_leave(io_object_t name);
/* The connection of a name, retained; NULL if there is none. */
struct connection *object_copy_connection(io_object_t name);

/* The iterator of a name, retained; NULL if there is none. */
struct iterator *object_copy_iterator(io_object_t name);

/*
 * What a call on a name is refused with that is not of the kind it needs: MACH_SEND_INVALID_DEST if
 * it is nobody's, kIOReturnBadArgument if it is of another kind.
 */
IOReturn object_refusal(io_object_t name);

/* References that the app holds on a name; 0: no such name. */
uint32_t object_references(io_object_t name);
bool object_retain(io_object_t name);
/*
 * False: no such name. With the last reference of a connection its name goes, and *ret_connection
 * is the connection, retained, for the caller to close; else NULL.
 */
bool object_release(io_object_t name, struct connection **ret_connection);

/* Around fork: the child finds the table consistent. */
void object_table_fork_prepare(void);
void object_table_fork_done(void);

#endif
