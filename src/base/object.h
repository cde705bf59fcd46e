/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of OSObject: what every object starts with, and how a method is found.
 *
 * An instance is this header followed by the instance variables of each class of its chain, the
 * base class's first, each aligned to 16 bytes. Framework classes keep their own state there as
 * well, so that OSObjectIVars is the only way to state, for them and for drivers.
 *
 * Never release an object under a framework lock: its free may be a driver's code, or want that
 * lock.
 */
#ifndef BASE_OBJECT_H
#define BASE_OBJECT_H

#include <stdatomic.h>
#include <string.h>

#include <CoreFoundation/CFString.h>
#include <DriverKit/OSObject.h>

enum {
	/* Set by the base class's own init and free, so that a forgotten superclass call is
	 * noticed. */
	OBJECT_INITIALIZED = 1,
	OBJECT_FREED = 2,
	/* CopyDispatchQueue says the same until queues_changed (queue/queue.h). */
	OBJECT_KEEPS_QUEUES = 4,
};

/* The count of objects that are never freed: kOSBooleanTrue. Retain and release leave it alone. */
#define OBJECT_IMMORTAL UINT32_MAX

struct OSObject {
	_Alignas(16) const OSMetaClass *metaclass; /* [const] what follows begins at 16 */
	_Atomic uint32_t references;
	uint32_t marks; /* OBJECT_x: by init, then by the last owner */
};

/*
 * Who is told of objects: driver/witness.c, for tests. NULL: nobody. Set while no object that it
 * wants to know of is made or used.
 */
struct object_watch {
	void (*made)(const OSObject *object);
	void (*ended)(const OSObject *object); /* its memory goes now */
	/*
	 * A reference is about to be taken or given up. False: not of this one, which has ended;
	 * nothing there may be looked at.
	 */
	bool (*counted)(const void *pointer, const char *how);
	/* The instance variables that `metaclass` added to it are about to be used. */
	void (*used)(const OSMetaClass *metaclass, OSObject *object);
};
extern const struct object_watch *object_watch;

/* The immortal OSString of a constant's text. */
OSObject *object_of_constant(const char *text);

/*
 * The object behind a reference: behind all but CFSTR it is the same pointer. The functions of
 * OSObject take either; whoever looks at a header himself comes here first.
 */
static inline struct OSObject *
object_real(const void *reference)
{
	if (reference != NULL && memcmp(reference, __CFSTR_MARK, sizeof(__CFSTR_MARK) - 1) == 0)
		return object_of_constant((const char *)reference + sizeof(__CFSTR_MARK) - 1);
	return (struct OSObject *)(uintptr_t)reference;
}

/*
 * The nearest implementation of an entry of a method table, from the object's class upwards; NULL
 * if there is none. `table` is the table's offset in OSMetaClass, `entry` the entry's offset in the
 * table.
 */
typedef void (*object_method_fn)(void);
object_method_fn object_method(const void *object, size_t table, size_t entry);

/* METHOD(self, service, IOServiceMethods, Start)(self, provider) */
#define METHOD(object, table, type, entry)                                                        \
	((__typeof__(((type *)NULL)->entry))object_method((object), offsetof(OSMetaClass, table), \
							  offsetof(type, entry)))

/*
 * An object of this class that went through init, or NULL. For framework classes, whose init cannot
 * fail other than for want of memory.
 */
#define object_create(type) ((type *)object_create_of(OSTypeID(type)))
OSObject *object_create_of(const OSMetaClass *metaclass);

/* Whether somebody but the caller, who has one reference, holds the object. NULL: no. */
static inline bool
object_is_shared(const void *pointer)
{
	struct OSObject *object = object_real(pointer);

	/* Relaxed: a reference that was taken in a call of the caller's is in its past. */
	return object != NULL &&
	       atomic_load_explicit(&object->references, memory_order_relaxed) > 1;
}

/*
 * A reference on an object that its last owner may be releasing just now, and that cannot be gone
 * yet since its free waits for a lock of the caller's. False: it is being freed.
 */
bool object_try_retain(void *object);

#endif
