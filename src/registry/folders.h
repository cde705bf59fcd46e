/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of driver bundles that are watched: a bundle that is dropped in is added to the registry,
 * one that has changed is replaced, one that was removed is removed. Create it after
 * registry_create; what is there already is added at once. Destroy it before the registry, after
 * the loop has stopped.
 */
#ifndef REGISTRY_FOLDERS_H
#define REGISTRY_FOLDERS_H

#include "registry.h"

struct folders;

/* The paths are borrowed. Folders that do not exist are waited for. */
IOReturn folders_create(struct loop *loop, struct registry *registry, char *const *paths,
			unsigned count, struct folders **ret_folders);
void folders_destroy(struct folders *folders); /* NULL is allowed */

#endif
