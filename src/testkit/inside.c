/* SPDX-License-Identifier: Apache-2.0 */
/* The table of inside.h. Part of libdriverkit, and not of any static library. */
#include "inside.h"

#include "any_provider.h"
#include "connection.h"
#include "provider.h"
#include "shuffle.h"

static int
run_take(int control_socket, const struct host_inside *inside, const struct usb_backend *backend)
{
	int status;

	usb_provider_set_virtual(backend);
	status = host_run_inside_take(control_socket, &any_host_provider, inside);
	usb_provider_set_virtual(NULL);
	return status;
}

const struct inside_access inside_access = {
	.run_take = run_take,
	.connection_count = connection_count,
	.witness_begin = witness_begin,
	.witness_end = witness_end,
	.shuffle_begin = shuffle_begin,
};
