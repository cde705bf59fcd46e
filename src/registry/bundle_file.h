/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a bundle: its Info.plist is read here, and its shared object found. */
#ifndef REGISTRY_BUNDLE_FILE_H
#define REGISTRY_BUNDLE_FILE_H

#include "bundle.h"
#include "plist_lines.h"

/*
 * Reads the property list. kIOReturnNotFound: no such file; kIOReturnBadArgument: it is not a
 * property list, or not a dictionary. `error` then holds what is wrong, without the file's name.
 * The lines are to be freed in any case.
 */
IOReturn bundle_file_read(const char *file, struct plist_lines *ret_lines, OSDictionary **ret_info,
			  char error[BUNDLE_ERROR_MAX]);

/* With the name three times. */
#define BUNDLE_NO_EXECUTABLE                                                                  \
	"key CFBundleExecutable is \"%s\", but the bundle has neither %s nor %s.so; was the " \
	"driver "                                                                             \
	"built?"
/* The shared object of CFBundleExecutable in the folder; the caller frees it. NULL: none. */
char *bundle_file_executable(const char *folder, const char *name);

#endif
