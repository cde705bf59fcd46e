/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's descriptor store: what a process puts there comes back to the next process of the same
 * service, however suddenly the first one ended. A thing is kept under a name of its own and has up
 * to STORE_FDS_MAX descriptors.
 *
 *	store_open(most, &store);		the first call in a process
 *	for (entry = store_take(store); ...)	what an earlier process has left
 *	store_keep(store, "host-4711", fds, 3);
 *	store_forget(store, "host-4711");
 *
 * systemd does not answer. So how many descriptors fit is this process's to know and to count:
 * FileDescriptorStoreMax= of the unit, and no more is sent. A NULL store has no room for anything.
 */
#ifndef REGISTRY_STORE_H
#define REGISTRY_STORE_H

#include <stdbool.h>

#include <DriverKit/IOReturn.h>

#define STORE_NAME_MAX 64
#define STORE_FDS_MAX  4

struct store;

/* What came back under one name. Whoever has a use for a descriptor sets it to -1 here. */
struct store_entry {
	char name[STORE_NAME_MAX];
	int fds[STORE_FDS_MAX];
	unsigned count;
	struct store_entry *next;
};

/*
 * `most` descriptors fit, those that are there already included; 0: none. Makes what was handed
 * over close-on-exec. kIOReturnNotReady: there is no store, and nothing came back.
 */
IOReturn store_open(unsigned most, struct store **ret_store);
/* Ends the use; the store keeps what it has. NULL is allowed. */
void store_close(struct store *store);

/* Once. What is not fit to be anything is forgotten already. NULL: nothing came back. */
struct store_entry *store_take(struct store *store);
/* With the descriptors that were left in it. */
void store_entry_free(struct store_entry *entry);

bool store_has_room(const struct store *store, unsigned count);
/* The descriptors stay the caller's. False: they are not kept. */
bool store_keep(struct store *store, const char *name, const int *fds, unsigned count);
/* A name that is not there is allowed. */
void store_forget(struct store *store, const char *name);

#endif
