/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that can be said of a bundle without running it: `dext lint`, and `dext doctor`. */
#ifndef REGISTRY_BUNDLE_LINT_H
#define REGISTRY_BUNDLE_LINT_H

#include "bundle_check.h"

/* [borrowed until `found` returns] */
struct bundle_finding {
	enum bundle_severity severity;
	const char *file; /* absolute, or as it was given */
	unsigned line;	  /* 0: not known, or not about a line */
	const char *key;  /* with colons; "" where it is not about a key */
	const char *text;
};

/* Calls `found` for each, in the order of the checks. */
void bundle_lint(const char *path,
		 void (*found)(void *context, const struct bundle_finding *finding), void *context);

#endif
