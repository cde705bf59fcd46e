/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching. A personality's USB keys are compared one by one and each must agree (idProduct under
 * idProductMask, or as one of idProductArray); Apple's list of allowed combinations is not
 * enforced, a personality that says less simply matches more. The driver's own class is taken for
 * IOProviderClass of an app's dictionary, because apps that pass it exist; macOS would know it only
 * by name.
 *
 * Pure functions; any thread.
 */
#include "matching.h"

#include "matching_pci.h"
#include "plane.h"

#include <stdio.h>
#include <string.h>

static const char *const usb_keys[] = {
	"idVendor",	   "idProduct",		 "bcdDevice",		"bDeviceClass",
	"bDeviceSubClass", "bDeviceProtocol",	 "bConfigurationValue", "bInterfaceNumber",
	"bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol",
};
#define USB_KEYS (sizeof(usb_keys) / sizeof(usb_keys[0]))

static void
explain(char *reason, const char *key, uint64_t wanted, const uint64_t *found)
{
	if (reason == NULL)
		return;
	if (found == NULL)
		snprintf(reason, MATCH_REASON_MAX, "%s is to be 0x%04llx, the provider has none",
			 key, (unsigned long long)wanted);
	else
		snprintf(reason, MATCH_REASON_MAX,
			 "%s is to be 0x%04llx, the provider has 0x%04llx", key,
			 (unsigned long long)wanted, (unsigned long long)*found);
}

/* idProductMask says which bits of idProduct count. */
static uint64_t
get_mask(const OSDictionary *wanted, const char *key)
{
	uint64_t mask = UINT64_MAX;

	if (strcmp(key, "idProduct") == 0)
		OSDictionaryGetUInt64Value(wanted, "idProductMask", &mask);
	return mask;
}

/* idProductArray: the provider's idProduct is one of these numbers. Absent: nothing is asked. */
static bool
match_products(const OSDictionary *wanted, const OSDictionary *properties, unsigned *agreed,
	       char *reason)
{
	const OSObject *value = OSDictionaryGetValue(wanted, "idProductArray");
	const OSArray *products = OSDynamicCast(OSArray, value);
	uint64_t found = 0;
	bool there = OSDictionaryGetUInt64Value(properties, "idProduct", &found);

	if (value == NULL)
		return true;
	for (uint32_t i = 0; there && products != NULL && i < OSArrayGetCount(products); i++) {
		const OSNumber *number = OSDynamicCast(OSNumber, OSArrayGetValue(products, i));

		if (number != NULL && OSNumberGetUInt64Value(number) == found) {
			(*agreed)++;
			return true;
		}
	}
	if (reason != NULL && there)
		snprintf(reason, MATCH_REASON_MAX,
			 "idProductArray does not have the provider's idProduct, 0x%04llx",
			 (unsigned long long)found);
	else if (reason != NULL)
		snprintf(reason, MATCH_REASON_MAX,
			 "idProductArray is there, the provider has no idProduct");
	return false;
}

/* Compares the USB keys that `wanted` has. */
static bool
match_usb(const OSDictionary *wanted, const OSDictionary *properties, unsigned *ret_keys,
	  char *reason)
{
	unsigned agreed = 0;

	for (unsigned i = 0; i < USB_KEYS; i++) {
		uint64_t number, found;
		bool there;

		if (!OSDictionaryGetUInt64Value(wanted, usb_keys[i], &number))
			continue;
		there = OSDictionaryGetUInt64Value(properties, usb_keys[i], &found);
		if (!there || ((number ^ found) & get_mask(wanted, usb_keys[i])) != 0) {
			explain(reason, usb_keys[i], number, there ? &found : NULL);
			return false;
		}
		agreed++;
	}
	if (!match_products(wanted, properties, &agreed, reason))
		return false;
	*ret_keys = agreed;
	return true;
}

/* True if `wanted` is a string that is `name`, or an array with such a string in it. */
static bool
match_name(const OSObject *wanted, const char *name)
{
	const OSString *string = OSDynamicCast(OSString, wanted);
	const OSArray *array = OSDynamicCast(OSArray, wanted);

	if (string != NULL)
		return OSStringIsEqualToCString(string, name);
	for (uint32_t i = 0; array != NULL && i < OSArrayGetCount(array); i++) {
		string = OSDynamicCast(OSString, OSArrayGetValue(array, i));
		if (string != NULL && OSStringIsEqualToCString(string, name))
			return true;
	}
	return false;
}

static bool
match_property(void *context, const char *key, OSObject *value)
{
	const OSDictionary *properties = context;

	return !OSObjectIsEqual(OSDictionaryGetValue(properties, key), value);
}

