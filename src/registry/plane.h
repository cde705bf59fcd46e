/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The planes of the tree: who is whose parent in a plane, and paths. In IOService an entry is below
 * its provider, and devices are below the root; in IOUSB there are the devices, below the root.
 *
 * A path is "IOService:/OpenDext sink@80100000/IOUSBHostInterface@0/BulkStream": the plane, then
 * from below the root each entry's name, "@" and its location where it has one; "/" alone is the
 * root. It is the same whenever the same devices and drivers are there.
 */
#ifndef REGISTRY_PLANE_H
#define REGISTRY_PLANE_H

#include "packets.h"
#include "registry_names.h"
#include "tree.h"

#define PLANE_PATH_MAX 4096

bool plane_is_root(const struct entry *entry);
bool plane_has(const struct entry *entry, enum plane plane);
/* NULL: the root, or not in the plane. */
const struct entry *plane_parent(const struct entry *entry, enum plane plane);
/* False: it has none. */
bool plane_location(const struct entry *entry, char *text, size_t size);
/* False: the entry is not in the plane, or the path does not fit. */
bool plane_path(const struct entry *entry, enum plane plane, char path[PLANE_PATH_MAX]);
/* Whether a path means this entry; locations may be left out. */
bool plane_path_matches(const char *path, const struct entry *entry);

/* The ids of the entries that stand in this relation, at most `max`. Below: parents first. */
size_t plane_related(const struct tree *tree, const struct entry *entry, enum plane plane,
		     enum entry_relation relation, uint64_t *ids, size_t max);

#endif
