/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iterators over registry entries: a snapshot of ids, taken when the iterator is made and again at
 * each reset. EnterEntry puts another one, of what is below the last entry, on top of it. Or a
 * notification: then what comes next is what its watch brings, and there is no reset.
 */
#ifndef CLIENT_ITERATOR_H
#define CLIENT_ITERATOR_H

#include "packets.h"
#include "registry_names.h"

#include <DriverKit/OSCollections.h>

#include <IOKit/IOTypes.h>

struct iterator;
struct watch;

/* Both ask the registry. Matching is retained. */
IOReturn iterator_create_matching(OSDictionary *matching, struct iterator **ret_iterator);
IOReturn iterator_create(uint64_t id, enum plane plane, enum entry_relation relation,
			 struct iterator **ret_iterator);
/*
 * A notification. On success it owns the watch, and one reference of `service` (IO_OBJECT_NULL:
 * none).
 */
IOReturn iterator_create_watch_take(struct watch *watch, io_service_t service,
				    struct iterator **ret_iterator);
/* Its watch; NULL: it is another iterator. */
struct watch *iterator_watch(const struct iterator *iterator);
void iterator_retain(struct iterator *iterator);
void iterator_release(struct iterator *iterator);

/* False: the end. */
bool iterator_next(struct iterator *iterator, uint64_t *ret_id);
IOReturn iterator_reset(struct iterator *iterator);
/* kIOReturnBadArgument: it has not come to an entry yet, or is no iterator over a plane. */
IOReturn iterator_enter(struct iterator *iterator);
/* kIOReturnNoDevice: nothing was entered. */
IOReturn iterator_exit(struct iterator *iterator);

/* Around fork: the child finds iterators consistent. */
void iterator_fork_prepare(void);
void iterator_fork_done(void);

#endif
