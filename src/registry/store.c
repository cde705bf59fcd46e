/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor store. The names that are in it are known here, with how many descriptors each
 * has, because nothing is ever heard of it again. One thread, the registry's.
 */
#include "store.h"

#include "environment.h"
#include "log.h"
#include "notify.h"
#include "packet.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kept {
	char name[STORE_NAME_MAX];
	unsigned count;
	struct kept *next;
};

struct store {
	unsigned most, used; /* descriptors */
	struct kept *kept;
	struct store_entry *taken; /* until store_take */
};

static struct kept **
find(struct store *store, const char *name)
{
	struct kept **link = &store->kept;

	while (*link != NULL && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

static bool
note(struct store *store, const char *name, unsigned count)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (kept == NULL)
		return false;
	snprintf(kept->name, sizeof(kept->name), "%s", name);
	kept->count = count;
	kept->next = store->kept;
	store->kept = kept;
	store->used += count;
	return true;
}

/* --- what came back --- */

static struct store_entry *
get_entry(struct store *store, const char *name)
{
	struct store_entry **link = &store->taken;

	while (*link != NULL && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	if (*link == NULL && (*link = calloc(1, sizeof(**link))) != NULL)
		snprintf((*link)->name, sizeof((*link)->name), "%s", name);
	return *link;
}

static void
take_fd(struct store *store, const char *name, int fd)
{
	struct store_entry *entry = NULL;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return;
	if (name[0] != '\0' && strlen(name) < STORE_NAME_MAX)
		entry = get_entry(store, name);
	if (entry != NULL && entry->count < STORE_FDS_MAX) {
		entry->fds[entry->count++] = fd;
		return;
	}
	log_error("the descriptor store brought a descriptor named '%.80s' that nobody here has "
		  "put there; it is closed",
		  name);
	fd_close(&fd);
}

static bool
take_all(struct store *store)
{
	const char *listed = NULL;
	unsigned count = environment_descriptors(&listed);
	char *names = count > 0 ? strdup(listed) : NULL, *rest = names;

	if (count > 0 && names == NULL)
		return false;
	for (unsigned i = 0; i < count; i++) {
		const char *name = strsep(&rest, ":");

		take_fd(store, name != NULL ? name : "", ENVIRONMENT_FIRST_FD + (int)i);
	}
	free(names);
	for (const struct store_entry *entry = store->taken; entry != NULL; entry = entry->next) {
		if (!note(store, entry->name, entry->count))
			return false;
	}
	return true;
}

/* --- */

IOReturn
store_open(unsigned most, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return kIOReturnNoMemory;
	if (!take_all(store)) {
		store_close(store);
		return kIOReturnNoMemory;
	}
	if (most > 0 && !notify_is_heard())
		log_info("there is no NOTIFY_SOCKET, so no descriptor store: drivers end when this "
			 "process does");
	else
		store->most = most;
	if (store->most == 0 && store->taken == NULL) {
		store_close(store);
		return kIOReturnNotReady;
	}
	*ret_store = store;
	return kIOReturnSuccess;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	while (store->kept != NULL) {
		struct kept *kept = store->kept;

		store->kept = kept->next;
		free(kept);
	}
	while (store->taken != NULL) {
		struct store_entry *entry = store->taken;

		store->taken = entry->next;
		store_entry_free(entry);
	}
	free(store);
}

struct store_entry *
store_take(struct store *store)
{
	struct store_entry *taken = store != NULL ? store->taken : NULL;

	if (store != NULL)
		store->taken = NULL;
	return taken;
}

void
store_entry_free(struct store_entry *entry)
{
	for (unsigned i = 0; i < entry->count; i++)
		fd_close(&entry->fds[i]);
	free(entry);
}

bool
store_has_room(const struct store *store, unsigned count)
{
	return store != NULL && store->used <= store->most && count <= store->most - store->used;
}

bool
store_keep(struct store *store, const char *name, const int *fds, unsigned count)
{
	char state[STORE_NAME_MAX + 64];

	assert(strlen(name) < STORE_NAME_MAX && count <= STORE_FDS_MAX);
	if (!store_has_room(store, count))
		return false;
	/* Whether they are still of use is found out here and not by systemd. */
	snprintf(state, sizeof(state), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	if (!notify_with(state, fds, count))
		return false;
	if (note(store, name, count))
		return true;
	snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notify(state);
	return false;
}

void
store_forget(struct store *store, const char *name)
{
	char state[STORE_NAME_MAX + 64];
	struct kept **link, *kept;

	if (store == NULL || *(link = find(store, name)) == NULL)
		return;
	kept = *link;
	*link = kept->next;
	store->used -= kept->count;
	free(kept);
	snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notify(state);
}
