/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `dext send` and `dext recv` share: an app of bulkstream.h. transfer_parse the command line,
 * transfer_open, then submit buffers and transfer_wait, in which completions call `completed`;
 * transfer_close, transfer_report.
 *
 * One thread. Every function that can fail prints the sentence itself, remembers it for the JSON
 * report, and returns an exit code of dext.h.
 */
#ifndef DEXT_TRANSFER_H
#define DEXT_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include <xxhash.h>

#include <bulkstream.h>
#include <dext_iokit.h>
#include <dext_ring.h>
#include <dext_virtual.h>

struct transfer_options {
	const char *command; /* "send" or "recv", for messages */
	const char *service;
	const char *path; /* "-": standard input or output */
	uint32_t buffers;
	uint32_t size;	/* of a buffer, in bytes */
	uint64_t bytes; /* to receive; UINT64_MAX: until interrupted */
	bool json;
	bool calls; /* one for each buffer, and no ring */
};

/* What is wanted of a buffer: a SEND of `length` bytes from `offset` on, or a RECEIVE. */
struct transfer_piece {
	uint32_t buffer;
	uint32_t offset;
	uint32_t length;
};

/* Bytes of a completion that succeeded, or not. */
struct transfer_result {
	uint32_t buffer;
	IOReturn status;
	uint32_t bytes;
};

struct transfer {
	struct transfer_options options;
	unsigned direction;
	void (*completed)(struct transfer *transfer, const struct transfer_result *result);
	io_service_t service;
	io_connect_t connection;
	IONotificationPortRef port;
	io_object_t interest;  /* notification of the service's end */
	io_service_t provider; /* of the service: it goes with the device; 0: not known */
	bool provider_gone;
	bool has_ring;	   /* the driver */
	dext_ring_t *ring; /* NULL: calls */
	int signals;
	uint8_t **buffers; /* where buffer i is mapped */
	uint32_t size;	   /* of each, as configured: the option's, and room for a request */
	uint32_t packet_size;
	const struct dext_bulkstream_statistics *totals;
	uint32_t in_flight;
	uint32_t in_ring; /* of them, submitted there */
	bool interrupted;
	IOReturn failure;  /* since the caller has set it to success last: its cause */
	bool refused;	   /* the failure is of a submission */
	bool unplugged;	   /* a completion has said so */
	bool ended_driver; /* every completion that it sent was there before */
	/* The figures. */
	uint64_t bytes;
	uint64_t expected; /* UINT64_MAX: unknown */
	uint64_t started;  /* ns */
	uint64_t ended;
	XXH3_state_t *hash;
	/* Whether the device is one of ours, alone with us from the start. */
	bool device_asked;
	bool device_ours;
	struct dext_virtual_state device;
	bool pattern; /* every byte received so far is the source's pattern */
	char error[512];
};

/* Fills the options; prints the usage, or what is wrong with it. */
int transfer_parse(int argc, char **argv, const char *usage, struct transfer_options *options);

/* Opens the service, configures and maps the buffers, and asks a virtual device to start at 0. */
int transfer_open(struct transfer *transfer);
void transfer_close(struct transfer *transfer);

/*
 * Has the driver send or receive, in the transfer's direction, through the ring or by a call. After
 * success a completion answers it; a ring says in there what a call would have refused.
 */
kern_return_t transfer_submit(struct transfer *transfer, const struct transfer_piece *piece);
/*
 * Waits for completions, a signal, or `fd` (-1: none) to become ready for `events`; calls completed
 * for what arrived. *ret_ready: whether fd is ready. Fails when the driver has gone.
 */
int transfer_wait(struct transfer *transfer, int fd, short events, bool *ret_ready);
/* A submission was refused, or a completion says that it failed. */
void transfer_failed(struct transfer *transfer, IOReturn status, bool refused);
/* Ends everything underway and waits for it, for at most two seconds. */
void transfer_abort(struct transfer *transfer);

/* Of transfer_submit.c, for transfer.c: */
/* Unless calls are wanted. Where the driver has none it says so: calls then, too. */
int transfer_make_ring(struct transfer *transfer);
/* Takes what the ring has; whether there was something. */
bool transfer_take_ring(struct transfer *transfer);
/* The completion of a buffer, from the ring or the port. */
void transfer_completed(struct transfer *transfer, const struct transfer_result *result);

/* Prints and remembers a sentence. */
int transfer_fail(struct transfer *transfer, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The code and words that a status of the driver deserves; `what` is what was tried. */
int transfer_fail_status(struct transfer *transfer, IOReturn status, const char *what);

/* Asks the device for its own count and hash, then prints the summary or the JSON object. */
int transfer_report(struct transfer *transfer, int code);
/* Adds received or sent bytes to the figures. */
void transfer_account(struct transfer *transfer, const uint8_t *data, uint32_t length);
/* Resets the device's counters if it is one of ours and nobody else uses it. */
void transfer_ask_device(struct transfer *transfer);

uint64_t transfer_now(void); /* CLOCK_MONOTONIC, ns */

/* 1536 bytes as "1.5 KiB", in one of a few static buffers. */
const char *transfer_amount(double bytes);

#endif
