/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSDictionary: string keys to retained objects. Entries keep the order of insertion; a second
 * array holds their indices sorted by key. Not a hash table, because keys may be a peer's and must
 * not be able to make look-ups slow by colliding.
 *
 * An app's CFDictionary and CFSet may have keys of other classes: those come after the strings,
 * sorted by their hashes. The functions of OSDictionary do not see them.
 *
 * Whoever changes it does so alone.
 */
#include "os_dictionary.h"

#include "object.h"
#include "os_hash.h"
#include "os_string.h"

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

/* A key that is looked for: its text, or NULL and the object. */
struct wanted {
	const char *text;
	const void *object;
	uint64_t hash;
};

static struct wanted
want(const void *key)
{
	const OSString *string = OSDynamicCast(OSString, key);
	struct wanted wanted = {.text = OSStringGetCStringPtr(string), .object = key};

	if (string == NULL)
		wanted.hash = object_hash(key);
	return wanted;
}

/* Below 0: the wanted key belongs before this one. */
static int
compare(const struct wanted *wanted, const OSObject *key)
{
	const OSString *string = OSDynamicCast(OSString, key);
	uint64_t hash;

	if (string != NULL)
		return wanted->text == NULL ? 1
					    : strcmp(wanted->text, OSStringGetCStringPtr(string));
	if (wanted->text != NULL)
		return -1;
	hash = object_hash(key);
	return (wanted->hash > hash) - (wanted->hash < hash);
}

/* The place of the key in `order`, or where it would go. */
static bool
find(const struct OSDictionary_IVars *ivars, struct wanted wanted, uint32_t *ret_place)
{
	uint32_t low = 0, high = ivars->count;

	while (low < high) { /* to the first that is not before it */
		uint32_t middle = low + (high - low) / 2;

		if (compare(&wanted, ivars->entries[ivars->order[middle]].key) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < ivars->count; low++) { /* several may have the hash */
		const OSObject *key = ivars->entries[ivars->order[low]].key;

		if (compare(&wanted, key) != 0)
			break;
		if (wanted.text == NULL && !OSObjectIsEqual(wanted.object, key))
			continue;
		*ret_place = low;
		return true;
	}
	*ret_place = low;
	return false;
}

static OSObject *
get(const OSDictionary *dictionary, struct wanted wanted)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	uint32_t place;

	return find(ivars, wanted, &place) ? ivars->entries[ivars->order[place]].value : NULL;
}

OSObject *
OSDictionaryGetValue(const OSDictionary *dictionary, const char *key)
{
	return dictionary == NULL || key == NULL ? NULL
						 : get(dictionary, (struct wanted){.text = key});
}

OSObject *
dictionary_get(const OSDictionary *dictionary, const void *key)
{
	return get(dictionary, want(key));
}

/* With a reference: the key, or a copy of a string that may change. */
static OSObject *
copy_key(const void *key)
{
	const OSString *string = OSDynamicCast(OSString, key);

	if (string != NULL && OSObjectIVars(OSString, string)->mutable)
		return (OSObject *)OSStringCreateWithCString(OSStringGetCStringPtr(string));
	OSRetain(key);
	return (OSObject *)(uintptr_t)key;
}

static bool
insert(struct OSDictionary_IVars *ivars, uint32_t place, const void *key, OSObject *value)
{
	OSObject *own;

	if (ivars->count == ivars->capacity &&
	    (ivars->count > UINT32_MAX / 2 ||
	     !set_capacity(ivars, ivars->count == 0 ? 4 : ivars->count * 2)))
		return false;
	own = copy_key(key);
	if (own == NULL)
		return false;
	OSRetain(value);
	memmove(&ivars->order[place + 1], &ivars->order[place],
		(ivars->count - place) * sizeof(ivars->order[0]));
	ivars->order[place] = ivars->count;
	ivars->entries[ivars->count++] = (struct dictionary_entry){.key = own, .value = value};
	return true;
}

bool
dictionary_set(OSDictionary *dictionary, const void *key, const void *object)
{
	struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	OSObject *value = (OSObject *)(uintptr_t)object;
	struct dictionary_entry *entry;
	OSObject *before;
	uint32_t place;

	if (!find(ivars, want(key), &place))
		return insert(ivars, place, key, value);
	entry = &ivars->entries[ivars->order[place]];
	before = entry->value;
	OSRetain(value);
	entry->value = value;
	OSRelease(before);
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

static void
take_out(struct OSDictionary_IVars *ivars, struct wanted wanted)
{
	struct dictionary_entry gone;
	uint32_t place, index;

	if (!find(ivars, wanted, &place))
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

void
OSDictionaryRemoveValue(OSDictionary *dictionary, const char *key)
{
	if (dictionary != NULL && key != NULL)
		take_out(OSObjectIVars(OSDictionary, dictionary), (struct wanted){.text = key});
}

void
dictionary_remove(OSDictionary *dictionary, const void *key)
{
	take_out(OSObjectIVars(OSDictionary, dictionary), want(key));
}

void
dictionary_remove_all(OSDictionary *dictionary)
{
	struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);

	while (ivars->count > 0) {
		struct dictionary_entry gone = ivars->entries[--ivars->count];

		OSRelease(gone.key);
		OSRelease(gone.value);
	}
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
	for (uint32_t i = 0; i < ivars->count; i++) {
		const OSString *key = OSDynamicCast(OSString, ivars->entries[i].key);

		if (key != NULL &&
		    function(context, OSStringGetCStringPtr(key), ivars->entries[i].value))
			return true;
	}
	return false;
}
