/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSDictionary: string keys to retained objects. Entries keep the order of insertion; a second
 * array holds their indices sorted by key. Not a hash table, because keys may be a peer's and must
 * not be able to make look-ups slow by colliding.
 *
 * Whoever changes it does so alone.
 */
#include "os_dictionary.h"

#include "object.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY_MAX 1024u

static void
OSDictionary_free(OSObject *self)
{
	struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, self);

	for (uint32_t i = 0; i < ivars->count; i++) {
		OSRelease(ivars->entries[i].key);
		OSRelease(ivars->entries[i].value);
	}
	free(ivars->entries);
	free(ivars->order);
	OSObject_free_Impl(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = OSDictionary_free,
};

const OSMetaClass gOSDictionaryMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSDictionary",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct OSDictionary_IVars),
	.object = &object_methods,
};

static bool
set_capacity(struct OSDictionary_IVars *ivars, uint32_t capacity)
{
	struct dictionary_entry *entries;
	uint32_t *order;

	entries = reallocarray(ivars->entries, capacity, sizeof(entries[0]));
	if (entries == NULL)
		return false;
	ivars->entries = entries;
	order = reallocarray(ivars->order, capacity, sizeof(order[0]));
	if (order == NULL)
		return false;
	ivars->order = order;
	ivars->capacity = capacity;
	return true;
}

OSDictionary *
OSDictionaryCreate(uint32_t capacity)
{
	OSDictionary *dictionary = object_create(OSDictionary);

	if (capacity > FIRST_CAPACITY_MAX)
		capacity = FIRST_CAPACITY_MAX;
	if (dictionary != NULL && capacity > 0 &&
	    !set_capacity(OSObjectIVars(OSDictionary, dictionary), capacity)) {
		OSRelease(dictionary);
		return NULL;
	}
	return dictionary;
}

uint32_t
OSDictionaryGetCount(const OSDictionary *dictionary)
{
	return dictionary == NULL ? 0 : OSObjectIVars(OSDictionary, dictionary)->count;
}

/* The place of the key in `order`, or where it would go. */
static bool
find(const struct OSDictionary_IVars *ivars, const char *key, uint32_t *ret_place)
{
	uint32_t low = 0, high = ivars->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const OSString *other = ivars->entries[ivars->order[middle]].key;
		int difference = strcmp(key, OSStringGetCStringPtr(other));

		if (difference == 0) {
			*ret_place = middle;
			return true;
		}
		if (difference < 0)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_place = low;
	return false;
}

OSObject *
OSDictionaryGetValue(const OSDictionary *dictionary, const char *key)
{
	const struct OSDictionary_IVars *ivars;
	uint32_t place;

	if (dictionary == NULL || key == NULL)
		return NULL;
	ivars = OSObjectIVars(OSDictionary, dictionary);
	return find(ivars, key, &place) ? ivars->entries[ivars->order[place]].value : NULL;
}

bool
dictionary_set(OSDictionary *dictionary, OSString *key, const void *object)
{
	struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	OSObject *value = (OSObject *)(uintptr_t)object;
	uint32_t place;

	if (find(ivars, OSStringGetCStringPtr(key), &place)) {
		struct dictionary_entry *entry = &ivars->entries[ivars->order[place]];
		OSObject *before = entry->value;

		OSRetain(value);
		entry->value = value;
		OSRelease(before);
		return true;
	}
	if (ivars->count == ivars->capacity &&
	    (ivars->count > UINT32_MAX / 2 ||
	     !set_capacity(ivars, ivars->count == 0 ? 4 : ivars->count * 2)))
		return false;
	OSRetain(key);
	OSRetain(value);
	memmove(&ivars->order[place + 1], &ivars->order[place],
		(ivars->count - place) * sizeof(ivars->order[0]));
	ivars->order[place] = ivars->count;
	ivars->entries[ivars->count++] = (struct dictionary_entry){.key = key, .value = value};
	return true;
}

bool
OSDictionarySetValue(OSDictionary *dictionary, const char *key, const void *object)
{
	OSString *string;
	bool done;

	if (dictionary == NULL || key == NULL || object == NULL)
		return false;
	string = OSStringCreateWithCString(key);
	done = string != NULL && dictionary_set(dictionary, string, object);
	OSRelease(string);
	return done;
}

bool
OSDictionarySetUInt64Value(OSDictionary *dictionary, const char *key, uint64_t value)
{
	OSNumber *number = OSNumberCreateWithUInt64Value(value);
	bool done = OSDictionarySetValue(dictionary, key, number);

	OSRelease(number);
	return done;
}

bool
OSDictionarySetStringValue(OSDictionary *dictionary, const char *key, const char *value)
{
	OSString *string = OSStringCreateWithCString(value);
	bool done = OSDictionarySetValue(dictionary, key, string);

	OSRelease(string);
	return done;
}

void
OSDictionaryRemoveValue(OSDictionary *dictionary, const char *key)
{
	struct OSDictionary_IVars *ivars;
	struct dictionary_entry gone;
	uint32_t place, index;

	if (dictionary == NULL || key == NULL)
		return;
	ivars = OSObjectIVars(OSDictionary, dictionary);
	if (!find(ivars, key, &place))
		return;
	index = ivars->order[place];
	gone = ivars->entries[index];
	ivars->count--;
	memmove(&ivars->order[place], &ivars->order[place + 1],
		(ivars->count - place) * sizeof(ivars->order[0]));
	memmove(&ivars->entries[index], &ivars->entries[index + 1],
		(ivars->count - index) * sizeof(ivars->entries[0]));
	for (uint32_t i = 0; i < ivars->count; i++)
		if (ivars->order[i] > index)
			ivars->order[i]--;
	OSRelease(gone.key);
	OSRelease(gone.value);
}

bool
OSDictionaryGetUInt64Value(const OSDictionary *dictionary, const char *key, uint64_t *value)
{
	const OSNumber *number = OSDynamicCast(OSNumber, OSDictionaryGetValue(dictionary, key));

	if (number == NULL)
		return false;
	*value = OSNumberGetUInt64Value(number);
	return true;
}

const char *
OSDictionaryGetStringValue(const OSDictionary *dictionary, const char *key)
{
	return OSStringGetCStringPtr(
		OSDynamicCast(OSString, OSDictionaryGetValue(dictionary, key)));
}

bool
OSDictionaryApply_f(const OSDictionary *dictionary, void *context,
		    bool (*function)(void *context, const char *key, OSObject *value))
{
	const struct OSDictionary_IVars *ivars;

	if (dictionary == NULL)
		return false;
	ivars = OSObjectIVars(OSDictionary, dictionary);
	for (uint32_t i = 0; i < ivars->count; i++)
		if (function(context, OSStringGetCStringPtr(ivars->entries[i].key),
			     ivars->entries[i].value))
			return true;
	return false;
}
