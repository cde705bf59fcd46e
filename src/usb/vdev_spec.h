/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The description of a virtual device: a model's name, then options after a colon or comma each.
 *
 *	sink
 *	loopback:speed=super,stall-every=100
 *
 *	speed=full|high|super	packets of 64, 512 or 1024 bytes; high if not given, full for ftdi
 *	latency=N		no transfer ends sooner than N us after it was submitted
 *	stall-every=N		each Nth transfer of an endpoint moves half of its packets and then
 *				stalls; the endpoint stays halted until it is cleared
 *	short-every=N		each Nth IN transfer ends in its middle, with a short packet
 *				(source)
 *	corrupt-every=N		the first byte of each Nth transfer of an endpoint is inverted
 *	nak, nak=N		after N bytes (nak: 0) have moved, it answers NAK for ever
 *	nak-control		vendor requests and CLEAR_FEATURE are answered with NAK for ever
 *	baud=N			the other end of the line runs at N bits a second; what is sent at
 *				another rate comes back garbled (ftdi)
 *	serial=TEXT		its serial number, 1 to 31 letters, digits, '.', '-' or '_';
 *				"virtual" if not given
 *	unplug-after=N		it goes when N bytes have moved, or before the packet that would
 *				make them more than N
 *	unplug-late=N		it is N ms until its going is noticed, as with a hub: meanwhile it
 *				answers nothing
 *
 * Bytes are those of both directions together. N is decimal.
 */
#ifndef USB_VDEV_SPEC_H
#define USB_VDEV_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

#define VDEV_NEVER	UINT64_MAX
#define VDEV_SERIAL_MAX 31u

enum vdev_kind {
	VDEV_SINK,
	VDEV_SOURCE,
	VDEV_LOOPBACK,
	VDEV_FTDI,
};

struct vdev_spec {
	enum vdev_kind kind;
	uint8_t speed;		/* of kIOUSBHostConnectionSpeed... */
	uint64_t latency;	/* ns */
	uint64_t stall_every;	/* transfers; 0: never */
	uint64_t short_every;	/* the same */
	uint64_t corrupt_every; /* the same */
	uint64_t nak_after;	/* bytes; VDEV_NEVER */
	uint64_t unplug_after;	/* bytes; VDEV_NEVER */
	uint64_t unplug_late;	/* ns */
	bool nak_control;	/* vendor requests and the clearing of halts are never answered */
	uint32_t baud;		/* of the line's other end; 0: any */
	char serial[VDEV_SERIAL_MAX + 1];
};

/*
 * kIOReturnBadArgument, and a sentence that names the option in `error`, unless the spec is good.
 */
IOReturn vdev_spec_parse(const char *text, struct vdev_spec *ret_spec, char *error, size_t size);

bool vdev_spec_has_out(const struct vdev_spec *spec);
bool vdev_spec_has_in(const struct vdev_spec *spec);
/* The highest alternate setting of its interface. */
uint8_t vdev_spec_last_setting(const struct vdev_spec *spec);
/* Bytes in a bulk packet. */
uint16_t vdev_spec_packet(const struct vdev_spec *spec);

#endif
