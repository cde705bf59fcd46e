/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual USB devices, as a driver or an app sees them: ids, the source's pattern, and the
 * vendor requests by which a test compares end to end.
 */
#ifndef OPENDEXT_DEXT_VIRTUAL_H
#define OPENDEXT_DEXT_VIRTUAL_H

#include <stdint.h>

#define DEXT_VIRTUAL_VENDOR	      0x1209
#define DEXT_VIRTUAL_PRODUCT_SINK     0x0d01
#define DEXT_VIRTUAL_PRODUCT_SOURCE   0x0d02
#define DEXT_VIRTUAL_PRODUCT_LOOPBACK 0x0d03
#define DEXT_VIRTUAL_VENDOR_FTDI      0x0403 /* an FT232R: bcdDevice 0x0600 */
#define DEXT_VIRTUAL_PRODUCT_FTDI     0x6001

/*
 * Endpoints of interface 0 (class 0xff): bulk in the alternate settings 0 and 1, and of the type
 * that the name says in the others. An isochronous OUT packet that finds no room is lost, and an IN
 * packet with nothing to send is empty; the options stall-every, short-every, corrupt-every and nak
 * do not apply to them.
 */
#define DEXT_VIRTUAL_SETTING_ISOCHRONOUS 2
#define DEXT_VIRTUAL_SETTING_INTERRUPT	 3
#define DEXT_VIRTUAL_ENDPOINT_OUT	 0x01 /* sink, loopback, ftdi (there a real one has 0x02) */
#define DEXT_VIRTUAL_ENDPOINT_IN	 0x81 /* source, loopback, ftdi */

/*
 * Vendor requests to the device (bmRequestType 0xc0 and 0x40), wValue and wIndex 0. All else
 * stalls. (With the option nak-control they are never answered.)
 */
#define DEXT_VIRTUAL_REQUEST_STATE 1 /* IN: up to 64 bytes, struct dext_virtual_state */
#define DEXT_VIRTUAL_REQUEST_RESET 2 /* OUT, no data: all of the state, and the pattern, to 0 */

/* Little-endian. Counters start at power-on or reset. */
struct dext_virtual_state {
	uint64_t out_bytes;	/* accepted from the host */
	uint64_t in_bytes;	/* sent to the host */
	uint64_t out_transfers; /* finished without an error */
	uint64_t in_transfers;
	uint64_t hash;	       /* XXH3-64, seed 0, of all OUT bytes in order */
	uint64_t last_address; /* of the last OUT transfer's data, in the driver's process */
	uint64_t last_inode;   /* of the file behind it, 0 if none: fstat of the memory's memfd */
	uint64_t faults;       /* injected on purpose, by the options of the spec */
};

/*
 * The FTDI adapter answers the requests of the chip, and STATE and this one. A plug joins its
 * lines: what it sends it receives, DTR is its DSR and DCD, RTS its CTS. Sent at a rate that is not
 * that of the option baud, bytes come back inverted and with framing errors. A break comes back as
 * the break bit of the line's status. While it holds 4096 bytes that were not fetched it takes no
 * more.
 */
#define DEXT_VIRTUAL_REQUEST_FTDI 0x40 /* IN: up to 16 bytes, struct dext_virtual_ftdi */

struct dext_virtual_ftdi {
	uint32_t baud;	 /* rounded; 0 until one is set */
	uint32_t resets; /* since power-on */
	uint16_t format; /* wValue of the last "set data" */
	uint8_t flow;	 /* the upper byte of wIndex of the last "set flow control" */
	uint8_t lines;	 /* 1: DTR, 2: RTS */
	uint8_t latency; /* ms */
	uint8_t zero[3];
};

/*
 * The byte at `position` of the source's stream: the stream is 64-bit little-endian numbers, each
 * the one before plus 1, the first 0.
 */
static inline uint8_t
dext_virtual_pattern(uint64_t position)
{
	return (uint8_t)(position >> 3 >> (position % 8 * 8));
}

#endif
