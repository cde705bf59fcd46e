/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming to a real device by plain libusb in one process, which is what a program has without
 * us: buffers of its own memory, oldest first, each written whole before it is sent, so many of
 * them underway, and libusb's events handled by the thread that sends when it has to wait.
 *
 * The device is BENCH_USB=BUS:DEV, and its first bulk OUT endpoint.
 */
#include "peers.h"

#include "stream_shape.h"

#include <fcntl.h>
#include <libusb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct usbfs_state {
	libusb_context *context;
	libusb_device_handle *handle;
	unsigned char endpoint;
	struct libusb_transfer *transfers[STREAM_DEPTH_MAX];
	uint8_t *pool;
	size_t size;
	unsigned count, depth;
	uint64_t next, done;
};

static int
open_file(void)
{
	const char *place = getenv("BENCH_USB");
	unsigned bus, number;
	char path[64];

	if (place == NULL || sscanf(place, "%u:%u", &bus, &number) != 2)
		return -1;
	snprintf(path, sizeof(path), "/dev/bus/usb/%03u/%03u", bus, number);
	return open(path, O_RDWR | O_CLOEXEC);
}

static bool
find_endpoint(struct usbfs_state *state)
{
	struct libusb_config_descriptor *config;
	const struct libusb_interface_descriptor *interface;

	if (libusb_get_active_config_descriptor(libusb_get_device(state->handle), &config) != 0)
		return false;
	interface = &config->interface[0].altsetting[0];
	for (unsigned i = 0; i < interface->bNumEndpoints && state->endpoint == 0; i++) {
		const struct libusb_endpoint_descriptor *endpoint = &interface->endpoint[i];

		if ((endpoint->bmAttributes & 3) == LIBUSB_TRANSFER_TYPE_BULK &&
		    (endpoint->bEndpointAddress & LIBUSB_ENDPOINT_IN) == 0)
			state->endpoint = endpoint->bEndpointAddress;
	}
	libusb_free_config_descriptor(config);
	return state->endpoint != 0;
}

static void
finished(struct libusb_transfer *transfer)
{
	struct usbfs_state *state = transfer->user_data;

	if (transfer->status != LIBUSB_TRANSFER_COMPLETED) {
		fprintf(stderr, "bench: a transfer of libusb's failed\n");
		_exit(1);
	}
	state->done++;
}

static bool
open_usbfs(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	const struct stream_shape *shape = (const void *)(uintptr_t)argument;
	struct usbfs_state *state = calloc(1, sizeof(*state));
	int fd = open_file();

	if (state == NULL || fd < 0)
		return false;
	libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
	if (libusb_init(&state->context) != 0 ||
	    libusb_wrap_sys_device(state->context, fd, &state->handle) != 0 ||
	    libusb_claim_interface(state->handle, 0) != 0 || !find_endpoint(state))
		return false;
	state->size = shape->size;
	state->count = stream_count(shape);
	state->depth = stream_depth(shape);
	state->pool = malloc(state->count * state->size);
	for (unsigned i = 0; i < state->depth; i++)
		state->transfers[i] = libusb_alloc_transfer(0);
	*ret_state = state;
	*ret_server = 0;
	return state->pool != NULL;
}

static uint64_t
usbfs_once(void *context)
{
	struct usbfs_state *state = context;
	uint8_t *buffer = state->pool + state->next % state->count * state->size;
	struct libusb_transfer *transfer = state->transfers[state->next % state->depth];

	while (state->next - state->done >= state->depth)
		libusb_handle_events(state->context);
	memset(buffer, (int)state->next, state->size);
	state->next++;
	libusb_fill_bulk_transfer(transfer, state->handle, state->endpoint, buffer,
				  (int)state->size, finished, state, 0);
	if (libusb_submit_transfer(transfer) != 0)
		_exit(1);
	return 0;
}

const struct contestant usbfs_stream = {
	.name = "libusb in one process",
	.open = open_usbfs,
	.once = usbfs_once,
	.batch = 16,
};
