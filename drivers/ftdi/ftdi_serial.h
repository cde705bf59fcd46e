/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of FTDISerial, the driver of FTDI's USB serial adapters, as its apps see it.
 *
 * One service for each serial port: an FT2232 has two. Open it with IOServiceOpen, type 0; one app
 * has it at a time, a second one gets kIOReturnExclusiveAccess. An open port has DTR and RTS on and
 * is set to 9600 baud, 8 data bits, no parity, 1 stop bit, no flow control.
 *
 * Receive. Memory type FTDI_MEMORY_RECEIVE is a ring of FTDI_RING_BYTES, mapped read-only. Bytes
 * have a position, counted from 0 at the open; that of position p is at p % FTDI_RING_BYTES. Call
 * FTDI_LISTEN once; its completion says up to which position bytes are there. Read them, and call
 * FTDI_TAKE with the position up to which you have read: that makes room, and orders the next
 * completion. There is at most one on its way, so a slow app is not flooded. If the ring is full
 * the driver asks the adapter for nothing more: no byte is lost in it. An adapter whose own memory
 * is full then stops the other end (flow control), or loses bytes and says so (FTDI_EVENT_OVERRUN).
 *
 * Transmit. Memory types FTDI_MEMORY_SEND to FTDI_MEMORY_SEND + FTDI_SEND_BUFFERS - 1 are buffers
 * of FTDI_SEND_BYTES. Fill one, call FTDI_SEND, and leave it alone until the completion has come.
 * Buffers are sent in the order of the calls.
 *
 * Unplugging ends everything underway with kIOReturnNoDevice, FTDI_LISTEN too; then the service
 * terminates. Calls return kIOReturnBadArgument if a number is none of those named here, with the
 * reason in the driver's log; kIOReturnTimeout if the adapter does not answer for
 * FTDI_REQUEST_MSEC; kIOReturnNoDevice if it has gone; kUSBHostReturnPipeStalled if it refuses.
 */
#ifndef FTDI_SERIAL_H
#define FTDI_SERIAL_H

#include <stdint.h>

#define FTDI_SERVICE "FTDISerial" /* for IOServiceNameMatching */

enum ftdi_selector {
	/*
	 * Scalars in: baud (bits a second), data bits (7 or 8), enum ftdi_parity, enum ftdi_stop,
	 * enum ftdi_flow. Out: the baud rate that the adapter's divider gives, rounded to 1.
	 * kIOReturnUnsupported: it comes no nearer than 3 %, or is out of the chip's range. The
	 * line is as it was then.
	 */
	FTDI_SET_LINE,
	/* Scalars in: which lines, of FTDI_MODEM_DTR and FTDI_MODEM_RTS; those that are to be on.
	 */
	FTDI_SET_MODEM,
	/* Scalar in: 1 holds the line in the break state, 0 ends that. */
	FTDI_SET_BREAK,
	/*
	 * Scalar in: ms, 1 to 255; 16 at first. So long the adapter keeps received bytes back until
	 * a packet is full. kIOReturnUnsupported: the chip (SIO, AM) has no such timer.
	 */
	FTDI_SET_LATENCY,
	/*
	 * Scalar in: of FTDI_PURGE_RECEIVE and FTDI_PURGE_SEND. The adapter forgets what it holds.
	 * What is in the ring, or underway to or from the adapter, stays.
	 */
	FTDI_PURGE,
	/* Scalars out: FTDI_STATUS_COUNT, as enum ftdi_status. Asks the adapter for its lines. */
	FTDI_GET_STATUS,
	/*
	 * Asynchronous, once (kIOReturnBusy). Arguments of each completion: FTDI_LISTEN_COUNT, as
	 * enum ftdi_listen. Its status is kIOReturnSuccess, or why nothing more will come.
	 */
	FTDI_LISTEN,
	/*
	 * Scalar in: the position up to which the app has read. Out: the position up to which bytes
	 * are there. kIOReturnBadArgument: before the last one taken, or past what is there.
	 * If it returns more than it was given, read on; the completion comes all the same.
	 */
	FTDI_TAKE,
	/*
	 * Asynchronous. Scalars in: buffer (0 to FTDI_SEND_BUFFERS - 1), length in bytes (1 to
	 * FTDI_SEND_BYTES). Its completion's argument: how many bytes the adapter has accepted; it
	 * may still be sending them. kIOReturnBusy: the buffer is underway. kIOReturnNotReady: a
	 * transfer failed or was aborted; FTDI_ABORT_SEND ends that.
	 */
	FTDI_SEND,
	/* What is underway completes with kIOReturnAborted. Sending is possible again after that.
	 */
	FTDI_ABORT_SEND,
};

#define FTDI_MEMORY_RECEIVE 0
#define FTDI_MEMORY_SEND    1
#define FTDI_RING_BYTES	    65536u
#define FTDI_SEND_BUFFERS   8u
#define FTDI_SEND_BYTES	    4096u
#define FTDI_REQUEST_MSEC   1000u

enum ftdi_parity {
	FTDI_PARITY_NONE,
	FTDI_PARITY_ODD,
	FTDI_PARITY_EVEN,
	FTDI_PARITY_MARK,
	FTDI_PARITY_SPACE,
};

enum ftdi_stop { FTDI_STOP_1, FTDI_STOP_1_5, FTDI_STOP_2 };

enum ftdi_flow {
	FTDI_FLOW_NONE,
	FTDI_FLOW_RTS_CTS,
	FTDI_FLOW_DTR_DSR,
	FTDI_FLOW_XON_XOFF, /* with the bytes 0x11 and 0x13 */
};

#define FTDI_MODEM_DTR 0x01u
#define FTDI_MODEM_RTS 0x02u

#define FTDI_PURGE_RECEIVE 0x01u
#define FTDI_PURGE_SEND	   0x02u

/* The lines of the other end. */
#define FTDI_LINE_CTS 0x10u
#define FTDI_LINE_DSR 0x20u
#define FTDI_LINE_RI  0x40u
#define FTDI_LINE_DCD 0x80u

/* What has happened on the line. The adapter says in which packet, not at which byte. */
#define FTDI_EVENT_OVERRUN 0x02u /* the adapter has lost received bytes */
#define FTDI_EVENT_PARITY  0x04u
#define FTDI_EVENT_FRAMING 0x08u
#define FTDI_EVENT_BREAK   0x10u
#define FTDI_EVENT_LINES   0x100u /* one of FTDI_LINE_... has changed */

enum ftdi_listen {
	FTDI_LISTEN_RECEIVED, /* the position up to which bytes are there */
	FTDI_LISTEN_EVENTS,   /* of FTDI_EVENT_..., since the last completion */
	FTDI_LISTEN_POSITION, /* of the packet with the first of them */
	FTDI_LISTEN_LINES,    /* of FTDI_LINE_..., now */
	FTDI_LISTEN_COUNT,
};

enum ftdi_status {
	FTDI_STATUS_LINES,    /* of FTDI_LINE_... */
	FTDI_STATUS_EMPTY,    /* 1: the adapter says that it has sent everything */
	FTDI_STATUS_RECEIVED, /* bytes since the open */
	FTDI_STATUS_SENT,
	FTDI_STATUS_OVERRUNS, /* packets with each event since the open */
	FTDI_STATUS_PARITIES,
	FTDI_STATUS_FRAMINGS,
	FTDI_STATUS_BREAKS,
	FTDI_STATUS_COUNT,
};

#endif
