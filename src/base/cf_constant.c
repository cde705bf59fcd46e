/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constant strings. CFSTR is a C literal that begins with a mark no class's address can have, so
 * that it is a constant expression in every scope and in both languages. object_real finds the
 * OSString that it stands for: here, in a hash table that only grows, without a lock, because they
 * are asked for in every thread, and in a child whose parent was just asking.
 *
 * The strings are never freed. A process that has no memory for one ends: nobody checks a constant.
 */
#include <CoreFoundation/CFString.h>
#include <DriverKit/OSCollections.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "log.h"
#include "object.h"

#define BUCKETS 256u

struct constant {
	const struct constant *next; /* [const] once in the table */
	OSString *string;
};

static struct constant *_Atomic constants[BUCKETS];

static uint32_t
hash(const char *text)
{
	uint32_t sum = 5381;

	for (; *text != '\0'; text++)
		sum = sum * 33 + (unsigned char)*text;
	return sum;
}

static OSString *
find(const struct constant *constant, const char *text)
{
	for (; constant != NULL; constant = constant->next)
		if (OSStringIsEqualToCString(constant->string, text))
			return constant->string;
	return NULL;
}

static struct constant *
make(const char *text)
{
	struct constant *made = malloc(sizeof(*made));

	if (made != NULL)
		made->string = OSStringCreateWithCString(text);
	if (made == NULL || made->string == NULL)
		log_abort("no memory for the constant string \"%s\"", text);
	return made;
}

OSObject *
object_of_constant(const char *text)
{
	struct constant *_Atomic *bucket = &constants[hash(text) % BUCKETS];
	/* Acquire pairs with the release below: a constant that is found is complete. */
	struct constant *head = atomic_load_explicit(bucket, memory_order_acquire);
	OSString *found = find(head, text);
	struct constant *made;

	if (found != NULL)
		return (OSObject *)found;
	made = make(text);
	do {
		found = find(head, text);
		if (found != NULL) { /* another thread was first */
			((struct OSObject *)made->string)->references = 1;
			OSRelease(made->string);
			free(made);
			return (OSObject *)found;
		}
		made->next = head;
		((struct OSObject *)made->string)->references = OBJECT_IMMORTAL;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &head, made, memory_order_release,
							memory_order_acquire));
	return (OSObject *)made->string;
}

CFStringRef
__CFStringMakeConstantString(const char *literal)
{
	return literal == NULL ? NULL : (CFStringRef)object_of_constant(literal);
}
