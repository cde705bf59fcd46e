/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: allocation, references, class checks, and how a method is found.
 *
 * Invariants: a class's chain ends at OSObject; the instance variables of a class start 16-byte
 * aligned after those of its superclass; the memory of an object goes only after its free method
 * returned and OSObject_free_Impl was reached on the way.
 *
 * Classes may come from a bundle that was compiled against an older header: a table entry is only
 * looked at when the sizes in the class and in the table say that it is there.
 *
 * Any thread. References are the only state that threads share here.
 */
#include "object.h"

#include "log.h"

#include <assert.h>
#include <stdlib.h>

#define IVARS_ALIGN	16u
#define IVARS_MAX	(UINT32_C(16) << 20)
#define CLASS_DEPTH_MAX 64

const struct object_watch *object_watch;

static kern_return_t
set_queue(OSObject *self, IODispatchQueueName name, IODispatchQueue *queue)
{
	log_error("%s: SetDispatchQueue: the class has no methods on queue '%s'",
		  OSObject_GetClassName(self), name);
	return kIOReturnBadArgument;
}

static kern_return_t
copy_queue(OSObject *self, IODispatchQueueName name, IODispatchQueue **queue)
{
	return kIOReturnNotFound;
}

static const OSObjectMethods base_methods = {
	.size = sizeof(OSObjectMethods),
	.init = OSObject_init_Impl,
	.free = OSObject_free_Impl,
	.SetDispatchQueue = set_queue,
	.CopyDispatchQueue = copy_queue,
};

const OSMetaClass gOSObjectMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSObject",
	.object = &base_methods,
};

static size_t
ivars_space(const OSMetaClass *metaclass)
{
	return (metaclass->ivars_size + IVARS_ALIGN - 1) & ~(size_t)(IVARS_ALIGN - 1);
}

/* Bytes of an instance, 0 if the class is not one that this library can work with. */
static size_t
instance_size(const OSMetaClass *metaclass)
{
	size_t total = sizeof(struct OSObject);
	const OSMetaClass *at = metaclass;

	for (int depth = 0; depth < CLASS_DEPTH_MAX && at != NULL; depth++) {
		if (at->size < offsetof(OSMetaClass, object) || at->name == NULL ||
		    at->ivars_size > IVARS_MAX)
			return 0;
		if (at == &gOSObjectMetaClass)
			return total;
		total += ivars_space(at);
		at = at->superclass;
	}
	return 0;
}

OSObject *
OSMetaClass_alloc(const OSMetaClass *metaclass)
{
	size_t size = metaclass == NULL ? 0 : instance_size(metaclass);
	struct OSObject *object;

	if (size == 0) {
		log_error("OSMetaClass_alloc: metaclass%s%s: no class whose chain ends at OSObject",
			  metaclass != NULL && metaclass->name != NULL ? " " : "",
			  metaclass != NULL && metaclass->name != NULL ? metaclass->name : "");
		return NULL;
	}
	object = calloc(1, size);
	if (object == NULL)
		return NULL;
	object->metaclass = metaclass;
	atomic_init(&object->references, 1);
	if (object_watch != NULL)
		object_watch->made(object);
	return object;
}

OSObject *
object_create_of(const OSMetaClass *metaclass)
{
	OSObject *object = OSMetaClass_alloc(metaclass);

	if (object != NULL && !OSObject_init(object)) {
		OSRelease(object);
		return NULL;
	}
	return object;
}

static bool
is_kind(const OSMetaClass *metaclass, const struct OSObject *object)
{
	for (const OSMetaClass *at = object->metaclass; at != NULL; at = at->superclass)
		if (at == metaclass)
			return true;
	return false;
}

OSObject *
OSMetaClass_cast(const OSMetaClass *metaclass, const void *object)
{
	OSObject *real = object_real(object);

	return real != NULL && is_kind(metaclass, real) ? real : NULL;
}

OSObject *
OSMetaClass_require(const OSMetaClass *metaclass, const void *object)
{
	OSObject *real = object_real(object);

	if (real != NULL && !is_kind(metaclass, real))
		log_abort("%s expected, this object is a %s", metaclass->name,
			  OSObject_GetClassName(real));
	return real;
}

