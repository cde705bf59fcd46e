/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app's matching dictionary against a tree with a device, its interface and a service, whose
 * properties come from the input too, and personalities against the device.
 */
#include "objects.h"

#include "matching.h"
#include "plist.h"

#define PERSONALITIES 3

/* As it travels: a binary list, decoded anew, or NULL. Takes the dictionary. */
static OSDictionary *
by_wire_take(OSDictionary *dictionary)
{
	OSObject *object = NULL;
	void *bytes = NULL;
	size_t length = 0;

	if (plist_encode(dictionary, &bytes, &length) == kIOReturnSuccess) {
		FUZZ_CHECK(plist_decode(bytes, length, &object) == kIOReturnSuccess ||
			   object == NULL);
		free(bytes);
	}
	OSRelease(dictionary);
	return OSDynamicCast(OSDictionary, object);
}

static void
match_personalities(struct fuzz *fuzz, const struct entry *entry)
{
	static const char *const classes[] = {"IOUSBHostDevice", "IOService", "Other"};
	static const char *const categories[] = {"One", "Two"};
	struct personality list[PERSONALITIES] = {0};
	struct bundle bundle = {.personalities = list, .personality_count = PERSONALITIES};
	struct matching_result result;

	for (unsigned i = 0; i < PERSONALITIES; i++) {
		unsigned budget = 40;
		uint8_t which = fuzz_u8(fuzz);

		list[i].bundle = &bundle;
		list[i].provider_class = classes[which % 3];
		list[i].match_category = categories[which >> 2 & 1];
		list[i].probe_score = which >> 6;
		list[i].properties = fuzz_dictionary(fuzz, 0, &budget);
	}
	matching_select(&bundle, entry, &result);
	for (unsigned i = 0; i < result.count; i++) {
		const struct personality *next = result.winners[i];

		/* Each comes once, and they end. */
		for (unsigned seen = 0; next != NULL; seen++) {
			FUZZ_CHECK(seen < PERSONALITIES);
			next = matching_next(&bundle, entry, next);
		}
	}
	for (unsigned i = 0; i < PERSONALITIES; i++)
		OSRelease(list[i].properties);
}

/* More categories than are kept, which three personalities do not have. */
static void
match_many(const struct entry *entry)
{
	struct personality list[MATCHING_WINNERS_MAX + 1] = {0};
	struct bundle bundle = {.personalities = list,
				.personality_count = MATCHING_WINNERS_MAX + 1};
	char names[MATCHING_WINNERS_MAX + 1][8];
	OSDictionary *nothing = OSDictionaryCreate(0);
	struct matching_result result;

	for (unsigned i = 0; i <= MATCHING_WINNERS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "%u", i);
		list[i].match_category = names[i];
		list[i].provider_class = "IOService";
		list[i].properties = nothing;
	}
	matching_select(&bundle, entry, &result);
	FUZZ_CHECK(result.count == MATCHING_WINNERS_MAX);
	OSRelease(nothing);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	struct tree tree = {0};
	struct entry *root, *device, *interface, *service;
	OSDictionary *properties[4], *matching;
	unsigned budget = 200;

	for (unsigned i = 0; i < 4; i++) {
		properties[i] = fuzz_dictionary(&fuzz, 0, &budget);
		OSDictionarySetUInt64Value(properties[i], "locationID", 0x80100000u);
	}
	FUZZ_CHECK(tree_add(&tree, 1, "IORegistryEntry", properties[0], NULL, NULL, &root) == 0);
	FUZZ_CHECK(tree_add(&tree, 2, "IOUSBHostDevice", properties[1], root, NULL, &device) == 0);
	FUZZ_CHECK(tree_add(&tree, 3, "IOUSBHostInterface", properties[2], device, NULL,
			    &interface) == 0);
	FUZZ_CHECK(tree_add(&tree, 4, "IOUserService", properties[3], interface,
			    (struct host *)&tree, &service) == 0);
	matching = by_wire_take(fuzz_dictionary(&fuzz, 0, &budget));
	for (const struct entry *entry = tree.first; matching != NULL && entry != NULL;
	     entry = entry->next)
		matching_entry(matching, entry);
	match_personalities(&fuzz, device);
	if (size == 0)
		match_many(device);
	OSRelease(matching);
	tree_clear(&tree);
	for (unsigned i = 0; i < 4; i++)
		OSRelease(properties[i]);
	return 0;
}
