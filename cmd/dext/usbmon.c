/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usbmon's records, by Documentation/usb/usbmon.rst of Linux and the list of link types of
 * tcpdump.org. Numbers are in this machine's byte order, as the first word of the file says.
 *
 * A virtual device is on bus 0, with the number of its driver as its address, because each host has
 * a device of its own. A submission that is whole becomes one record, also if it goes to the kernel
 * in pieces.
 */
#include "usbmon.h"
#include "trace_output.h"

#include "clock.h"

#include <USBDriverKit/AppleUSBDefinitions.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define MAGIC_NANOSECONDS UINT32_C(0xa1b23c4d)
#define LINKTYPE	  220u
#define URB_DIR_IN	  0x0200u
#define URB_ISO_ASAP	  0x0002u

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	int32_t zone;
	uint32_t accuracy;
	uint32_t snap;
	uint32_t link_type;
};

struct record_header {
	uint32_t seconds;
	uint32_t nsec;
	uint32_t captured; /* bytes that follow */
	uint32_t length;   /* that there were */
};

/* struct mon_bin_hdr of the kernel. */
struct usbmon_header {
	uint64_t id;
	uint8_t type;	       /* 'S': submitted, 'C': complete */
	uint8_t transfer_type; /* 0 isochronous, 1 interrupt, 2 control, 3 bulk */
	uint8_t endpoint;      /* 0x80: in */
	uint8_t device;
	uint16_t bus;
	char flag_setup; /* 0: `setup` is valid; '-' */
	char flag_data;	 /* 0: bytes follow; '<', '>': there are none in this direction */
	int64_t seconds;
	int32_t usec;
	int32_t status; /* -errno */
	uint32_t length;
	uint32_t captured;
	union {
		uint8_t setup[8];
		struct {
			int32_t errors;
			int32_t packets;
		} iso;
	};
	int32_t interval;
	int32_t start_frame;
	uint32_t flags;
	uint32_t packets; /* struct usbmon_packet that follow, before the bytes */
};

/* struct mon_bin_isodesc. */
struct usbmon_packet {
	int32_t status;
	uint32_t offset;
	uint32_t length;
	uint32_t zero;
};

_Static_assert(sizeof(struct file_header) == 24, "pcap");
_Static_assert(sizeof(struct record_header) == 16, "pcap");
_Static_assert(sizeof(struct usbmon_header) == USBMON_HEADER, "usbmon");
_Static_assert(sizeof(struct usbmon_packet) == sizeof(struct trace_packet), "usbmon");

void
usbmon_begin(FILE *to)
{
	const struct file_header header = {
		.magic = MAGIC_NANOSECONDS,
		.major = 2,
		.minor = 4,
		.snap = USBMON_HEADER + TRACE_BYTES_MAX,
		.link_type = LINKTYPE,
	};

	fwrite(&header, sizeof(header), 1, to);
}

/* What the kernel would have said. */
static int32_t
error_of(IOReturn status)
{
	switch (status) {
	case kIOReturnSuccess:
		return 0;
	case kUSBHostReturnPipeStalled:
		return -EPIPE;
	case kIOReturnAborted:
		return -ENOENT;
	case kIOReturnTimeout:
		return -ECONNRESET;
	case kIOReturnNoDevice:
		return -ENODEV;
	case kIOReturnOverrun:
		return -EOVERFLOW;
	case kIOReturnUnderrun:
		return -EREMOTEIO;
	default:
		return -EPROTO;
	}
}

static uint8_t
type_of(uint8_t transfers)
{
	switch (transfers) {
	case kIOUSBEndpointTypeIsochronous:
		return 0;
	case kIOUSBEndpointTypeInterrupt:
		return 1;
	case kIOUSBEndpointTypeControl:
		return 2;
	default:
		return 3;
	}
}

/* By the device's label, "usb:001:002"; one that is not real has none. */
static void
set_device(struct usbmon_header *header, const struct recording *recording)
{
	unsigned bus, device;

	if (sscanf(recording->device, "usb:%u:%u", &bus, &device) != 2) {
		bus = 0;
		device = (unsigned)recording->driver & 0x7f;
	}
	header->bus = (uint16_t)bus;
	header->device = (uint8_t)device;
}

