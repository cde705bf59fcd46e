/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry tree: devices and their interfaces (nodes that nobody can open), and below them the
 * services that hosts publish. Each entry has a random id that is never used again.
 */
#ifndef REGISTRY_TREE_H
#define REGISTRY_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include <DriverKit/OSCollections.h>

struct host;

struct entry {
	uint64_t id;	  /* not 0 */
	char *name;	  /* what IONameMatch compares */
	char *class_name; /* IOClass: IOUSBHostDevice, IOUserService, ... */
	char *user_class; /* of a service: the driver's class; else NULL */
	OSDictionary *properties;
	struct entry *provider; /* NULL at the root */
	struct host *host;	/* of a service: who serves it; else NULL. Borrowed */
	uint64_t since;		/* clock_now, when it was added */
	struct entry *next;	/* oldest first */
};

#define TREE_GONE_MAX 64

enum tree_change {
	TREE_ADDED,
	TREE_REMOVED,  /* out of the list already, its providers are still there */
	TREE_REPLACED, /* its properties */
};

struct tree {
	struct entry *first;
	struct entry *gone; /* the last TREE_GONE_MAX that were removed, the latest first */
	/* Called after each change; may not change the tree. NULL: nobody wants to know. */
	void (*changed)(struct tree *tree, const struct entry *entry, enum tree_change change);
};

/*
 * Adds an entry. id 0: a new one is drawn. The name is the property IORegistryEntryName, else the
 * user class, else the class. The properties are retained. kIOReturnExclusiveAccess: the id is
 * taken.
 */
IOReturn tree_add(struct tree *tree, uint64_t id, const char *class_name, OSDictionary *properties,
		  struct entry *provider, struct host *host, struct entry **ret_entry);
/* New properties of the same entry. */
IOReturn tree_replace(struct tree *tree, struct entry *entry, OSDictionary *properties);
struct entry *tree_find(const struct tree *tree, uint64_t id);
/*
 * One of the last TREE_GONE_MAX that were removed, or NULL. An app that is told of an end asks what
 * it was that ended. It has neither provider nor host.
 */
const struct entry *tree_find_gone(const struct tree *tree, uint64_t id);
/* Removes the entry and all below it, the youngest first. */
void tree_remove(struct tree *tree, struct entry *entry);
/* Removes everything that this host serves. */
void tree_remove_host(struct tree *tree, const struct host *host);
/* Puts the services into the order of `since`, which was changed, after all nodes. */
void tree_order_services(struct tree *tree);
/* Whether `entry` is `ancestor` or somewhere below it. */
bool tree_is_below(const struct entry *entry, const struct entry *ancestor);
void tree_clear(struct tree *tree);

#endif
