/* SPDX-License-Identifier: Apache-2.0 */
/* What the prisoner tries, one after the other; its app asks by index. */
#ifndef TESTS_PRISONER_ATTEMPTS_H
#define TESTS_PRISONER_ATTEMPTS_H

#include <stddef.h>

struct attempt {
	const char *what;
	/* Returns as a system call does: -1 and errno. `bundle` is the driver's own folder. */
	long (*act)(const char *bundle);
	int expected; /* errno in the sandbox; 0: is allowed */
};

extern const struct attempt attempts[];
extern const size_t attempt_count;

#endif
