/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of drivers/bulkstream: what an app needs to stream through any USB interface that
 * has bulk endpoints. In the order in which a program meets it:
 *
 *	service = IOServiceGetMatchingService(kIOMainPortDefault,
 *					      IOServiceNameMatching(DEXT_BULKSTREAM_SERVICE));
 *	IOServiceOpen(service, mach_task_self(), DEXT_BULKSTREAM_SHARED, &connection);
 *	IOConnectCallScalarMethod(connection, DEXT_BULKSTREAM_CONFIGURE, in, 6, out, &outCount);
 *	IOConnectMapMemory64(connection, i, mach_task_self(), &address, &size, kIOMapAnywhere);
 *	IOConnectCallAsyncScalarMethod(connection, DEXT_BULKSTREAM_REGISTER, port, reference, 3,
 *				       NULL, 0, NULL, NULL);
 *	IOConnectCallScalarMethod(connection, DEXT_BULKSTREAM_SEND, in, 4, NULL, NULL);
 *
 * From SEND or RECEIVE until the completion that names it, a buffer belongs to the driver: another
 * call with it is kIOReturnBusy, and what the app writes there meanwhile may or may not be sent.
 * No byte of a buffer is ever copied on its way to the USB stack.
 *
 * Completions arrive at the registered port as (result, args, DEXT_BULKSTREAM_ARGUMENTS); those of
 * one direction come in the order of the calls, with sequence numbers that count up from 0.
 *
 * The second way to submit is a ring (DEXT_BULKSTREAM_MEMORY_RING), without a call for each buffer:
 *
 *	dext_ring_create(connection, DEXT_BULKSTREAM_MEMORY_RING, 0, &ring);
 *	dext_ring_push(ring, submissions, count, &pushed);
 *	dext_ring_pop(ring, completions, room, &popped);
 */
#ifndef OPENDEXT_BULKSTREAM_H
#define OPENDEXT_BULKSTREAM_H

#include <stdint.h>

#define DEXT_BULKSTREAM_SERVICE "BulkStream"

/*
 * The type of IOServiceOpen. An exclusive connection is the only one: kIOReturnExclusiveAccess
 * while there is another, and for every other open while it lasts.
 */
enum {
	DEXT_BULKSTREAM_SHARED = 0,
	DEXT_BULKSTREAM_EXCLUSIVE = 1,
};

/*
 * Selectors. "in" and "out" are scalars, in this order; no method takes structures. A caller may
 * leave the outputs out (no output array).
 */
