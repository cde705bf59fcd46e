/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver bundle: a folder NAME.dext with an Info.plist in Apple's keys and a shared object.
 * bundle_open reads and checks all of it, so that nothing of it has to be checked again.
 */
#ifndef REGISTRY_BUNDLE_H
#define REGISTRY_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <DriverKit/OSCollections.h>

#define BUNDLE_ERROR_MAX 512

/* One entry of IOKitPersonalities. The strings are borrowed from the properties. */
struct personality {
	const struct bundle *bundle;
	char *name; /* its key */
	OSDictionary *properties;
	const char *provider_class;
	const char *user_class;
	const char *match_category;
	int64_t probe_score;
};

/* [const] after bundle_open, but for what its owner notes */
struct bundle {
	char *path; /* absolute, of the folder */
	char *identifier;
	char *executable; /* absolute, of the shared object */
	struct personality *personalities;
	unsigned personality_count;
	uint64_t print; /* of property list and executable: another one, another version */
	/* [owner of the bundle] */
	bool retired; /* it has gone, and its hosts are to end */
	struct bundle *next;
};

/*
 * kIOReturnNotFound: no such folder or file; kIOReturnBadArgument: the property list is not what it
 * must be. `error` then holds a sentence that names the file, the key and what was expected.
 */
IOReturn bundle_open(const char *path, struct bundle **ret_bundle, char error[BUNDLE_ERROR_MAX]);
/* The same of one whose classes are in this program: it needs no shared object. */
IOReturn bundle_open_inside(const char *path, struct bundle **ret_bundle,
			    char error[BUNDLE_ERROR_MAX]);
/*
 * A bundle as it was when a host of it was sent START, with this one personality, whether it is
 * still there or not.
 */
IOReturn bundle_recall(const OSDictionary *start, const char *personality,
		       struct bundle **ret_bundle);
void bundle_free(struct bundle *bundle); /* NULL is allowed */
/* Tells a file from what it was before it was changed: over its name, identity, size and times. */
uint64_t bundle_print_file(const char *name, const struct stat *info);

#endif
