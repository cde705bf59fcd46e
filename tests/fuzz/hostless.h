/* SPDX-License-Identifier: Apache-2.0 */
/* A registry for each input, on the target's loop (still_loop.h), that starts no host. */
#ifndef TESTS_FUZZ_HOSTLESS_H
#define TESTS_FUZZ_HOSTLESS_H

#include "fuzz.h"

#include "registry_private.h"

/* None is started but in vain. */
static inline int
start_nothing(void *unused, int control)
{
	close(control);
	return -1;
}

static inline struct registry *
make_hostless(struct loop *loop, const char *directory, struct store *store)
{
	static const struct registry_inside nowhere = {.start = start_nothing};
	struct registry_options options = {
		.inside = &nowhere,
		.runtime_dir = directory,
		.host_program = "",
		.sandbox = SANDBOX_OFF,
		.store = store,
	};
	struct registry *registry = NULL;

	FUZZ_CHECK(registry_create(loop, &options, &registry) == kIOReturnSuccess);
	return registry;
}

#endif
