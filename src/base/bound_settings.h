/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of bounds.h that a bundle may set otherwise, by keys of its personality. A host has
 * its own, the usual ones until limits_set.
 */
#ifndef BASE_BOUND_SETTINGS_H
#define BASE_BOUND_SETTINGS_H

#include <stdint.h>

#include <DriverKit/OSCollections.h>

enum limit {
	LIMIT_CONNECTIONS,
	LIMIT_CONNECTIONS_USER,
	LIMIT_BUFFERS_CLIENT,
	LIMIT_BUFFERS_HOST,
	LIMIT_MAPPED_BYTES,
	LIMIT_PEER_BYTES,
	LIMIT_ASYNC,
	LIMIT_COMPLETIONS,
	LIMIT_COUNT,
};

/* What a bundle may set them to at most. Of buffers, what the kernel lets a process map
 * (vm.max_map_count); of registrations, as many as the protocol has indices for. */
#define LIMIT_CONNECTIONS_MOST	1024
#define LIMIT_BUFFERS_MOST	32768
#define LIMIT_MAPPED_BYTES_MOST (INT64_C(1) << 44)
#define LIMIT_PEER_BYTES_MOST	(INT64_C(1) << 40)
#define LIMIT_ASYNC_MOST	1024
#define LIMIT_COMPLETIONS_MOST	1048576

struct limit_setting {
	const char *name; /* in bounds.h */
	const char *key;  /* of a personality: a number from 1 to `most` */
	uint64_t usual, most;
};

extern const struct limit_setting limit_settings[LIMIT_COUNT];

/* What the key says there; the usual one without it, or if it is no number from 1 to the most. */
uint64_t limit_in(enum limit limit, const OSDictionary *personality);

/* This process's. Set before there is a second thread. */
void limits_set(const OSDictionary *personality);
uint64_t limit_of(enum limit limit);

/* For a line of the log: "DEXT_LIMIT_ASYNC (DextLimitAsync: 1024)", with what is in force. It is
 * this thread's until it asks for the next one. */
const char *limit_named(enum limit limit);

#endif
