/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocators: where an app's own blocks come from, and how memory that it hands over is given back.
 * Objects themselves are malloced whatever allocator is named.
 */
#include <CoreFoundation/CFBase.h>

#include <stdlib.h>

#include "log.h"
#include "object.h"

typedef struct __CFAllocator CFAllocator;

struct CFAllocator_IVars {
	CFAllocatorContext context; /* [const] no functions: malloc */
	bool refuses;		    /* [const] kCFAllocatorNull */
};

static void CFAllocator_free(OSObject *self);

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = CFAllocator_free,
};

static const OSMetaClass gCFAllocatorMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFAllocator",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct CFAllocator_IVars),
	.object = &object_methods,
};

/* As OSMetaClass_alloc lays it out. */
struct constant {
	_Alignas(16) struct OSObject object;
	_Alignas(16) struct CFAllocator_IVars ivars;
};

#define CONSTANT                                                                               \
	{                                                                                      \
		.object = {.metaclass = OSTypeID(CFAllocator), .references = OBJECT_IMMORTAL } \
	}

static struct constant system_default = CONSTANT, malloc_allocator = CONSTANT,
		       malloc_zone = CONSTANT, use_context = CONSTANT;
static struct constant null = {
	.object = {.metaclass = OSTypeID(CFAllocator), .references = OBJECT_IMMORTAL},
	.ivars = {.refuses = true},
};

const CFAllocatorRef kCFAllocatorDefault = NULL;
const CFAllocatorRef kCFAllocatorSystemDefault = (CFAllocatorRef)&system_default;
const CFAllocatorRef kCFAllocatorMalloc = (CFAllocatorRef)&malloc_allocator;
const CFAllocatorRef kCFAllocatorMallocZone = (CFAllocatorRef)&malloc_zone;
const CFAllocatorRef kCFAllocatorNull = (CFAllocatorRef)&null;
const CFAllocatorRef kCFAllocatorUseContext = (CFAllocatorRef)&use_context;

static const struct CFAllocator_IVars *
ivars_of(CFAllocatorRef allocator)
{
	return OSObjectIVars(CFAllocator,
			     allocator == NULL ? kCFAllocatorSystemDefault : allocator);
}

static void
CFAllocator_free(OSObject *self)
{
	const CFAllocatorContext *context = &ivars_of((CFAllocatorRef)self)->context;

	if (context->release != NULL)
		context->release(context->info);
	OSObject_free_Impl(self);
}

CFTypeID
CFAllocatorGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFAllocator);
}

CFAllocatorRef
CFAllocatorGetDefault(void)
{
	return kCFAllocatorSystemDefault;
}

CFAllocatorRef
CFGetAllocator(CFTypeRef object)
{
	return kCFAllocatorSystemDefault;
}

CFAllocatorRef
CFAllocatorCreate(CFAllocatorRef allocator, CFAllocatorContext *context)
{
	CFAllocator *made;

	if (context == NULL || context->version != 0 || context->allocate == NULL) {
		log_error("CFAllocatorCreate: context is NULL, of another version than 0, or "
			  "without an allocate function");
		return NULL;
	}
	made = object_create(CFAllocator);
	if (made == NULL)
		return NULL;
	OSObjectIVars(CFAllocator, made)->context = *context;
	if (context->retain != NULL)
		OSObjectIVars(CFAllocator, made)->context.info =
			(void *)(uintptr_t)context->retain(context->info);
	return made;
}

void *
CFAllocatorAllocate(CFAllocatorRef allocator, CFIndex size, CFOptionFlags hint)
{
	const struct CFAllocator_IVars *ivars = ivars_of(allocator);

	if (size <= 0 || ivars->refuses)
		return NULL;
	if (ivars->context.allocate != NULL)
		return ivars->context.allocate(size, hint, ivars->context.info);
	return malloc((size_t)size);
}

void *
CFAllocatorReallocate(CFAllocatorRef allocator, void *block, CFIndex size, CFOptionFlags hint)
{
	const struct CFAllocator_IVars *ivars = ivars_of(allocator);

	if (block == NULL)
		return CFAllocatorAllocate(allocator, size, hint);
	if (size <= 0) {
		CFAllocatorDeallocate(allocator, block);
		return NULL;
	}
	if (ivars->refuses)
		return NULL;
	if (ivars->context.allocate == NULL)
		return realloc(block, (size_t)size);
	return ivars->context.reallocate == NULL
		       ? NULL
		       : ivars->context.reallocate(block, size, hint, ivars->context.info);
}

void
CFAllocatorDeallocate(CFAllocatorRef allocator, void *block)
{
	const struct CFAllocator_IVars *ivars = ivars_of(allocator);

	if (block == NULL || ivars->refuses)
		return;
	if (ivars->context.allocate == NULL)
		free(block);
	else if (ivars->context.deallocate != NULL)
		ivars->context.deallocate(block, ivars->context.info);
}

CFIndex
CFAllocatorGetPreferredSizeForSize(CFAllocatorRef allocator, CFIndex size, CFOptionFlags hint)
{
	const CFAllocatorContext *context = &ivars_of(allocator)->context;
	CFIndex preferred = context->preferredSize == NULL || size <= 0
				    ? size
				    : context->preferredSize(size, hint, context->info);

	return preferred > size ? preferred : size;
}

void
CFAllocatorGetContext(CFAllocatorRef allocator, CFAllocatorContext *context)
{
	if (context == NULL || context->version != 0)
		log_error("CFAllocatorGetContext: context is NULL, or of another version than 0");
	else
		*context = ivars_of(allocator)->context;
}
