/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user id for each host, from a range that nobody else has: what a host may not do to another
 * process is then the kernel's business. A host keeps its id over restarts. One that the system
 * knows a user of is passed over. Ids are used again: a host can leave nothing behind, since it can
 * create no file.
 *
 * One thread, the registry's.
 */
#include "registry_private.h"

#include "log.h"

#include <pwd.h>

/*
 * Whether the system has a user with this id. Each is asked of once: a server on the network may
 * have to answer, and the registry's one thread waits for it.
 */
static bool
is_taken(struct registry *registry, uid_t uid)
{
	if (id_set_has(&registry->taken_uids, uid))
		return true;
	if (id_set_has(&registry->asked_uids, uid))
		return false;
	if (getpwuid(uid) != NULL) {
		id_set_add(&registry->taken_uids, uid);
		return true;
	}
	/* Without memory it is asked again. */
	id_set_add(&registry->asked_uids, uid);
	return false;
}

static bool
is_free(struct registry *registry, uid_t uid)
{
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->uid == uid)
			return false;
	}
	return !is_taken(registry, uid);
}

IOReturn
identity_give(struct host *host)
{
	struct registry *registry = host->registry;

	if (registry->first_uid == 0 || host->uid != 0)
		return kIOReturnSuccess;
	for (uid_t uid = registry->first_uid; uid <= registry->last_uid; uid++) {
		if (!is_free(registry, uid))
			continue;
		host->uid = uid;
		return kIOReturnSuccess;
	}
	log_error("there is no user id left for a host: %u to %u are all taken; give a longer "
		  "range with --host-uids",
		  registry->first_uid, registry->last_uid);
	return kIOReturnNoResources;
}
