/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry tree, as a list in order of age: there are tens of entries, look-ups answer "oldest
 * first", and a child is always younger than its provider. One thread, the registry's.
 */
#include "tree.h"

#include "clock.h"
#include "status.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static IOReturn
draw_id(const struct tree *tree, uint64_t *ret_id)
{
	uint64_t id = 0;

	while (id == 0 || tree_find(tree, id) != NULL) {
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			return status_from_errno(errno, "getrandom");
	}
	*ret_id = id;
	return kIOReturnSuccess;
}

static void
free_entry(struct entry *entry)
{
	OSSafeReleaseNULL(entry->properties);
	free(entry->name);
	free(entry->class_name);
	free(entry->user_class);
	free(entry);
}

static void
tell(struct tree *tree, const struct entry *entry, enum tree_change change)
{
	if (tree->changed != NULL)
		tree->changed(tree, entry, change);
}

static IOReturn
set_properties(struct entry *entry, OSDictionary *properties)
{
	const char *user_class = OSDictionaryGetStringValue(properties, "IOUserClass");
	const char *name = OSDictionaryGetStringValue(properties, "IORegistryEntryName");
	char *new_user_class = user_class != NULL ? strdup(user_class) : NULL;
	char *new_name = strdup(name != NULL	     ? name
				: user_class != NULL ? user_class
						     : entry->class_name);

	if (new_name == NULL || (user_class != NULL && new_user_class == NULL)) {
		free(new_name);
		free(new_user_class);
		return kIOReturnNoMemory;
	}
	free(entry->name);
	free(entry->user_class);
	OSRetain(properties);
	OSRelease(entry->properties);
	entry->name = new_name;
	entry->user_class = new_user_class;
	entry->properties = properties;
	return kIOReturnSuccess;
}

IOReturn
tree_replace(struct tree *tree, struct entry *entry, OSDictionary *properties)
{
	IOReturn status = set_properties(entry, properties);

	if (status == kIOReturnSuccess)
		tell(tree, entry, TREE_REPLACED);
	return status;
}

IOReturn
tree_add(struct tree *tree, uint64_t id, const char *class_name, OSDictionary *properties,
	 struct entry *provider, struct host *host, struct entry **ret_entry)
{
	struct entry *entry, **last;
	IOReturn status = kIOReturnSuccess;

	if (id == 0)
		status = draw_id(tree, &id);
	else if (tree_find(tree, id) != NULL)
		status = kIOReturnExclusiveAccess;
	if (status != kIOReturnSuccess)
		return status;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return kIOReturnNoMemory;
	entry->id = id;
	entry->provider = provider;
	entry->host = host;
	entry->since = clock_now();
	entry->class_name = strdup(class_name);
	status = entry->class_name != NULL ? set_properties(entry, properties) : kIOReturnNoMemory;
	if (status != kIOReturnSuccess) {
		free_entry(entry);
		return status;
	}
	for (last = &tree->first; *last != NULL; last = &(*last)->next)
		;
	*last = entry;
	if (ret_entry != NULL)
		*ret_entry = entry;
	tell(tree, entry, TREE_ADDED);
	return kIOReturnSuccess;
}

struct entry *
tree_find(const struct tree *tree, uint64_t id)
{
	for (struct entry *entry = tree->first; entry != NULL; entry = entry->next) {
		if (entry->id == id)
			return entry;
	}
	return NULL;
}

bool
tree_is_below(const struct entry *entry, const struct entry *ancestor)
{
	for (; entry != NULL; entry = entry->provider) {
		if (entry == ancestor)
			return true;
	}
	return false;
}

const struct entry *
tree_find_gone(const struct tree *tree, uint64_t id)
{
	for (const struct entry *entry = tree->gone; entry != NULL; entry = entry->next) {
		if (entry->id == id)
			return entry;
	}
	return NULL;
}

/* Frees those that were removed but the latest `kept`. */
static void
forget(struct tree *tree, unsigned kept)
{
	struct entry **link = &tree->gone;

	for (unsigned i = 0; i < kept && *link != NULL; i++)
		link = &(*link)->next;
	while (*link != NULL) {
		struct entry *entry = *link;

		*link = entry->next;
		free_entry(entry);
	}
}

void
tree_remove(struct tree *tree, struct entry *entry)
{
	struct entry *removed = NULL, **link = &tree->first, *next;

	/* Unlinked first and freed after, because tree_is_below walks through the providers, and
	 * so may whoever is told. */
	while (*link != NULL) {
		struct entry *candidate = *link;

		if (!tree_is_below(candidate, entry)) {
			link = &candidate->next;
			continue;
		}
		*link = candidate->next;
		candidate->next = removed;
		removed = candidate;
	}
	assert(removed != NULL);
	for (const struct entry *gone = removed; gone != NULL; gone = gone->next)
		tell(tree, gone, TREE_REMOVED);
	for (; removed != NULL; removed = next) {
		next = removed->next;
		removed->provider = NULL;
		removed->host = NULL;
		removed->next = tree->gone;
		tree->gone = removed;
	}
	forget(tree, TREE_GONE_MAX);
}

void
tree_remove_host(struct tree *tree, const struct host *host)
{
	struct entry *entry = tree->first;

	while (entry != NULL) {
		if (entry->host == host) {
			tree_remove(tree, entry);
			entry = tree->first; /* others may have gone with it */
		} else {
			entry = entry->next;
		}
	}
}

void
tree_order_services(struct tree *tree)
{
	struct entry *services = NULL, **link = &tree->first;

	while (*link != NULL) {
		struct entry *entry = *link, **place = &services;

		if (entry->host == NULL) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		while (*place != NULL && (*place)->since <= entry->since)
			place = &(*place)->next;
		entry->next = *place;
		*place = entry;
	}
	*link = services;
}

void
tree_clear(struct tree *tree)
{
	while (tree->first != NULL)
		tree_remove(tree, tree->first);
	forget(tree, 0);
}
