/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming to a real device by plain libusb in one process, which is what a program has without
 * us: buffers of its own memory, oldest first, each written whole before it is sent, so many of
 * them underway. Once the thread that sends handles libusb's events, too, which it only does when
 * as many are underway as may be. And once a thread of its own does, where a server has its CPU, as
 * in many programs; it wakes the one that sends when half of those underway are over, which is when
 * our app is woken.
 *
 * The device is BENCH_USB=BUS:DEV, and its first bulk OUT endpoint.
 */
#include "peers.h"

#include "stream_shape.h"

#include <fcntl.h>
#include <libusb.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct usbfs_state {
	libusb_context *context;
	libusb_device_handle *handle;
	unsigned char endpoint;
	struct libusb_transfer *transfers[STREAM_DEPTH_MAX];
	uint8_t *pool;
	size_t size;
	unsigned count, depth;
	uint32_t next;
	/* Also a futex. Written by whoever handles events. */
	_Atomic uint32_t done;
	_Atomic uint32_t wanted; /* the `done` for which the sending thread sleeps */
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
	/* Pairs with sleep_until: either this sees what is wanted, or that one sees it done. */
	if (atomic_fetch_add(&state->done, 1) + 1 == atomic_load(&state->wanted))
		syscall(SYS_futex, &state->done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
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

static void *
handle_events(void *context)
{
	struct usbfs_state *state = context;

	pin(0, server_cpu);
	for (;;)
		libusb_handle_events(state->context);
	return NULL;
}

static bool
open_event_thread(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	pthread_t thread;

	return open_usbfs(argument, ret_state, ret_server) &&
	       pthread_create(&thread, NULL, handle_events, *ret_state) == 0;
}

static void
sleep_until(struct usbfs_state *state, uint32_t wanted)
{
	uint32_t done;

	atomic_store(&state->wanted, wanted);
	while ((int32_t)((done = atomic_load(&state->done)) - wanted) < 0)
		syscall(SYS_futex, &state->done, FUTEX_WAIT_PRIVATE, done, NULL, NULL, 0);
}

static bool
is_full(struct usbfs_state *state)
{
	return state->next - atomic_load(&state->done) >= state->depth;
}

static void
send_one(struct usbfs_state *state)
{
	uint8_t *buffer = state->pool + state->next % state->count * state->size;
	struct libusb_transfer *transfer = state->transfers[state->next % state->depth];

	memset(buffer, (int)state->next, state->size);
	state->next++;
	libusb_fill_bulk_transfer(transfer, state->handle, state->endpoint, buffer,
				  (int)state->size, finished, state, 0);
	if (libusb_submit_transfer(transfer) != 0)
		_exit(1);
}

static uint64_t
usbfs_once(void *context)
{
	struct usbfs_state *state = context;

	while (is_full(state))
		libusb_handle_events(state->context);
	send_one(state);
	return 0;
}

static uint64_t
event_thread_once(void *context)
{
	struct usbfs_state *state = context;

	if (is_full(state))
		sleep_until(state, state->next - state->depth / 2);
	send_one(state);
	return 0;
}

const struct contestant usbfs_stream = {
	.name = "libusb in one process",
	.open = open_usbfs,
	.once = usbfs_once,
	.batch = 16,
};
const struct contestant usbfs_event_thread = {
	.name = "libusb with an event thread",
	.open = open_event_thread,
	.once = event_thread_once,
	.batch = 16,
};
