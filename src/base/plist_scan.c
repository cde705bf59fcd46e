/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a property list without building anything: a binary one object by object, as often as it
 * is referred to, an XML one tag by tag. Stops at the first bound that is passed, so its work is
 * bounded as well, and its own recursion by PLIST_DEPTH_MAX.
 *
 * What is merely wrong inside the bounds (an unknown tag, a bad number) is left to libplist.
 */
#include "plist_scan.h"

#include <stdint.h>
#include <string.h>

static const char broken[] = "it is cut short or refers outside itself";
static const char too_deep[] = "it is nested too deeply";
static const char too_many[] = "it has too many nodes";
static const char has_nul[] = "a string has a NUL inside";
static const char too_large[] = "its strings and data are too large";

#define MAGIC	     "bplist00"
#define MAGIC_SIZE   8u
#define TRAILER_SIZE 32u

struct binary {
	const struct plist_bounds *bounds;
	const uint8_t *bytes;
	uint64_t end; /* where the objects and the offset table end: the trailer */
	uint64_t table;
	uint64_t objects;
	unsigned offset_size, reference_size;
	uint32_t nodes; /* seen so far */
	uint64_t total; /* bytes of strings and data seen so far */
};

/* `size` bytes, most significant first; the caller has checked that they are there. */
static uint64_t
number_at(const struct binary *list, uint64_t at, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | list->bytes[at + i];
	return value;
}

static bool
has(const struct binary *list, uint64_t at, uint64_t size)
{
	return at <= list->end && size <= list->end - at;
}

/* The count of an object whose marker is at *at; moves *at past it. */
static bool
count_at(const struct binary *list, uint64_t *at, uint64_t *ret_count)
{
	unsigned low = list->bytes[*at] & 0xf;
	unsigned size;

	(*at)++;
	if (low != 0xf) {
		*ret_count = low;
		return true;
	}
	if (!has(list, *at, 1) || (list->bytes[*at] & 0xf0) != 0x10)
		return false;
	size = 1u << (list->bytes[*at] & 0xf);
	(*at)++;
	if (size > 8 || !has(list, *at, size))
		return false;
	*ret_count = number_at(list, *at, size);
	*at += size;
	return true;
}

/* Whether one of the characters, of one or two bytes each, is a NUL; libplist would cut there. */
static bool
nul_inside(const struct binary *list, uint64_t at, uint64_t count, unsigned each)
{
	for (uint64_t i = 0; i < count; i++)
		if (number_at(list, at + i * each, each) == 0)
			return true;
	return false;
}

static const char *walk(struct binary *list, uint64_t object, unsigned depth);

static const char *
walk_container(struct binary *list, uint64_t at, uint64_t references, unsigned depth)
{
	const char *wrong = NULL;

	if (!has(list, at, references * list->reference_size))
		return broken;
	for (uint64_t i = 0; i < references && wrong == NULL; i++)
		wrong = walk(list,
			     number_at(list, at + i * list->reference_size, list->reference_size),
			     depth + 1);
	return wrong;
}

/* Data and strings: `each` bytes for each of their count. */
static const char *
measure(struct binary *list, uint64_t at, unsigned each, bool text)
{
	uint64_t count;

	if (!count_at(list, &at, &count) || count > list->end || !has(list, at, count * each))
		return broken;
	list->total += count * each;
	if (list->total > list->bounds->bytes)
		return too_large;
	return text && nul_inside(list, at, count, each) ? has_nul : NULL;
}

static const char *
walk(struct binary *list, uint64_t object, unsigned depth)
{
	uint64_t at, count = 0, each;

	if (depth > PLIST_DEPTH_MAX)
		return too_deep;
	if (++list->nodes > list->bounds->nodes)
		return too_many;
	if (object >= list->objects)
		return broken;
	at = number_at(list, list->table + object * list->offset_size, list->offset_size);
	if (at < MAGIC_SIZE || !has(list, at, 1))
		return broken;
	switch (list->bytes[at] >> 4) {
	case 0x4: /* data */
		return measure(list, at, 1, false);
	case 0x5: /* ASCII */
		return measure(list, at, 1, true);
	case 0x6: /* UTF-16 */
		return measure(list, at, 2, true);
	case 0xa: /* array */
	case 0xd: /* dictionary */
		each = list->bytes[at] >> 4 == 0xd ? 2 : 1;
		if (!count_at(list, &at, &count))
			return broken;
		if (count > list->bounds->nodes)
			return too_many;
		return walk_container(list, at, count * each, depth);
	default:
		return NULL;
	}
}

const char *
plist_scan_binary(const void *bytes, size_t length, const struct plist_bounds *bounds)
{
	struct binary list = {.bounds = bounds, .bytes = bytes};
	uint64_t trailer, root;

	if (length < MAGIC_SIZE + TRAILER_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
		return broken;
	trailer = length - TRAILER_SIZE;
	list.end = trailer;
	list.offset_size = list.bytes[trailer + 6];
	list.reference_size = list.bytes[trailer + 7];
	list.objects = number_at(&list, trailer + 8, 8);
	root = number_at(&list, trailer + 16, 8);
	list.table = number_at(&list, trailer + 24, 8);
	if (list.offset_size < 1 || list.offset_size > 8 || list.reference_size < 1 ||
	    list.reference_size > 8 || list.objects > length || list.table < MAGIC_SIZE ||
	    !has(&list, list.table, list.objects * list.offset_size))
		return broken;
	return walk(&list, root, 0);
}

static bool
starts(const char *at, const char *end, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(end - at) >= length && memcmp(at, word, length) == 0;
}

/* The character after the next `word`, or NULL. */
static const char *
past(const char *at, const char *end, const char *word)
{
	const char *found = memmem(at, (size_t)(end - at), word, strlen(word));

	return found == NULL ? NULL : found + strlen(word);
}

const char *
plist_scan_xml(const void *bytes, size_t length, const struct plist_bounds *bounds)
{
	const char *at = bytes, *end = at + length;
	uint32_t nodes = 0, depth = 0;
	bool within = false; /* <plist>, which is no node itself */

	while (at != NULL && (at = memchr(at, '<', (size_t)(end - at))) != NULL) {
		const char *close;

		if (starts(at, end, "<!--")) {
			at = past(at + 4, end, "-->");
			continue;
		}
		if (starts(at, end, "<![CDATA[")) {
			at = past(at + 9, end, "]]>");
			continue;
		}
		close = past(at, end, ">");
		if (close == NULL)
			return broken;
		if (starts(at, end, "</")) {
			if (depth > 0)
				depth--;
		} else if (!starts(at, end, "<?") && !starts(at, end, "<!")) {
			if (!within && nodes == 0 && starts(at, end, "<plist"))
				within = true;
			else if (++nodes > bounds->nodes)
				return too_many;
			/* Within <plist> and its root. */
			if (close[-2] != '/' && ++depth > PLIST_DEPTH_MAX + 2)
				return too_deep;
		}
		at = close;
	}
	return NULL;
}
