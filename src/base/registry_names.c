/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which class of the registry derives from which, and the names of its planes. Classes of drivers
 * are not here: as on macOS a driver's node is an IOUserService, whatever class drives it. Static
 * tables; any thread.
 */
#include "registry_names.h"

#include <stddef.h>
#include <string.h>

static const char *const classes[][2] = {
	{"OSObject", NULL},
	{"OSIterator", "OSObject"},
	{"IOUserIterator", "OSIterator"},
	{CLASS_ROOT, "OSObject"},
	{"IOService", CLASS_ROOT},
	{"IOUSBDevice", "IOService"},
	{"IOUSBHostDevice", "IOUSBDevice"},
	{"IOUSBInterface", "IOService"},
	{"IOUSBHostInterface", "IOUSBInterface"},
	{"IOPCIDevice", "IOService"},
	{"IOUserResources", "IOService"},
	{"IOUserService", "IOService"},
	{"IOUserClient", "IOService"},
	{"IOUserUserClient", "IOUserClient"},
};

static const char *const planes[] = {
	[PLANE_SERVICE] = "IOService",
	[PLANE_USB] = "IOUSB",
};

const char *
class_superclass(const char *name)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strcmp(name, classes[i][0]) == 0)
			return classes[i][1];
	}
	return NULL;
}

bool
class_conforms(const char *name, const char *wanted)
{
	for (; name != NULL; name = class_superclass(name)) {
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

enum plane
plane_of(const char *name)
{
	for (unsigned i = PLANE_SERVICE; i <= PLANE_LAST; i++) {
		if (strcmp(name, planes[i]) == 0)
			return (enum plane)i;
	}
	return PLANE_NONE;
}

const char *
plane_name(enum plane plane)
{
	return planes[plane];
}
