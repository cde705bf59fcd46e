/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loaded bundle: the classes of its shared object, by name. Lives until the process ends, since
 * objects point to their classes.
 */
#ifndef DRIVER_BUNDLE_H
#define DRIVER_BUNDLE_H

#include <DriverKit/dext_bundle.h>

struct bundle;

/*
 * Loads the shared object. kIOReturnNotFound: no such file or it does not link;
 * kIOReturnUnsupported: made for another ABI, or its table is not one; each with a log line that
 * says which and why.
 */
IOReturn bundle_load(const char *path, const char *identifier, struct bundle **ret_bundle);
/* A bundle over a table in this program, for tests. `path` is for messages. */
IOReturn bundle_create(const dext_bundle_info *info, const char *path, const char *identifier,
		       struct bundle **ret_bundle);
void bundle_destroy(struct bundle *bundle);

/* NULL, and a log line that lists what there is. */
const OSMetaClass *bundle_find_class(const struct bundle *bundle, const char *name);
/* The table of its classes; borrowed. */
const dext_bundle_info *bundle_info(const struct bundle *bundle);
/* CFBundleIdentifier; "" for NULL. */
const char *bundle_identifier(const struct bundle *bundle);

#endif
