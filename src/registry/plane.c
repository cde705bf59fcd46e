/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planes and paths. The tree has one link, the provider; a plane is a view of it. Each answer walks
 * the tree, which has tens of entries.
 *
 * Pure functions; the registry's thread.
 */
#include "plane.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool
plane_is_root(const struct entry *entry)
{
	return strcmp(entry->class_name, CLASS_ROOT) == 0;
}

bool
plane_has(const struct entry *entry, enum plane plane)
{
	return plane == PLANE_SERVICE || plane_is_root(entry) ||
	       class_conforms(entry->class_name, "IOUSBDevice");
}

const struct entry *
plane_parent(const struct entry *entry, enum plane plane)
{
	if (!plane_has(entry, plane))
		return NULL;
	if (plane == PLANE_SERVICE || entry->provider == NULL)
		return entry->provider;
	while (entry->provider != NULL)
		entry = entry->provider;
	return entry;
}

/* Device and function of its bus; function 0 is not said. */
static bool
pci_location(const struct entry *entry, char *text, size_t size)
{
	const char *place = OSDictionaryGetStringValue(entry->properties, "pcidebug");
	unsigned device, function;

	if (place == NULL || sscanf(place, "%*u:%u:%u", &device, &function) != 2)
		return false;
	if (function != 0)
		snprintf(text, size, "%x,%x", device, function);
	else
		snprintf(text, size, "%x", device);
	return true;
}

bool
plane_location(const struct entry *entry, char *text, size_t size)
{
	const char *key = "bInterfaceNumber";
	uint64_t number;

	if (class_conforms(entry->class_name, "IOPCIDevice"))
		return pci_location(entry, text, size);

	if (class_conforms(entry->class_name, "IOUSBDevice"))
		key = "locationID";
	else if (!class_conforms(entry->class_name, "IOUSBInterface"))
		return false;
	if (!OSDictionaryGetUInt64Value(entry->properties, key, &number))
		return false;
	snprintf(text, size, "%" PRIx64, number);
	return true;
}

/* --- paths --- */

/* A name with a slash would be two. */
static size_t
append_name(const struct entry *entry, char *text, size_t size)
{
	size_t length = strnlen(entry->name, size - 1);

	memcpy(text, entry->name, length);
	text[length] = '\0';
	for (char *at = text; (at = strchr(at, '/')) != NULL;)
		*at = '_';
	return length;
}

static size_t
append(const struct entry *entry, enum plane plane, char path[PLANE_PATH_MAX])
{
	const struct entry *parent = plane_parent(entry, plane);
	char location[24];
	size_t length;

	if (plane_is_root(entry))
		return (size_t)snprintf(path, PLANE_PATH_MAX, "%s:", plane_name(plane));
	length = parent != NULL ? append(parent, plane, path)
				: (size_t)snprintf(path, PLANE_PATH_MAX, "%s:", plane_name(plane));
	/* Longer names than this are no names: the last one may not fit, and is then too much. */
	if (length + 2 + sizeof(location) >= PLANE_PATH_MAX)
		return PLANE_PATH_MAX;
	path[length++] = '/';
	length += append_name(entry, path + length, PLANE_PATH_MAX - length);
	if (plane_location(entry, location, sizeof(location)))
		length += (size_t)snprintf(path + length, PLANE_PATH_MAX - length, "@%s", location);
	return length;
}

bool
plane_path(const struct entry *entry, enum plane plane, char path[PLANE_PATH_MAX])
{
	size_t length;

	if (!plane_has(entry, plane))
		return false;
	length = append(entry, plane, path);
	if (length + 1 >= PLANE_PATH_MAX)
		return false;
	if (plane_is_root(entry))
		strcpy(path + length, "/");
	return true;
}

static bool
component_is(const struct entry *entry, const char *text, size_t length)
{
	char name[PLANE_PATH_MAX], location[24];
	size_t own = append_name(entry, name, sizeof(name));

	if (length < own || memcmp(text, name, own) != 0)
		return false;
	if (length == own)
		return true;
	return text[own] == '@' && plane_location(entry, location, sizeof(location)) &&
	       strlen(location) == length - own - 1 &&
	       memcmp(text + own + 1, location, length - own - 1) == 0;
}

bool
plane_path_matches(const char *path, const struct entry *entry)
{
	const char *colon = strchr(path, ':'), *end;
	enum plane plane = PLANE_NONE;
	char name[32];

	if (colon != NULL && (size_t)(colon - path) < sizeof(name)) {
		memcpy(name, path, (size_t)(colon - path));
		name[colon - path] = '\0';
		plane = plane_of(name);
	}
	if (plane == PLANE_NONE || !plane_has(entry, plane) || colon[1] != '/')
		return false;
	path = colon + 1;
	end = path + strlen(path);
	if (strcmp(path, "/") == 0)
		return plane_is_root(entry);
	for (; entry != NULL && !plane_is_root(entry); entry = plane_parent(entry, plane)) {
		const char *slash = memrchr(path, '/', (size_t)(end - path));

		if (slash == NULL || !component_is(entry, slash + 1, (size_t)(end - slash - 1)))
			return false;
		end = slash;
	}
	return end == path;
}

/* --- relations --- */

struct ids {
	uint64_t *ids;
	size_t count;
	size_t max;
};

static void
add(struct ids *to, uint64_t id)
{
	if (to->count < to->max)
		to->ids[to->count++] = id;
}

static void
add_below(struct ids *to, const struct tree *tree, const struct entry *entry, enum plane plane,
	  bool deep)
{
	for (const struct entry *child = tree->first; child != NULL; child = child->next) {
		if (plane_parent(child, plane) != entry)
			continue;
		add(to, child->id);
		if (deep)
			add_below(to, tree, child, plane, true);
	}
}

size_t
plane_related(const struct tree *tree, const struct entry *entry, enum plane plane,
	      enum entry_relation relation, uint64_t *ids, size_t max)
{
	struct ids to = {ids, 0, max};

	if (!plane_has(entry, plane))
		return 0;
	if (relation == ENTRY_CHILDREN || relation == ENTRY_BELOW) {
		add_below(&to, tree, entry, plane, relation == ENTRY_BELOW);
		return to.count;
	}
	while ((entry = plane_parent(entry, plane)) != NULL) {
		add(&to, entry->id);
		if (relation == ENTRY_PARENTS)
			break;
	}
	return to.count;
}