/* All pairs of a dictionary, or of one dictionary of an array. */
static bool
match_properties(const OSObject *wanted, const OSDictionary *properties)
{
	const OSDictionary *dictionary = OSDynamicCast(OSDictionary, wanted);
	const OSArray *array = OSDynamicCast(OSArray, wanted);

	if (dictionary != NULL)
		return !OSDictionaryApply_f(dictionary, (void *)properties, match_property);
	for (uint32_t i = 0; array != NULL && i < OSArrayGetCount(array); i++) {
		dictionary = OSDynamicCast(OSDictionary, OSArrayGetValue(array, i));
		if (dictionary != NULL &&
		    !OSDictionaryApply_f(dictionary, (void *)properties, match_property))
			return true;
	}
	return false;
}

static bool
match_exists(const OSObject *wanted, const OSDictionary *properties)
{
	const OSString *string = OSDynamicCast(OSString, wanted);
	const OSArray *array = OSDynamicCast(OSArray, wanted);

	if (string != NULL)
		return OSDictionaryGetValue(properties, OSStringGetCStringPtr(string)) != NULL;
	for (uint32_t i = 0; array != NULL && i < OSArrayGetCount(array); i++) {
		string = OSDynamicCast(OSString, OSArrayGetValue(array, i));
		if (string == NULL ||
		    OSDictionaryGetValue(properties, OSStringGetCStringPtr(string)) == NULL)
			return false;
	}
	return array != NULL;
}

bool
matching_personality(const struct personality *personality, const struct entry *provider,
		     unsigned *ret_keys, char reason[MATCH_REASON_MAX])
{
	OSObject *wanted;

	if (!class_conforms(provider->class_name, personality->provider_class)) {
		snprintf(reason, MATCH_REASON_MAX,
			 "IOProviderClass is to be %.80s, the provider is of class %.80s",
			 personality->provider_class, provider->class_name);
		return false;
	}
	wanted = OSDictionaryGetValue(personality->properties, "IONameMatch");
	if (wanted != NULL && !match_name(wanted, provider->name)) {
		snprintf(reason, MATCH_REASON_MAX,
			 "IONameMatch does not have the provider's name, %.80s", provider->name);
		return false;
	}
	wanted = OSDictionaryGetValue(personality->properties, "IOPropertyMatch");
	if (wanted != NULL && !match_properties(wanted, provider->properties)) {
		snprintf(reason, MATCH_REASON_MAX,
			 "the provider's properties differ from IOPropertyMatch");
		return false;
	}
	return match_usb(personality->properties, provider->properties, ret_keys, reason) &&
	       match_pci(personality->properties, provider->properties, ret_keys, reason,
			 MATCH_REASON_MAX);
}

/* Puts the personality where its category's winner is, if it beats that one. */
/* A personality that takes the provider, and its place in the order of those of its category. */
struct candidate {
	const struct personality *personality;
	unsigned keys;
	unsigned place; /* in the list, from 0 */
};

static bool
is_before(const struct candidate *one, const struct candidate *other)
{
	if (one->personality->probe_score != other->personality->probe_score)
		return one->personality->probe_score > other->personality->probe_score;
	if (one->keys != other->keys)
		return one->keys > other->keys;
	return one->place < other->place;
}

/* Those of one list that come first are entered first: of equals the first stays. */
static void
enter(struct matching_result *result, const struct personality *personality, unsigned keys)
{
	const struct candidate candidate = {personality, keys, 1};
	struct candidate winner = {.place = 0};
	unsigned i;

	for (i = 0; i < result->count; i++) {
		if (strcmp(result->winners[i]->match_category, personality->match_category) == 0)
			break;
	}
	if (i == MATCHING_WINNERS_MAX)
		return;
	if (i == result->count) {
		result->count++;
	} else {
		winner.personality = result->winners[i];
		winner.keys = result->keys[i];
		if (is_before(&winner, &candidate))
			return;
	}
	result->winners[i] = personality;
	result->keys[i] = keys;
}

void
matching_select(const struct bundle *bundles, const struct entry *provider,
		struct matching_result *ret_result)
{
	struct matching_result result = {.count = 0};
	char reason[MATCH_REASON_MAX];

	for (const struct bundle *bundle = bundles; bundle != NULL; bundle = bundle->next) {
		for (unsigned i = 0; i < bundle->personality_count; i++) {
			unsigned keys = 0;

			if (matching_personality(&bundle->personalities[i], provider, &keys,
						 reason))
				enter(&result, &bundle->personalities[i], keys);
		}
	}
	*ret_result = result;
}

