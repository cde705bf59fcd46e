/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record: what the registry wants to know of a device or a host after it was started again, in a
 * memfd that nobody but it and the descriptor store has. A property list that never changes, and
 * beside it the little that does.
 */
#ifndef REGISTRY_RECORD_H
#define REGISTRY_RECORD_H

#include "bounds.h"

#include <stdbool.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>
#include <DriverKit/OSCollections.h>

/* How a record's bytes look; another version's record is not understood. */
#define RECORD_VERSION 1u

/* Close-on-exec, the caller's. */
IOReturn record_create(const OSDictionary *facts, int *ret_fd);
/* kIOReturnBadArgument: it is no record, or not a complete one. The facts are the caller's. */
IOReturn record_read(int fd, OSDictionary **ret_facts);

/* Interfaces from which kernel drivers were detached, a bit each. Failures go to the log. */
void record_set_detached(int fd, uint32_t detached);
uint32_t record_detached(int fd);

/* A service that a host has published, and when; id 0: none. */
struct record_service {
	uint64_t id;
	uint64_t since;
};

void record_set_services(int fd, const struct record_service *services, unsigned count);
/* False: it is not among them. */
bool record_find_service(int fd, uint64_t id, uint64_t *ret_since);

#endif