enum {
	/*
	 * in: interface number, alternate setting, OUT endpoint, IN endpoint, N, S
	 * out: packet size of the OUT endpoint, of the IN endpoint (0: none), OUT and IN address,
	 * entries of the ring each way (0, or no such output: the driver offers none)
	 *
	 * Once for each connection, before all that follows: N buffers (1 to
	 * DEXT_BULKSTREAM_BUFFERS_MAX) of S bytes (1 to DEXT_BULKSTREAM_SIZE_MAX); memory is made
	 * when a buffer is first used. The interface must be the one that the driver is on, or
	 * DEXT_BULKSTREAM_ANY; an endpoint is an address (0x02, 0x81), DEXT_BULKSTREAM_NONE, or
	 * DEXT_BULKSTREAM_ANY for the first bulk endpoint of that direction, if there is one.
	 *
	 * kIOReturnNotFound: no such interface, setting or endpoint. kIOReturnBadArgument: an
	 * endpoint that is not bulk or of the other direction; no endpoint at all; N or S out of
	 * bounds. kIOReturnNoResources: N * S is over DEXT_BULKSTREAM_BYTES_MAX. kIOReturnBusy:
	 * already configured, or another app uses another alternate setting.
	 */
	DEXT_BULKSTREAM_CONFIGURE = 0,
	/*
	 * Asynchronous call, no scalars: where completions go from now on, instead of where they
	 * went. Without one a buffer becomes free and nobody is told.
	 */
	DEXT_BULKSTREAM_REGISTER = 1,
	/*
	 * in: i, offset, length, flags; out: sequence
	 *
	 * Queues length bytes from offset of buffer i and returns. flags: 0, or
	 * DEXT_BULKSTREAM_ZLP. A length of 0 is one zero-length packet.
	 *
	 * kIOReturnBadArgument: outside the buffer, an unknown flag. kIOReturnNoResources: no
	 * memory for a buffer that is used for the first time. kIOReturnNotReady: not configured,
	 * or without an OUT endpoint. kIOReturnBusy: the buffer is in flight.
	 * kUSBHostReturnPipeStalled: a transfer of this app failed; see CLEAR_STALL.
	 * kIOReturnNoDevice.
	 */
	DEXT_BULKSTREAM_SEND = 2,
	/*
	 * in: i, length; out: sequence
	 *
	 * Queues a receive into buffer i and returns. It ends when length bytes or a short packet
	 * came. kIOReturnNotAligned: length is no multiple of the packet size. Otherwise as SEND.
	 */
	DEXT_BULKSTREAM_RECEIVE = 3,
	/*
	 * in: bmRequestType, bRequest, wValue, wIndex, wLength, i
	 *
	 * Asynchronous call: a control request; its data are the first wLength bytes of buffer i
	 * (not looked at if wLength is 0), which is the driver's until the end. Returns when it is
	 * queued, and completes at the port and reference of this call, within
	 * DEXT_BULKSTREAM_CONTROL_MSEC, with one argument (IOAsyncCallback1): the bytes of the data
	 * stage. A device that is slow to answer holds up nobody's stream.
	 *
	 * Of the call: kIOReturnNotPermitted: not in the driver's Info.plist (BulkStreamRequests).
	 * kIOReturnNoResources: DEXT_BULKSTREAM_CONTROLS_MAX of this app are underway.
	 * kIOReturnBusy: the buffer is in flight. kIOReturnBadArgument: outside the buffer, or not
	 * called asynchronously. Of the completion: kUSBHostReturnPipeStalled: the device refuses
	 * it. kIOReturnTimeout. kIOReturnNoDevice.
	 */
	DEXT_BULKSTREAM_CONTROL = 4,
	/*
	 * in: first, count, length, K, and, if wanted, flags
	 *
	 * Continuous receive: buffers first to first + count - 1 form a pool, of which K (1 to
	 * count) are kept queued, length bytes each. Each completion lends its buffer to the app
	 * until GIVE_BACK. When the app has so many that none can be queued the device waits;
	 * that is one overrun in the statistics. No byte is lost by it, and the stream goes on at
	 * the next GIVE_BACK. A completion with an error ends the pool, as RECEIVE_STOP does:
	 * its buffers are the app's own again, also those that are lent. RECEIVE is kIOReturnBusy
	 * meanwhile; so is a second START.
	 *
	 * flags: 0, or DEXT_BULKSTREAM_RESUME: a stall does not end the pool. The transfer that met
	 * it completes with kUSBHostReturnPipeStalled and the bytes that had come, and lends its
	 * buffer as any other; then the driver clears the endpoint and goes on, with the next byte
	 * in the next buffer. If the endpoint cannot be cleared the pool ends. An unknown flag is
	 * kIOReturnBadArgument.
	 */
	DEXT_BULKSTREAM_RECEIVE_START = 5,
	/* in: i. kIOReturnBadArgument: the app does not have that buffer. */
	DEXT_BULKSTREAM_GIVE_BACK = 6,
	/* Queued transfers complete with kIOReturnAborted; the pool is an app's own again. */
	DEXT_BULKSTREAM_RECEIVE_STOP = 7,
	/*
	 * in: direction
	 *
	 * All of this app's transfers in that direction that have not finished complete with
	 * kIOReturnAborted (and the bytes that had moved); other apps' transfers go on. Returns
	 * before those completions arrive. Also ends a continuous receive.
	 */
	DEXT_BULKSTREAM_ABORT = 8,
	/*
	 * in: direction
	 *
	 * After a transfer failed, all later ones of this app in that direction complete with
	 * kIOReturnAborted and new ones are kUSBHostReturnPipeStalled, so that nothing overtakes
	 * what failed. The failed completion says how many bytes had moved. This call lets the app
	 * go on from there. (The endpoint itself has been cleared by the driver already, for the
	 * sake of other apps.) kIOReturnBusy: not all completions are out yet.
	 */
	DEXT_BULKSTREAM_CLEAR_STALL = 9,
	/* out: as CONFIGURE's. kIOReturnNotReady before it. Costs nothing; is the driver there? */
	DEXT_BULKSTREAM_QUERY = 10,
};

#define DEXT_BULKSTREAM_ANY  0xffff
#define DEXT_BULKSTREAM_NONE 0

/* Flags of SEND: end with a zero-length packet if the last packet is a full one. */
#define DEXT_BULKSTREAM_ZLP 1

/* Flags of RECEIVE_START: go on by itself after a stall. */
#define DEXT_BULKSTREAM_RESUME 1

enum {
	DEXT_BULKSTREAM_OUT = 0,
	DEXT_BULKSTREAM_IN = 1,
};

/*
 * Arguments of a completion. STATUS is the same as its result: kIOReturnSuccess, or what went
 * wrong; BYTES is how many had moved either way. TIMESTAMP: CLOCK_MONOTONIC in ns.
 */
