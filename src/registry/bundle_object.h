/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver's shared object says of itself, read from the file: nothing of it is loaded or run.
 */
#ifndef REGISTRY_BUNDLE_OBJECT_H
#define REGISTRY_BUNDLE_OBJECT_H

#include <DriverKit/IOReturn.h>

#define BUNDLE_OBJECT_ERROR_MAX 256

struct bundle_object {
	char **classes; /* the names in DEXT_BUNDLE, in its order; NULL where one cannot be told */
	unsigned class_count;
};

/*
 * kIOReturnUnsupported: not a shared object for this machine, or without a dext_bundle of this ABI;
 * other statuses: it cannot be read. `error` then says what is wrong and what to do.
 */
IOReturn bundle_object_read(const char *path, struct bundle_object *ret_object,
			    char error[BUNDLE_OBJECT_ERROR_MAX]);
void bundle_object_free(struct bundle_object *object);

#endif
