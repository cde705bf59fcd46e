/* SPDX-License-Identifier: Apache-2.0 */
/* The classes and planes of the registry: the registry matches by them, an app asks about them. */
#ifndef BASE_REGISTRY_NAMES_H
#define BASE_REGISTRY_NAMES_H

#include <stdbool.h>

/* Of the registry's root, and of nothing else. */
#define CLASS_ROOT "IORegistryEntry"

/* NULL: the class is unknown, or has none. Static storage. */
const char *class_superclass(const char *name);
/* Whether `name` is `wanted` or derives from it. An unknown class is only itself. */
bool class_conforms(const char *name, const char *wanted);

/* Planes, as they travel. */
enum plane {
	PLANE_NONE = 0, /* no plane of that name */
	PLANE_SERVICE = 1,
	PLANE_USB = 2,
	PLANE_LAST = PLANE_USB,
};

enum plane plane_of(const char *name);
const char *plane_name(enum plane plane); /* not of PLANE_NONE */

#endif
