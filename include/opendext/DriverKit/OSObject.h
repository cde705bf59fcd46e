/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSObject: the root of every driver-side class, and how a class is written in C.
 *
 * An object is an opaque struct. Its first word leads to an OSMetaClass, which is plain data: a
 * name, a superclass, the size of the instance variables that this class adds, and one method table
 * for each framework class whose methods it overrides. A NULL table, a NULL entry, or a table that
 * ends before the entry, means "inherited".
 *
 *	struct MyDriver_IVars { IOUSBHostInterface *interface; };
 *
 *	static const IOServiceMethods MyDriver_service = {
 *		.size = sizeof(IOServiceMethods),
 *		.Start = MyDriver_Start,
 *	};
 *	const OSMetaClass gMyDriverMetaClass = {
 *		.size = sizeof(OSMetaClass),
 *		.name = "MyDriver",
 *		.superclass = OSTypeID(IOService),
 *		.ivars_size = sizeof(struct MyDriver_IVars),
 *		.service = &MyDriver_service,
 *	};
 *
 * Class_Method(object, ...) calls the object's own implementation; Class_Method_Impl(object, ...)
 * calls the implementation that Class itself brings, which is how an override reaches its
 * superclass.
 *
 * References: functions with Create, Copy or Alloc in their name return an object that the caller
 * owns and releases; Get returns a borrowed one. Reference counts are atomic: retain and release
 * work from any thread.
 */
#ifndef OPENDEXT_DRIVERKIT_OSOBJECT_H
#define OPENDEXT_DRIVERKIT_OSOBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>
#include <dext_cdefs.h>

DEXT_BEGIN_DECLS

typedef struct OSObject OSObject;
typedef struct OSMetaClass OSMetaClass;
typedef struct IODispatchQueue IODispatchQueue;

/* A queue's name inside an object, see OSObject_SetDispatchQueue. */
typedef const char *IODispatchQueueName;
#define kIOServiceDefaultQueueName "Default"

typedef struct OSObjectMethods {
	size_t size; /* sizeof(OSObjectMethods) */
	/* Called once after allocation; an override calls OSObject_init_Impl (or its superclass's)
	 * first. */
	bool (*init)(OSObject *self);
	/* Called when the last reference is released; an override ends with its superclass's
	 * free_Impl. */
	void (*free)(OSObject *self);
	/* Which queue the methods and actions of this object run on. */
	kern_return_t (*SetDispatchQueue)(OSObject *self, IODispatchQueueName name,
					  IODispatchQueue *queue);
	kern_return_t (*CopyDispatchQueue)(OSObject *self, IODispatchQueueName name,
					   IODispatchQueue **queue);
} OSObjectMethods;

struct OSMetaClass {
	size_t size; /* sizeof(OSMetaClass) */
	const char *name;
	const OSMetaClass *superclass; /* NULL for OSObject only */
	size_t ivars_size;	       /* bytes that this class adds, zeroed at allocation */
	const OSObjectMethods *object;
	const struct IOServiceMethods *service;
	const struct IOUserClientMethods *user_client;
};

extern const OSMetaClass gOSObjectMetaClass;

/* The class descriptor of a class: OSTypeID(IOService). */
#define OSTypeID(type) (&g##type##MetaClass)

/* Allocates an instance with zeroed instance variables; init is not called. NULL without memory. */
#define OSTypeAlloc(type) ((type *)OSMetaClass_alloc(OSTypeID(type)))
OSObject *OSMetaClass_alloc(const OSMetaClass *metaclass);

/* The object if it is of this class or a subclass of it, else NULL; a NULL object gives NULL. */
#define OSDynamicCast(type, object) ((type *)OSMetaClass_cast(OSTypeID(type), (object)))
/* The same, but a mismatch logs both classes and aborts the driver. */
#define OSRequiredCast(type, object) ((type *)OSMetaClass_require(OSTypeID(type), (object)))
OSObject *OSMetaClass_cast(const OSMetaClass *metaclass, const void *object);
OSObject *OSMetaClass_require(const OSMetaClass *metaclass, const void *object);

/*
 * The instance variables that `type` added to this object: OSObjectIVars(MyDriver,
 * self)->interface. The object must be of that class; anything else aborts the driver with a log
 * line.
 */
#define OSObjectIVars(type, object) \
	((struct type##_IVars *)OSMetaClass_ivars(OSTypeID(type), (object)))
void *OSMetaClass_ivars(const OSMetaClass *metaclass, const void *object);

/* Takes or gives up one reference. NULL is allowed and does nothing. */
void OSRetain(const void *object);
void OSRelease(const void *object);
#define OSObjectRetain(object)	OSRetain(object)
#define OSObjectRelease(object) OSRelease(object)

#define OSSafeReleaseNULL(object)          \
	do {                               \
		if ((object) != NULL) {    \
			OSRelease(object); \
			(object) = NULL;   \
		}                          \
	} while (0)

/* The class name of an object, for messages. Borrowed, lives as long as the class. */
const char *OSObject_GetClassName(const void *object);

/*
 * Called once for an object that OSTypeAlloc made, before anything else: calls the override, which
 * begins with its superclass's _Impl. false: it cannot be used, and is released by the caller.
 */
bool OSObject_init(OSObject *self);
bool OSObject_init_Impl(OSObject *self);
/* What the free of a subclass ends with. Nothing else calls it. */
void OSObject_free_Impl(OSObject *self);

/*
 * Gives the object a queue under a name; methods declared for that name, and actions whose target
 * it is, run there. kIOServiceDefaultQueueName is the queue for all that have none of their own.
 * kIOReturnBadArgument for a name that no method of the class uses.
 */
kern_return_t OSObject_SetDispatchQueue(OSObject *self, IODispatchQueueName name,
					IODispatchQueue *queue);
/*
 * The object's queue of that name; for a service without one, its provider's. The caller releases
 * it. kIOReturnNotFound if there is none, kIOReturnError once a service has stopped.
 */
kern_return_t OSObject_CopyDispatchQueue(OSObject *self, IODispatchQueueName name,
					 IODispatchQueue **queue);

DEXT_END_DECLS

#endif
