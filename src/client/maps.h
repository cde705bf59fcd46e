/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says about this process's own mappings. No allocation: usable after fork. */
#ifndef CLIENT_MAPS_H
#define CLIENT_MAPS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the whole range is a shared mapping of this file. */
bool maps_is_file(const void *address, uint64_t length, int fd);

/* Whether nobody but this process writes into the range: none of it is a shared mapping. */
bool maps_is_private(const void *address, uint64_t length);

/* A shared mapping of a file. */
struct maps_part {
	char *address;
	uint64_t length;
	uint64_t offset; /* in the file */
	int protection;
};

/* Calls `found` for each of this file, which may put something else in its place. */
void maps_each_of_file(int fd, void (*found)(const struct maps_part *part, void *context),
		       void *context);

/*
 * NULL if the whole range may be replaced by a shared file: private anonymous memory, readable and
 * writable, no thread's stack, not locked. Else the reason, for the log.
 */
const char *maps_why_not_plain(const void *address, uint64_t length);

#endif
