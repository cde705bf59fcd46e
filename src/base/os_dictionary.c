/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSDictionary: string keys to retained objects. Entries keep the order of insertion; a second
 * array holds their indices sorted by key. Not a hash table, because keys may be a peer's and must
 * not be able to make look-ups slow by colliding.
 *
 * An app's CFDictionary and CFSet may have keys of other classes: those come after the strings,
 * sorted by their hashes. With callbacks of the app's own for keys all are sorted by hash. The
 * functions of OSDictionary do not see what is sorted by hash.
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

	dictionary_remove_all((OSDictionary *)self);
	element_callbacks_free(ivars->key_callbacks);
	element_callbacks_free(ivars->value_callbacks);
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

/* A key that is looked for: its text, or NULL and its hash. */
struct wanted {
	const char *text;
	const void *key;
	uint64_t hash;
};

/* A string, of which look-ups go by its text; NULL: by hash. */
static const OSString *
as_text(const struct OSDictionary_IVars *ivars, const void *key)
{
	return ivars->key_callbacks == NULL ? OSDynamicCast(OSString, key) : NULL;
}

static struct wanted
want(const struct OSDictionary_IVars *ivars, const void *key)
{
	const OSString *string = as_text(ivars, key);
	struct wanted wanted = {.text = OSStringGetCStringPtr(string), .key = key};

	if (string == NULL)
		wanted.hash = element_hash(ivars->key_callbacks, key);
	return wanted;
}

/* Below 0: the wanted key belongs before this one. */
static int
compare(const struct OSDictionary_IVars *ivars, const struct wanted *wanted,
	const struct dictionary_entry *entry)
{
	const OSString *string = as_text(ivars, entry->key);

	if (string != NULL)
		return wanted->text == NULL ? 1
					    : strcmp(wanted->text, OSStringGetCStringPtr(string));
	if (wanted->text != NULL)
		return -1;
	return (wanted->hash > entry->hash) - (wanted->hash < entry->hash);
}

/* The place of the key in `order`, or where it would go. */
static bool
find(const struct OSDictionary_IVars *ivars, const struct wanted *wanted, uint32_t *ret_place)
{
	uint32_t low = 0, high = ivars->count;

	while (low < high) { /* to the first that is not before it */
		uint32_t middle = low + (high - low) / 2;

		if (compare(ivars, wanted, &ivars->entries[ivars->order[middle]]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < ivars->count; low++) { /* several may have the hash */
		const struct dictionary_entry *entry = &ivars->entries[ivars->order[low]];

		if (compare(ivars, wanted, entry) != 0)
			break;
		if (wanted->text == NULL &&
		    !element_equal(ivars->key_callbacks, wanted->key, entry->key))
			continue;
		*ret_place = low;
		return true;
	}
	*ret_place = low;
	return false;
}

static const struct dictionary_entry *
find_entry(const OSDictionary *dictionary, const struct wanted *wanted)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	uint32_t place;

	return find(ivars, wanted, &place) ? &ivars->entries[ivars->order[place]] : NULL;
}

OSObject *
OSDictionaryGetValue(const OSDictionary *dictionary, const char *key)
{
	const struct wanted wanted = {.text = key};
	const struct dictionary_entry *entry;

	if (dictionary == NULL || key == NULL)
		return NULL;
	entry = find_entry(dictionary, &wanted);
	return entry == NULL ? NULL : entry->value;
}

const struct dictionary_entry *
dictionary_find(const OSDictionary *dictionary, const void *key)
{
	const struct wanted wanted = want(OSObjectIVars(OSDictionary, dictionary), key);

	return find_entry(dictionary, &wanted);
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
insert(struct OSDictionary_IVars *ivars, uint32_t place, const struct wanted *wanted,
       const void *value)
{
	struct dictionary_entry entry = {.hash = wanted->hash};

	if (ivars->count == ivars->capacity &&
	    (ivars->count > UINT32_MAX / 2 ||
	     !set_capacity(ivars, ivars->count == 0 ? 4 : ivars->count * 2)))
		return false;
	if (ivars->key_callbacks == NULL)
		entry.key = copy_key(wanted->key);
	else
		entry.key =
			(OSObject *)(uintptr_t)element_retain(ivars->key_callbacks, wanted->key);
	if (entry.key == NULL && ivars->key_callbacks == NULL)
		return false;
	entry.value = (OSObject *)(uintptr_t)element_retain(ivars->value_callbacks, value);
	memmove(&ivars->order[place + 1], &ivars->order[place],
		(ivars->count - place) * sizeof(ivars->order[0]));
	ivars->order[place] = ivars->count;
	ivars->entries[ivars->count++] = entry;
	return true;
}

bool
dictionary_set(OSDictionary *dictionary, const void *key, const void *value)
{
	struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	const struct wanted wanted = want(ivars, key);
	struct dictionary_entry *entry;
	OSObject *before;
	uint32_t place;

	if (!find(ivars, &wanted, &place))
		return insert(ivars, place, &wanted, value);
	value = element_retain(ivars->value_callbacks, value);
	entry = &ivars->entries[ivars->order[place]];
	before = entry->value;
	entry->value = (OSObject *)(uintptr_t)value;
	element_release(ivars->value_callbacks, before);
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
release_entry(const struct OSDictionary_IVars *ivars, const struct dictionary_entry *entry)
{
	element_release(ivars->key_callbacks, entry->key);
	element_release(ivars->value_callbacks, entry->value);
}

static void
take_out(struct OSDictionary_IVars *ivars, const struct wanted *wanted)
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
	release_entry(ivars, &gone);
}

void
OSDictionaryRemoveValue(OSDictionary *dictionary, const char *key)
{
	const struct wanted wanted = {.text = key};

	if (dictionary != NULL && key != NULL)
		take_out(OSObjectIVars(OSDictionary, dictionary), &wanted);
}

void
dictionary_remove(OSDictionary *dictionary, const void *key)
{
	struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	const struct wanted wanted = want(ivars, key);

	take_out(ivars, &wanted);
}

void
dictionary_remove_all(OSDictionary *dictionary)
{
	struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	struct dictionary_entry *entries = ivars->entries;
	uint32_t count = ivars->count;

	/* Empty before anything is released: an app's callback may look. */
	free(ivars->order);
	ivars->order = NULL;
	ivars->entries = NULL;
	ivars->count = ivars->capacity = 0;
	for (uint32_t i = 0; i < count; i++)
		release_entry(ivars, &entries[i]);
	free(entries);
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
