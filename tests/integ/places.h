/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc says of a process: what is mapped at an address, and how many descriptors it has. */
#ifndef TESTS_INTEG_PLACES_H
#define TESTS_INTEG_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct place {
	char rights[5]; /* "rw-s" */
	uint64_t inode; /* of the file, 0 if none */
	uint64_t start; /* of the mapping */
	uint64_t end;
	uint64_t offset; /* of start, in the file */
};

/* False: nothing is mapped there. */
bool place_find(pid_t pid, uint64_t address, struct place *ret_place);
/* The same, in this process; the test fails if nothing is mapped there. */
struct place place_of(const volatile void *address);

/* Each the number of them and a constant. */
unsigned count_descriptors(pid_t pid);
unsigned count_threads(pid_t pid);
/* Mappings of memfds. */
unsigned count_memfd_maps(pid_t pid);

#endif