enum {
	DEXT_BULKSTREAM_ARGUMENT_DIRECTION = 0,
	DEXT_BULKSTREAM_ARGUMENT_BUFFER = 1,
	DEXT_BULKSTREAM_ARGUMENT_STATUS = 2,
	DEXT_BULKSTREAM_ARGUMENT_BYTES = 3,
	DEXT_BULKSTREAM_ARGUMENT_TIMESTAMP = 4,
	DEXT_BULKSTREAM_ARGUMENT_SEQUENCE = 5,
	DEXT_BULKSTREAM_ARGUMENTS = 6,
};

#define DEXT_BULKSTREAM_BUFFERS_MAX  4096
#define DEXT_BULKSTREAM_SIZE_MAX     (UINT64_C(1) << 30)
#define DEXT_BULKSTREAM_BYTES_MAX    (UINT64_C(15) << 30)
#define DEXT_BULKSTREAM_CONTROL_MSEC 1000
#define DEXT_BULKSTREAM_CONTROLS_MAX 16

/*
 * Several apps: their buffers go out in turn, and as many as this are on their way to the device at
 * a time, fewer with more than two apps: a new buffer of an app that has no other underway never
 * waits for more than this many of others, with up to 8 apps.
 */
#define DEXT_BULKSTREAM_IN_FLIGHT 8

/*
 * Memory types. 0 to N-1: the buffers, read-write. Both of these are read-only, live, and hold a
 * struct dext_bulkstream_statistics: of this connection, and of the driver since it started.
 */
#define DEXT_BULKSTREAM_MEMORY_STATISTICS 0x10000
#define DEXT_BULKSTREAM_MEMORY_TOTALS	  0x10001

/*
 * The ring of this connection, for dext_ring_create, after CONFIGURE, which says how many entries
 * it has room for each way: at least N, so that who submits no buffer before its last completion
 * has come never finds it full.
 *
 * Each submission that was pushed is answered by one completion in the ring. A transfer's end is
 * what it is with calls: status, bytes, order, sequence, turns with other apps, what a failure does
 * to those behind it. A submission that SEND or RECEIVE would refuse completes at once with that
 * status and the sequence DEXT_BULKSTREAM_REFUSED, ahead of transfers that are underway: the buffer
 * that it names is whose it was.
 *
 * Both ways may be used at the same time: they share the buffers and the sequence numbers, and a
 * transfer ends where it came from, in the ring or at the port. What was pushed before a call of
 * this connection is taken before that call is looked at: so ABORT ends it too, and CLEAR_STALL
 * lets nothing overtake what failed. If the app leaves so many completions in the ring that one has
 * no room there, no submission is taken until it has, and CLEAR_STALL is kIOReturnBusy.
 *
 * When the driver ends, it answers what it finds in the ring; what is pushed after that is not
 * answered, and dext_ring_wait says kIOReturnOffline.
 */
#define DEXT_BULKSTREAM_MEMORY_RING 0x10002

struct dext_bulkstream_submission {
	uint32_t operation; /* DEXT_BULKSTREAM_SEND, DEXT_BULKSTREAM_RECEIVE; others: unsupported */
	uint32_t buffer;
	uint32_t offset; /* RECEIVE: 0 */
	uint32_t length;
	uint32_t flags;	  /* SEND: 0, or DEXT_BULKSTREAM_ZLP; RECEIVE: 0 */
	uint32_t zero[3]; /* anything else is kIOReturnBadArgument */
};

struct dext_bulkstream_completion {
	uint32_t direction; /* of an unknown operation: UINT32_MAX */
	uint32_t buffer;
	uint32_t status; /* an IOReturn */
	uint32_t bytes;
	uint64_t timestamp;
	uint64_t sequence;
};

#define DEXT_BULKSTREAM_REFUSED UINT64_MAX

/* Each field is written whole; fields of one moment are not always consistent with each other. */
struct dext_bulkstream_statistics {
	uint64_t size;	  /* of this structure as the driver knows it; fields are only appended */
	uint64_t clients; /* open connections, of the driver */
	uint64_t buffers; /* that have memory */
	/* Payload bytes that the framework copied in the driver's process (dext_bytes_copied). */
	uint64_t copied;
	uint64_t controls; /* control requests done */
	uint64_t overruns; /* of continuous receive */
	struct dext_bulkstream_direction {
		uint64_t bytes;	    /* moved, also by transfers that failed */
		uint64_t transfers; /* completed with success */
		uint64_t errors;    /* completed with anything else than success or an abort */
		uint64_t aborted;
		uint64_t queued;    /* now waiting in the driver */
		uint64_t in_flight; /* now with the device */
		/* The most transfers of other apps that a transfer queued while this app had no
		 * other one had to wait for. */
		uint64_t waited_for_max;
		uint64_t zero;
	} direction[2]; /* DEXT_BULKSTREAM_OUT, DEXT_BULKSTREAM_IN */
};

#endif