/* CLOCK_REALTIME as it was then. */
static uint64_t
wall_time(uint64_t monotonic)
{
	static uint64_t offset;
	struct timespec now;

	/* Once: times in a file do not jump when the clock is set. */
	if (offset == 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		offset = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec - clock_now();
	}
	return monotonic + offset;
}

/* As the kernel has them: a packet that was submitted has the status -EXDEV. */
static struct usbmon_packet
packet_of(const struct recording *recording, uint32_t index, bool began)
{
	struct trace_packet packet;

	memcpy(&packet, recording->bytes + index * sizeof(packet), sizeof(packet));
	return (struct usbmon_packet){
		.status = began ? -EXDEV : error_of(packet.status),
		.offset = packet.offset,
		.length = packet.length,
	};
}

static void
describe_packets(struct usbmon_header *header, const struct recording *recording, bool began)
{
	header->iso.packets = (int32_t)recording->packets;
	header->packets = recording->packets;
	header->captured += recording->packets * (uint32_t)sizeof(struct usbmon_packet);
	header->flags = URB_ISO_ASAP;
	for (uint32_t i = 0; !began && i < recording->packets; i++)
		header->iso.errors += packet_of(recording, i, began).status != 0;
}

static void
describe(struct usbmon_header *header, const struct recording *recording,
	 const struct trace_owner *owner)
{
	const struct trace_event *event = &recording->event;
	bool began = event->kind == TRACE_TRANSFER_BEGAN, is_in;

	set_device(header, recording);
	header->id = recording->driver << 48 | (uint64_t)(event->place & 0xffff) << 32 |
		     (event->id & UINT32_MAX);
	header->type = began ? 'S' : 'C';
	header->transfer_type = type_of(owner->transfers);
	header->endpoint = event->detail;
	header->flag_setup = '-';
	header->status = began ? -EINPROGRESS : error_of(event->status);
	header->length = began ? event->length : event->actual;
	header->captured = recording->length;
	if (owner->transfers == kIOUSBEndpointTypeIsochronous)
		describe_packets(header, recording, began);
	else if (owner->transfers == kIOUSBEndpointTypeControl) {
		uint8_t setup[8];

		memcpy(setup, &event->value, sizeof(setup));
		header->endpoint |= setup[0] & 0x80;
		/* As the kernel does: with the submission only. */
		if (began) {
			header->flag_setup = 0;
			memcpy(header->setup, setup, sizeof(setup));
		}
	}
	is_in = (header->endpoint & 0x80) != 0;
	header->flags |= is_in ? URB_DIR_IN : 0;
	if (recording->length == 0)
		header->flag_data = is_in ? '<' : '>';
}

static void
write_packets(FILE *to, const struct recording *recording)
{
	for (uint32_t i = 0; i < recording->packets; i++) {
		struct usbmon_packet packet =
			packet_of(recording, i, recording->event.kind == TRACE_TRANSFER_BEGAN);

		fwrite(&packet, sizeof(packet), 1, to);
	}
}

bool
usbmon_write(FILE *to, const struct recording *recording)
{
	const struct trace_event *event = &recording->event;
	struct usbmon_header header = {0};
	struct record_header record;
	struct trace_owner owner;
	uint64_t time;

	if ((event->kind != TRACE_TRANSFER_BEGAN && event->kind != TRACE_TRANSFER_ENDED) ||
	    !trace_owner_of(recording, &owner))
		return false;
	time = wall_time(event->time);
	describe(&header, recording, &owner);
	header.seconds = (int64_t)(time / NSEC_PER_SEC);
	header.usec = (int32_t)(time % NSEC_PER_SEC / 1000);
	record = (struct record_header){
		.seconds = (uint32_t)(time / NSEC_PER_SEC),
		.nsec = (uint32_t)(time % NSEC_PER_SEC),
		.captured = USBMON_HEADER + header.captured,
		.length = USBMON_HEADER + header.captured - recording->length +
			  (header.flag_data == 0 ? header.length : 0),
	};
	/* A host may say what it likes; a reader of the file must not meet it. */
	if (record.length < record.captured)
		record.length = record.captured;
	fwrite(&record, sizeof(record), 1, to);
	fwrite(&header, sizeof(header), 1, to);
	if (header.packets > 0)
		write_packets(to, recording);
	fwrite(recording->data, 1, recording->length, to);
	return true;
}
