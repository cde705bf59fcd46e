/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a property list's bytes before libplist sees them. libplist 2.2 builds and frees trees
 * recursively and gives each reference of a binary list a tree of its own, so that a few hundred
 * bytes can overflow the stack or fill the memory.
 */
#ifndef BASE_PLIST_SCAN_H
#define BASE_PLIST_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLIST_DEPTH_MAX 32u
#define PLIST_NODES_MAX 65536u
#define PLIST_BYTES_MAX (UINT64_C(16) << 20)

struct plist_bounds {
	uint32_t nodes;
	uint64_t bytes; /* of strings and data, as often as they are used */
};

/* NULL if the list keeps to the bounds; else what is wrong with it, static. */
const char *plist_scan_binary(const void *bytes, size_t length, const struct plist_bounds *bounds);
const char *plist_scan_xml(const void *bytes, size_t length, const struct plist_bounds *bounds);

#endif
