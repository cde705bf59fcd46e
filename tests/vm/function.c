/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device of function.h: vm-function FOLDER UDC_FILE CONTROLLER [RECORD]. FOLDER is a mounted
 * FunctionFS; the name of the controller is written to UDC_FILE when the endpoints are there. With
 * RECORD whatever arrives is appended to that file, and not compared.
 *
 * Three threads: endpoint 0, which takes requests; OUT, which reads and checks; IN, which does one
 * order after the other. It runs on the little-endian machine of the suite. FunctionFS halts an
 * endpoint when it is used in the wrong direction.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/functionfs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "function.h"

#define ROOM   65536
#define ORDERS 16

struct endpoints {
	struct usb_interface_descriptor interface;
	struct usb_endpoint_descriptor_no_audio out, in;
} __attribute__((packed));

struct super_endpoints {
	struct usb_interface_descriptor interface;
	struct usb_endpoint_descriptor_no_audio out;
	struct usb_ss_ep_comp_descriptor out_companion;
	struct usb_endpoint_descriptor_no_audio in;
	struct usb_ss_ep_comp_descriptor in_companion;
} __attribute__((packed));

#define INTERFACE                                                                      \
	{                                                                              \
		.bLength = USB_DT_INTERFACE_SIZE, .bDescriptorType = USB_DT_INTERFACE, \
		.bNumEndpoints = 2, .bInterfaceClass = USB_CLASS_VENDOR_SPEC           \
	}
#define BULK(address, packet)                                                          \
	{                                                                              \
		.bLength = USB_DT_ENDPOINT_SIZE, .bDescriptorType = USB_DT_ENDPOINT,   \
		.bEndpointAddress = (address), .bmAttributes = USB_ENDPOINT_XFER_BULK, \
		.wMaxPacketSize = packet                                               \
	}
#define COMPANION                                                                             \
	{                                                                                     \
		.bLength = USB_DT_SS_EP_COMP_SIZE, .bDescriptorType = USB_DT_SS_ENDPOINT_COMP \
	}

static const struct {
	struct usb_functionfs_descs_head_v2 head;
	__le32 full_count, high_count, super_count;
	struct endpoints full, high;
	struct super_endpoints super;
} __attribute__((packed)) descriptors = {
	.head = {.magic = FUNCTIONFS_DESCRIPTORS_MAGIC_V2,
		 .length = sizeof(descriptors),
		 .flags = FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC | FUNCTIONFS_HAS_SS_DESC},
	.full_count = 3,
	.high_count = 3,
	.super_count = 5,
	.full = {INTERFACE, BULK(1, 64), BULK(2 | USB_DIR_IN, 64)},
	.high = {INTERFACE, BULK(1, 512), BULK(2 | USB_DIR_IN, 512)},
	.super = {INTERFACE, BULK(1, 1024), COMPANION, BULK(2 | USB_DIR_IN, 1024), COMPANION},
};

