/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of an Info.plist that are known, and what is near to one that is not. */
#ifndef REGISTRY_BUNDLE_KEYS_H
#define REGISTRY_BUNDLE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

enum bundle_place {
	BUNDLE_TOP,
	BUNDLE_PERSONALITY,
};

enum bundle_kind {
	BUNDLE_ANY,
	BUNDLE_STRING,
	BUNDLE_NUMBER,
	BUNDLE_DICTIONARY,
};

struct bundle_key {
	const char *name;
	enum bundle_kind kind;
	int64_t least, most; /* of a number */
};

/* NULL: not known there. */
const struct bundle_key *bundle_key_find(enum bundle_place place, const char *name);
/* A known key of which this one may be a misspelling; NULL: it is like none. */
const char *bundle_key_like(enum bundle_place place, const char *name);
/* Whether the name is one that only Apple gives: an unknown one is a mistake or does nothing. */
bool bundle_key_is_reserved(const char *name);

#endif