void *
OSMetaClass_ivars(const OSMetaClass *metaclass, const void *object)
{
	size_t offset = sizeof(struct OSObject);
	OSObject *real = object_real(object);

	if (real == NULL || !is_kind(metaclass, real))
		log_abort("instance variables of %s asked of %s", metaclass->name,
			  OSObject_GetClassName(real));
	for (const OSMetaClass *at = metaclass->superclass; at != NULL; at = at->superclass)
		offset += ivars_space(at);
	if (object_watch != NULL)
		object_watch->used(metaclass, real);
	return (char *)real + offset;
}

void
OSRetain(const void *pointer)
{
	struct OSObject *object;
	uint32_t before;

	if (object_watch != NULL && !object_watch->counted(pointer, "retained"))
		return;
	object = object_real(pointer);
	if (object == NULL ||
	    atomic_load_explicit(&object->references, memory_order_relaxed) == OBJECT_IMMORTAL)
		return;
	/* Relaxed: whoever retains has a reference already, which keeps the object as it is. */
	before = atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
	assert(before > 0 && before < OBJECT_IMMORTAL - 1);
}

bool
object_try_retain(void *pointer)
{
	struct OSObject *object = object_real(pointer);
	uint32_t count = atomic_load_explicit(&object->references, memory_order_relaxed);

	/* Pairs with the decrement in OSRelease: a count that reached 0 never rises again. */
	while (count != 0)
		if (atomic_compare_exchange_weak_explicit(&object->references, &count, count + 1,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}

static void
end(struct OSObject *object)
{
	METHOD(object, object, OSObjectMethods, free)(object);
	if (!(object->marks & OBJECT_FREED))
		log_abort("%s: free returned without having called its superclass's free_Impl",
			  OSObject_GetClassName(object));
	if (object_watch != NULL)
		object_watch->ended(object);
	free(object);
}

void
OSRelease(const void *pointer)
{
	struct OSObject *object;
	uint32_t before;

	if (object_watch != NULL && !object_watch->counted(pointer, "released"))
		return;
	object = object_real(pointer);
	if (object == NULL ||
	    atomic_load_explicit(&object->references, memory_order_relaxed) == OBJECT_IMMORTAL)
		return;
	/*
	 * Each release pairs with the last owner's, which acquires: without it that owner could
	 * free while another's last use is not yet seen.
	 */
	before = atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		end(object);
}

const char *
OSObject_GetClassName(const void *object)
{
	return object == NULL ? "NULL" : object_real(object)->metaclass->name;
}

object_method_fn
object_method(const void *object, size_t table, size_t entry)
{
	const OSMetaClass *at = object_real(object)->metaclass;

	for (; at != NULL; at = at->superclass) {
		const char *methods;
		object_method_fn method;

		if (table + sizeof(void *) > at->size)
			continue;
		methods = *(const char *const *)((const char *)at + table);
		if (methods == NULL || entry + sizeof(method) > *(const size_t *)methods)
			continue;
		method = *(const object_method_fn *)(methods + entry);
		if (method != NULL)
			return method;
	}
	return NULL;
}

bool
OSObject_init(OSObject *self)
{
	bool ok = METHOD(self, object, OSObjectMethods, init)(self);

	if (ok && !(self->marks & OBJECT_INITIALIZED))
		log_abort("%s: init returned true without having called its superclass's init_Impl",
			  OSObject_GetClassName(self));
	return ok;
}

bool
OSObject_init_Impl(OSObject *self)
{
	self->marks |= OBJECT_INITIALIZED;
	return true;
}

void
OSObject_free_Impl(OSObject *self)
{
	self->marks |= OBJECT_FREED;
}

kern_return_t
OSObject_SetDispatchQueue(OSObject *self, IODispatchQueueName name, IODispatchQueue *queue)
{
	if (self == NULL || name == NULL) {
		log_error("OSObject_SetDispatchQueue: %s is NULL", self == NULL ? "self" : "name");
		return kIOReturnBadArgument;
	}
	return METHOD(self, object, OSObjectMethods, SetDispatchQueue)(self, name, queue);
}

kern_return_t
OSObject_CopyDispatchQueue(OSObject *self, IODispatchQueueName name, IODispatchQueue **queue)
{
	if (self == NULL || name == NULL || queue == NULL) {
		log_error("OSObject_CopyDispatchQueue: %s is NULL", self == NULL   ? "self"
								    : name == NULL ? "name"
										   : "queue");
		return kIOReturnBadArgument;
	}
	return METHOD(self, object, OSObjectMethods, CopyDispatchQueue)(self, name, queue);
}
