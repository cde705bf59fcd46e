/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line and its settings: vendor requests to the adapter.
 *
 * All of them go to the device; wIndex says which port is meant. What an app asks for is checked
 * here, in full, before the first request of it is sent.
 */
#include "serial.h"

enum request {
	REQUEST_RESET = 0, /* wValue: 0 everything, 1 forget what was received, 2 what is to go */
	REQUEST_MODEM = 1, /* wValue: which lines in the upper byte, which are on in the lower */
	REQUEST_FLOW = 2,  /* wValue: XOFF and XON; wIndex: the kind in the upper byte */
	REQUEST_BAUD = 3,
	REQUEST_DATA = 4, /* wValue: bits, parity << 8, stop << 11, break << 14 */
	REQUEST_GET_MODEM = 5,
	REQUEST_LATENCY = 9, /* wValue: ms */
};

#define TYPE_OUT   0x40 /* bmRequestType: vendor, to the device */
#define TYPE_IN	   0xc0
#define DATA_BREAK (1u << 14)
#define XON	   0x11u
#define XOFF	   0x13u

/* The upper byte of wIndex for each enum ftdi_flow. */
static const uint8_t flow_kinds[] = {0, 1, 2, 4};

static kern_return_t
request(struct port *port, enum request request, uint16_t value, uint8_t index_high)
{
	kern_return_t status = IOUSBHostInterface_DeviceRequest(
		port->interface, TYPE_OUT, request, value,
		(uint16_t)(index_high << 8 | port->channel), 0, NULL, NULL, FTDI_REQUEST_MSEC);

	if (status != kIOReturnSuccess && status != kIOReturnNoDevice)
		os_log_error(OS_LOG_DEFAULT, "request %u (value 0x%04x): 0x%08x", request, value,
			     (unsigned)status);
	return status;
}

static kern_return_t
set_baud(struct port *port, const struct baud *baud)
{
	uint16_t index = (uint16_t)(baud->divisor >> 16);

	if (port->wide_index)
		index = (uint16_t)(index << 8 | port->channel);
	return IOUSBHostInterface_DeviceRequest(port->interface, TYPE_OUT, REQUEST_BAUD,
						(uint16_t)baud->divisor, index, 0, NULL, NULL,
						FTDI_REQUEST_MSEC);
}

kern_return_t
line_set(struct port *port, const uint64_t *input, uint64_t *ret_actual)
{
	uint64_t rate = input[0], bits = input[1], parity = input[2], stop = input[3],
		 flow = input[4];
	uint16_t format = (uint16_t)(bits | parity << 8 | stop << 11);
	struct baud baud;
	kern_return_t status;

	if ((bits != 7 && bits != 8) || parity > FTDI_PARITY_SPACE || stop > FTDI_STOP_2 ||
	    flow > FTDI_FLOW_XON_XOFF) {
		os_log_error(OS_LOG_DEFAULT,
			     "SET_LINE: %llu data bits, parity %llu, stop %llu, flow %llu",
			     (unsigned long long)bits, (unsigned long long)parity,
			     (unsigned long long)stop, (unsigned long long)flow);
		return kIOReturnBadArgument;
	}
	if (rate > UINT32_MAX || !baud_find(port->chip, (uint32_t)rate, &baud)) {
		os_log_error(OS_LOG_DEFAULT, "SET_LINE: this chip does not do %llu baud",
			     (unsigned long long)rate);
		return kIOReturnUnsupported;
	}
	status = set_baud(port, &baud);
	if (status == kIOReturnSuccess)
		status = request(port, REQUEST_DATA, format, 0);
	if (status == kIOReturnSuccess)
		status =
			request(port, REQUEST_FLOW,
				flow == FTDI_FLOW_XON_XOFF ? XOFF << 8 | XON : 0, flow_kinds[flow]);
	if (status != kIOReturnSuccess)
		return status;
	port->format = format;
	*ret_actual = baud.actual;
	return kIOReturnSuccess;
}

kern_return_t
line_set_modem(struct port *port, uint64_t which, uint64_t values)
{
	const uint64_t all = FTDI_MODEM_DTR | FTDI_MODEM_RTS;

	if (which == 0 || (which & ~all) != 0 || (values & ~which) != 0) {
		os_log_error(OS_LOG_DEFAULT, "SET_MODEM: lines 0x%llx to 0x%llx",
			     (unsigned long long)which, (unsigned long long)values);
		return kIOReturnBadArgument;
	}
	return request(port, REQUEST_MODEM, (uint16_t)(which << 8 | values), 0);
}

kern_return_t
line_set_break(struct port *port, uint64_t on)
{
	if (on > 1)
		return kIOReturnBadArgument;
	return request(port, REQUEST_DATA, (uint16_t)(port->format | (on != 0 ? DATA_BREAK : 0)),
		       0);
}

kern_return_t
line_set_latency(struct port *port, uint64_t msec)
{
	if (msec == 0 || msec > UINT8_MAX)
		return kIOReturnBadArgument;
	if (port->chip == CHIP_SIO || port->chip == CHIP_AM)
		return kIOReturnUnsupported;
	return request(port, REQUEST_LATENCY, (uint16_t)msec, 0);
}

kern_return_t
line_purge(struct port *port, uint64_t what)
{
	kern_return_t status = kIOReturnSuccess;

	if (what == 0 || (what & ~(uint64_t)(FTDI_PURGE_RECEIVE | FTDI_PURGE_SEND)) != 0)
		return kIOReturnBadArgument;
	if ((what & FTDI_PURGE_RECEIVE) != 0)
		status = request(port, REQUEST_RESET, 1, 0);
	if (status == kIOReturnSuccess && (what & FTDI_PURGE_SEND) != 0)
		status = request(port, REQUEST_RESET, 2, 0);
	return status;
}

kern_return_t
line_get(struct port *port, uint8_t *ret_lines, bool *ret_empty)
{
	/* The oldest chip has one byte. */
	uint16_t length = port->chip == CHIP_SIO ? 1 : PACKET_STATUS, moved = 0;
	struct packet packet = {0};
	size_t offset = 0;
	kern_return_t status = IOUSBHostInterface_DeviceRequest(
		port->interface, TYPE_IN, REQUEST_GET_MODEM, 0, port->channel, length,
		(IOMemoryDescriptor *)port->answer.memory, &moved, FTDI_REQUEST_MSEC);

	if (status != kIOReturnSuccess)
		return status;
	if (moved < length)
		return kIOReturnUnderrun;
	if (length < PACKET_STATUS)
		port->answer.bytes[1] = 0;
	(void)packet_next(port->answer.bytes, PACKET_STATUS, PACKET_STATUS, &offset, &packet);
	*ret_lines = packet.lines;
	*ret_empty = packet.empty;
	return kIOReturnSuccess;
}

kern_return_t
line_open(struct port *port)
{
	const uint64_t settings[] = {9600, 8, FTDI_PARITY_NONE, FTDI_STOP_1, FTDI_FLOW_NONE};
	const uint64_t both = FTDI_MODEM_DTR | FTDI_MODEM_RTS;
	uint64_t actual;
	kern_return_t status = request(port, REQUEST_RESET, 0, 0);

	if (status == kIOReturnSuccess)
		status = line_set(port, settings, &actual);
	if (status == kIOReturnSuccess)
		status = line_set_modem(port, both, both);
	return status;
}

void
line_close(struct port *port)
{
	(void)line_set_modem(port, FTDI_MODEM_DTR | FTDI_MODEM_RTS, 0);
}
