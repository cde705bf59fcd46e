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

static bool
is_free(const struct registry *registry, uid_t uid)
{
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->uid == uid)
			return false;
	}
	return getpwuid(uid) == NULL;
}

IOReturn
identity_give(struct host *host)
{
	const struct registry *registry = host->registry;

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
