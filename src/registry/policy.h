/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which apps may open the services of which driver. A file has a line for each driver, or for
 * several:
 *
 *	# driver (CFBundleIdentifier)	who
 *	org.opendext.bulkstream		user:anna group:plugdev
 *	com.example.scale		everyone
 *	com.example.tablet		seat
 *	*				group:opendext
 *
 * The line of the driver counts, else that of `*`, else "group:opendext". root and the registry's
 * own user may always. The file is looked at at each open, so that a change takes effect with the
 * next one, and read when it has changed. Only then names are looked up, which may take a directory
 * server's time; an open asks the kernel alone and, for `seat`, logind's files.
 */
#ifndef REGISTRY_POLICY_H
#define REGISTRY_POLICY_H

#include <stdbool.h>
#include <sys/socket.h>

#include <DriverKit/IOReturn.h>

#define POLICY_REASON_MAX 512
/* Where logind says who is at which seat. */
#define POLICY_SEATS "/run/systemd/seats"

struct policy;

/* A NULL file: nobody but this process's user. Reads it, as far as it is there. */
IOReturn policy_open(const char *file, const char *seats, struct policy **ret_policy);
void policy_close(struct policy *policy); /* NULL is allowed */

/*
 * Whether the app at the other end of this socket may. The kernel says who that is: `who` from
 * SO_PEERCRED, other groups by SO_PEERGROUPS. False: `reason` names the check and what to do.
 */
bool policy_allows(struct policy *policy, int socket, const struct ucred *who, const char *driver,
		   char reason[POLICY_REASON_MAX]);

#endif
