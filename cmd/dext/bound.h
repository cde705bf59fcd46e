/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle that serves one interface of a USB device by bulkstream: a folder with an Info.plist of
 * its own and a link to bulkstream's shared object. The link, because a sandboxed host may read
 * what it leads to and nothing beside it, and because a new version of bulkstream then is a new
 * version of the bound driver, too, which dextd notices as it does any other change.
 */
#ifndef DEXT_BOUND_H
#define DEXT_BOUND_H

#include <stdbool.h>
#include <stddef.h>

#define BOUND_NAME 64u
#define BOUND_FOLDER \
	"/etc/opendext/bundles" /* one of dextd's own, for what belongs to this machine */

struct bound {
	unsigned vendor, product, interface;
	unsigned configuration; /* its number, mostly 1 */
};

/* The folder's name in the folder of bundles. */
void bound_name(const struct bound *bound, char name[BOUND_NAME]);
/* The Info.plist; the caller frees it. NULL: no memory. */
char *bound_plist(const struct bound *bound);
/*
 * Writes the bundle into `folder`, which is made if it is missing; appears at once, whole. `driver`
 * is bulkstream's shared object. Errors (errno): EEXIST, it is there and `replace` is false.
 */
bool bound_write(const struct bound *bound, const char *folder, const char *driver, bool replace);
/* Removes it. ENOENT: it is not there. ENOTEMPTY: there is something else in it, and it stays. */
bool bound_remove(const struct bound *bound, const char *folder);

#endif
