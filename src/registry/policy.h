/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which apps may open the services of which driver. A file has a line for each driver, or for
 * several:
 *
 *	# driver (CFBundleIdentifier)	who
 *	org.opendext.bulkstream		user:anna group:plugdev
 *	com.example.scale		everyone
 *	*				group:opendext
 *
 * The line of the driver counts, else that of `*`, else "group:opendext". root and the registry's
 * own user may always. It is read at each open, so that a change takes effect with the next one.
 */
#ifndef REGISTRY_POLICY_H
#define REGISTRY_POLICY_H

#include <stdbool.h>
#include <sys/socket.h>

#define POLICY_REASON_MAX 512

/*
 * Whether the app at the other end of this socket may. The kernel says who that is: `who` from
 * SO_PEERCRED, other groups by SO_PEERGROUPS. False: `reason` names the check and what to do. A
 * NULL file: nobody but this process's user.
 */
bool policy_allows(const char *file, int socket, const struct ucred *who, const char *driver,
		   char reason[POLICY_REASON_MAX]);

#endif
