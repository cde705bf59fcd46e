/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came back from the descriptor store, sorted out: adopt.c makes devices and hosts of it.
 *
 *	all = given_take_all(registry, "host-", "Launched", &count);
 *	for each: look at it; given_take_fd what is of use; given_finish
 *	free(all);
 */
#ifndef REGISTRY_GIVEN_H
#define REGISTRY_GIVEN_H

#include "registry_private.h"

/* An entry of the store, by what its descriptors are, which come in any order; -1: there is none.
 */
struct given {
	struct store_entry *entry;
	OSDictionary *facts; /* NULL: it has no record */
	int record, socket, pidfd, device, log;
	uint64_t time; /* when the thing began: the number that was asked for */
};

/* All whose names begin so, in the order of that fact, a number. NULL: no memory. */
struct given *given_take_all(struct registry *registry, const char *begin, const char *fact,
			     size_t *ret_count);
/* The descriptor is the caller's from now on. */
int given_take_fd(struct given *given, int fd);
/* Closes what was not taken; forget: the store is to forget it, too. */
void given_finish(struct registry *registry, struct given *given, bool forget);

/* The process's number by its pidfd; 0: it is none; -1: it has ended. */
pid_t given_pid(int fd);

#endif
