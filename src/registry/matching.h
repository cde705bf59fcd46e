/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching, both kinds: a personality against a device or interface, and an app's matching
 * dictionary against anything in the tree.
 */
#ifndef REGISTRY_MATCHING_H
#define REGISTRY_MATCHING_H

#include "bundle.h"
#include "tree.h"

#define MATCH_REASON_MAX 256

/*
 * Whether the personality takes this provider. False: `reason` says which key differed, what the
 * personality asks for and what the provider has. True: *ret_keys is how many USB and PCI keys
 * agreed.
 */
bool matching_personality(const struct personality *personality, const struct entry *provider,
			  unsigned *ret_keys, char reason[MATCH_REASON_MAX]);

/* The personalities that win a provider: for each IOMatchCategory one. */
#define MATCHING_WINNERS_MAX 16
struct matching_result {
	const struct personality *winners[MATCHING_WINNERS_MAX];
	unsigned keys[MATCHING_WINNERS_MAX];
	unsigned count;
};

/*
 * Of each category the highest IOProbeScore wins; of equals the one with more USB keys, then the
 * first of the list.
 */
void matching_select(const struct bundle *bundles, const struct entry *provider,
		     struct matching_result *ret_result);

/*
 * Who is next in that order, of the category of `after`, if that one would not have it; NULL:
 * nobody.
 */
const struct personality *matching_next(const struct bundle *bundles, const struct entry *provider,
					const struct personality *after);

/*
 * Whether an app's dictionary matches the entry. Keys: IOProviderClass (the entry's class or one
 * that it derives from; of a service the driver's class too), IONameMatch, IORegistryEntryID,
 * IOPropertyMatch, IOPropertyExistsMatch, IOPathMatch, IOLocationMatch, IOParentMatch, and the USB
 * and PCI keys on nodes of devices. Other keys are not looked at, as on macOS. A dictionary without
 * any of them matches nothing.
 */
bool matching_entry(const OSDictionary *matching, const struct entry *entry);

#endif
