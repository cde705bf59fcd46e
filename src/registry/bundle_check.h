/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an Info.plist must have, and what in it cannot be meant: the one place that says so, for
 * bundle_open, which stops at what it cannot use, and for bundle_lint, which tells all.
 */
#ifndef REGISTRY_BUNDLE_CHECK_H
#define REGISTRY_BUNDLE_CHECK_H

#include <dext_cdefs.h>

#include <DriverKit/OSCollections.h>

enum bundle_severity {
	BUNDLE_WARNING, /* works, but perhaps not as meant */
	BUNDLE_MISTAKE, /* the bundle is loaded, but a part of it does nothing */
	BUNDLE_FATAL,	/* the bundle is not loaded */
};

/*
 * Told of each thing that is found. `key` is the path of the key, with colons between; "" where it
 * is about the whole list. `text` is a sentence that names the key, what is wrong and what to
 * write.
 */
struct bundle_listener {
	void (*found)(void *context, enum bundle_severity severity, const char *key,
		      const char *text);
	void *context;
};

void bundle_check(const OSDictionary *info, const struct bundle_listener *listener);

/* For those who check other parts of a bundle: composes the text. */
void bundle_tell(const struct bundle_listener *listener, enum bundle_severity severity,
		 const char *key, const char *format, ...) DEXT_PRINTF(4, 5);

#endif