static const struct usb_functionfs_strings_head strings = {
	.magic = FUNCTIONFS_STRINGS_MAGIC,
	.length = sizeof(strings),
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct function_state state; /* [lock] */
static bool halt_out, stop;	    /* [lock] */
static struct order {
	uint8_t request;
	uint16_t value;
} orders[ORDERS];	      /* [lock] for IN */
static unsigned first, count; /* [lock] */
static int control_fd, out_fd, in_fd, record_fd = -1;

static void
die(const char *what)
{
	printf("vm-function: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
open_in(const char *folder, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static bool
is_mark(const uint8_t *bytes, size_t length, struct function_mark *ret_mark)
{
	if (length != sizeof(*ret_mark))
		return false;
	memcpy(ret_mark, bytes, sizeof(*ret_mark));
	return ret_mark->magic == FUNCTION_MAGIC;
}

static void
count_locked(const uint8_t *bytes, size_t length)
{
	struct function_mark mark;

	if (is_mark(bytes, length, &mark)) {
		state.out_mark = mark.number;
		state.out_bytes = state.out_reads = 0;
		return;
	}
	for (size_t i = 0; i < length; i++)
		state.out_wrong += bytes[i] != function_byte(state.out_bytes++);
	state.out_reads++;
}

static _Noreturn void *
serve_out(void *unused)
{
	static uint8_t bytes[ROOM];

	for (;;) {
		ssize_t got = read(out_fd, bytes, sizeof(bytes));
		bool halt;

		if (got < 0 && errno == ESHUTDOWN)
			continue; /* unbound: the next read waits until it is bound again */
		if (got < 0)
			die("OUT");
		if (record_fd >= 0 && write(record_fd, bytes, (size_t)got) != got)
			die("record");
		pthread_mutex_lock(&lock);
		if (record_fd < 0)
			count_locked(bytes, (size_t)got);
		halt = halt_out;
		halt_out = false;
		while (stop)
			pthread_cond_wait(&changed, &lock);
		pthread_mutex_unlock(&lock);
		if (halt && (write(out_fd, bytes, 1) >= 0 || errno != EBADMSG))
			die("halt of OUT");
	}
}

static void
send_bytes(uint16_t length, uint8_t *bytes)
{
	for (unsigned i = 0; i < length; i++)
		bytes[i] = function_byte(state.in_bytes + i);
	state.in_bytes += length;
	if (length > 0 && write(in_fd, bytes, length) != length)
		die("IN");
	/* 512 divides 1024: at super speed a packet too many would be one transfer too many. */
	if (length % 1024 == 0 && write(in_fd, bytes, 0) != 0)
		die("zero-length packet");
}

static _Noreturn void *
serve_in(void *unused)
{
	static uint8_t bytes[ROOM];

	for (;;) {
		struct order order;

		pthread_mutex_lock(&lock);
		while (count == 0)
			pthread_cond_wait(&changed, &lock);
		order = orders[first++ % ORDERS];
		count--;
		pthread_mutex_unlock(&lock);
		if (order.request == FUNCTION_SEND)
			send_bytes(order.value, bytes);
		else if (read(in_fd, bytes, 1024) >= 0 || errno != EBADMSG)
			die("halt of IN");
	}
}

/* False: it is not known. */
static bool
obey(uint8_t request, uint16_t value)
{
	bool known = true;

	pthread_mutex_lock(&lock);
	if (request == FUNCTION_HALT_OUT)
		halt_out = true;
	else if (request == FUNCTION_STOP || request == FUNCTION_GO)
		stop = request == FUNCTION_STOP;
	else if ((request == FUNCTION_SEND || request == FUNCTION_HALT_IN) && count < ORDERS)
		orders[(first + count++) % ORDERS] = (struct order){request, value};
	else
		known = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return known;
}

static void
answer(const struct usb_ctrlrequest *setup)
{
	bool in = (setup->bRequestType & USB_DIR_IN) != 0;
	struct function_state copy;
	ssize_t done;

	pthread_mutex_lock(&lock);
	copy = state;
	pthread_mutex_unlock(&lock);
	if (in && setup->bRequest == FUNCTION_STATE && setup->wLength == sizeof(copy))
		done = write(control_fd, &copy, sizeof(copy));
	else if (!in && obey(setup->bRequest, setup->wValue))
		done = read(control_fd, NULL, 0);
	else
		done = in ? read(control_fd, NULL, 0) : write(control_fd, NULL, 0); /* stalls */
	(void)done;
}

int
main(int argc, char **argv)
{
	struct usb_functionfs_event event;
	pthread_t thread;
	FILE *udc;

	if (argc < 4)
		return 2;
	if (argc > 4 &&
	    (record_fd = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
		die(argv[4]);
	control_fd = open_in(argv[1], "ep0");
	if (write(control_fd, &descriptors, sizeof(descriptors)) < 0 ||
	    write(control_fd, &strings, sizeof(strings)) < 0)
		die("descriptors");
	out_fd = open_in(argv[1], "ep1");
	in_fd = open_in(argv[1], "ep2");
	pthread_create(&thread, NULL, serve_out, NULL);
	pthread_create(&thread, NULL, serve_in, NULL);
	udc = fopen(argv[2], "we");
	if (udc == NULL || fprintf(udc, "%s\n", argv[3]) < 0 || fclose(udc) != 0)
		die(argv[2]);
	for (;;) {
		if (read(control_fd, &event, sizeof(event)) == sizeof(event)) {
			if (event.type == FUNCTIONFS_SETUP)
				answer(&event.u.setup);
		} else if (errno != EIDRM) { /* that is a request the host has given up */
			die("endpoint 0");
		}
	}
}