/* The place of a personality in the list. */
static unsigned
find_place(const struct bundle *bundles, const struct personality *wanted)
{
	unsigned place = 0;

	for (const struct bundle *bundle = bundles; bundle != NULL; bundle = bundle->next) {
		for (unsigned i = 0; i < bundle->personality_count; i++, place++) {
			if (&bundle->personalities[i] == wanted)
				return place;
		}
	}
	return place;
}

const struct personality *
matching_next(const struct bundle *bundles, const struct entry *provider,
	      const struct personality *after)
{
	struct candidate last = {.personality = after, .place = find_place(bundles, after)};
	struct candidate best = {.personality = NULL};
	char reason[MATCH_REASON_MAX];
	unsigned place = 0;

	if (!matching_personality(after, provider, &last.keys, reason))
		return NULL;
	for (const struct bundle *bundle = bundles; bundle != NULL; bundle = bundle->next) {
		for (unsigned i = 0; i < bundle->personality_count; i++, place++) {
			struct candidate candidate = {&bundle->personalities[i], 0, place};

			if (strcmp(candidate.personality->match_category, after->match_category) ==
				    0 &&
			    matching_personality(candidate.personality, provider, &candidate.keys,
						 reason) &&
			    is_before(&last, &candidate) &&
			    (best.personality == NULL || is_before(&candidate, &best)))
				best = candidate;
		}
	}
	return best.personality;
}

static bool
match_class(const OSObject *wanted, const struct entry *entry)
{
	const OSString *string = OSDynamicCast(OSString, wanted);
	const char *name = string != NULL ? OSStringGetCStringPtr(string) : NULL;

	if (name == NULL)
		return false;
	return class_conforms(entry->class_name, name) ||
	       (entry->user_class != NULL && strcmp(entry->user_class, name) == 0);
}

static bool
match_path(const OSObject *wanted, const struct entry *entry)
{
	const OSString *path = OSDynamicCast(OSString, wanted);

	return path != NULL && plane_path_matches(OSStringGetCStringPtr(path), entry);
}

static bool
match_location(const OSObject *wanted, const struct entry *entry)
{
	const OSString *string = OSDynamicCast(OSString, wanted);
	char location[24];

	return string != NULL && plane_location(entry, location, sizeof(location)) &&
	       OSStringIsEqualToCString(string, location);
}

bool
matching_entry(const OSDictionary *matching, const struct entry *entry)
{
	unsigned looked_at = 0, keys = 0;
	const OSObject *wanted;
	const OSDictionary *parent;
	uint64_t id;

	wanted = OSDictionaryGetValue(matching, "IOProviderClass");
	if (wanted != NULL && (looked_at++, !match_class(wanted, entry)))
		return false;
	wanted = OSDictionaryGetValue(matching, "IONameMatch");
	if (wanted != NULL && (looked_at++, !match_name(wanted, entry->name)))
		return false;
	wanted = OSDictionaryGetValue(matching, "IORegistryEntryID");
	if (wanted != NULL) {
		looked_at++;
		if (!OSDictionaryGetUInt64Value(matching, "IORegistryEntryID", &id) ||
		    id != entry->id)
			return false;
	}
	wanted = OSDictionaryGetValue(matching, "IOPropertyMatch");
	if (wanted != NULL && (looked_at++, !match_properties(wanted, entry->properties)))
		return false;
	wanted = OSDictionaryGetValue(matching, "IOPropertyExistsMatch");
	if (wanted != NULL && (looked_at++, !match_exists(wanted, entry->properties)))
		return false;
	wanted = OSDictionaryGetValue(matching, "IOPathMatch");
	if (wanted != NULL && (looked_at++, !match_path(wanted, entry)))
		return false;
	wanted = OSDictionaryGetValue(matching, "IOLocationMatch");
	if (wanted != NULL && (looked_at++, !match_location(wanted, entry)))
		return false;
	wanted = OSDictionaryGetValue(matching, "IOParentMatch");
	if (wanted != NULL) {
		looked_at++;
		parent = OSDynamicCast(OSDictionary, wanted);
		/* Nesting is bounded by the decoder of property lists. */
		if (parent == NULL || entry->provider == NULL ||
		    !matching_entry(parent, entry->provider))
			return false;
	}
	if (entry->host == NULL && (!match_usb(matching, entry->properties, &keys, NULL) ||
				    !match_pci(matching, entry->properties, &keys, NULL, 0)))
		return false;
	return looked_at + keys > 0;
}
