/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libdexttest needs of libdriverkit beside the public functions: a table, by one exported
 * name. Not the functions themselves, because libdexttest has the registry in it and with that
 * copies of the same layers; with a name each the linker would take those.
 */
#ifndef TESTKIT_INSIDE_H
#define TESTKIT_INSIDE_H

#include "backend.h"
#include "host.h"
#include "witness.h"

struct inside_access {
	/* host_run_inside_take with all providers; `backend` makes the virtual devices. */
	int (*run_take)(int control_socket, const struct host_inside *inside,
			const struct usb_backend *backend);
	unsigned (*connection_count)(void);
	void (*witness_begin)(const struct witness *witness);
	void (*witness_end)(void);
	void (*shuffle_begin)(uint64_t seed);
};

__attribute__((visibility("default"))) extern const struct inside_access inside_access;

#endif
