/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the adapter to the app.
 *
 * A few transfers are always queued, so that the adapter finds one whenever it has something. Their
 * bytes are copied once, out of the packets into the ring: they cannot land there themselves
 * because of the status between them. A transfer is queued only if the ring has room for all that
 * it may bring. So the ring cannot overflow, and a slow app holds up the adapter and nobody else.
 *
 * The ring is the app's to read. How far it has read it tells by a call: nothing here depends on
 * memory that the app could write.
 */
#include "serial.h"

#include <string.h>

static void
put(struct receive *receive, const uint8_t *data, size_t length)
{
	size_t at = receive->received % FTDI_RING_BYTES;
	size_t first = length < FTDI_RING_BYTES - at ? length : FTDI_RING_BYTES - at;

	memcpy(receive->ring.bytes + at, data, first);
	memcpy(receive->ring.bytes, data + first, length - first);
	receive->received += length;
}

static void
note(struct receive *receive, const struct packet *packet)
{
	uint32_t events = packet->errors;

	if (packet->lines != receive->lines)
		events |= FTDI_EVENT_LINES;
	receive->lines = packet->lines;
	receive->overruns += (events & FTDI_EVENT_OVERRUN) != 0;
	receive->parities += (events & FTDI_EVENT_PARITY) != 0;
	receive->framings += (events & FTDI_EVENT_FRAMING) != 0;
	receive->breaks += (events & FTDI_EVENT_BREAK) != 0;
	if (receive->events == 0)
		receive->event_position = receive->received;
	receive->events |= events;
}

static void
send(struct receive *receive)
{
	const uint64_t arguments[FTDI_LISTEN_COUNT] = {
		[FTDI_LISTEN_RECEIVED] = receive->received,
		[FTDI_LISTEN_EVENTS] = receive->events,
		[FTDI_LISTEN_POSITION] = receive->event_position,
		[FTDI_LISTEN_LINES] = receive->lines,
	};

	receive->armed = false;
	receive->events = 0;
	(void)IOUserClient_AsyncCompletion((IOUserClient *)receive->client->service,
					   receive->listener, receive->failure, arguments,
					   FTDI_LISTEN_COUNT);
}

static void
tell(struct receive *receive)
{
	if (receive->listener != NULL && receive->armed &&
	    (receive->received != receive->taken || receive->events != 0))
		send(receive);
}

/* Once, and whether the app has taken what it was told of or not. */
static void
fail(struct receive *receive, IOReturn status)
{
	if (receive->failure != kIOReturnSuccess)
		return;
	receive->failure = status;
	receive->client->port->in.halted |= status != kIOReturnAborted;
	if (receive->listener != NULL)
		send(receive);
}

static void
fill(struct receive *receive)
{
	struct pipe *pipe = &receive->client->port->in;
	uint32_t most = (uint32_t)packet_payload(RECEIVE_BYTES, pipe->packet);

	for (unsigned i = 0; i < RECEIVE_TRANSFERS && receive->failure == kIOReturnSuccess; i++) {
		struct in_transfer *transfer = &receive->transfers[i];
		uint64_t used = receive->received - receive->taken + receive->reserved;
		kern_return_t status;

		if (transfer->underway || used + most > FTDI_RING_BYTES)
			continue;
		status = IOUSBHostPipe_AsyncIO(pipe->usb,
					       (IOMemoryDescriptor *)transfer->buffer.memory,
					       RECEIVE_BYTES, transfer->action, 0);
		if (status != kIOReturnSuccess) {
			fail(receive, status);
			return;
		}
		transfer->underway = true;
		receive->reserved += most;
	}
}

/* They end in the order in which they were queued. */
static void
completed(OSObject *target, OSAction *action, IOReturn status, uint32_t actual, uint64_t timestamp)
{
	struct in_transfer *transfer = *(struct in_transfer **)OSAction_GetReference(action);
	struct receive *receive = transfer->receive;
	uint16_t size = receive->client->port->in.packet;
	struct packet packet;
	size_t offset = 0;

	transfer->underway = false;
	receive->reserved -= (uint32_t)packet_payload(RECEIVE_BYTES, size);
	/* What came before an error has come. */
	while (packet_next(transfer->buffer.bytes, actual, size, &offset, &packet)) {
		note(receive, &packet);
		put(receive, packet.data, packet.length);
	}
	if (status != kIOReturnSuccess)
		fail(receive, status);
	fill(receive);
	tell(receive);
}

static kern_return_t
create_transfer(struct receive *receive, struct in_transfer *transfer)
{
	OSObject *target = (OSObject *)receive->client->port->service;
	kern_return_t status = buffer_create(&transfer->buffer, RECEIVE_BYTES);

	transfer->receive = receive;
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_CreateActionCompleteAsyncIO(
			target, completed, sizeof(transfer), &transfer->action);
	if (status == kIOReturnSuccess)
		*(struct in_transfer **)OSAction_GetReference(transfer->action) = transfer;
	return status;
}

kern_return_t
receive_create(struct receive *receive, struct client *client)
{
	kern_return_t status = buffer_create(&receive->ring, FTDI_RING_BYTES);

	receive->client = client;
	for (unsigned i = 0; i < RECEIVE_TRANSFERS && status == kIOReturnSuccess; i++)
		status = create_transfer(receive, &receive->transfers[i]);
	return status;
}

void
receive_free(struct receive *receive)
{
	for (unsigned i = 0; i < RECEIVE_TRANSFERS; i++) {
		OSSafeReleaseNULL(receive->transfers[i].action);
		buffer_free(&receive->transfers[i].buffer);
	}
	OSSafeReleaseNULL(receive->listener);
	buffer_free(&receive->ring);
}

void
receive_start(struct receive *receive, uint8_t lines)
{
	receive->lines = lines;
	fill(receive);
}

void
receive_stop(struct receive *receive)
{
	struct port *port = receive->client->port;

	/* First: a transfer that had ended before the abort is told of in there, too. */
	if (receive->failure == kIOReturnSuccess)
		receive->failure = kIOReturnAborted;
	(void)IOUSBHostPipe_Abort(port->in.usb, kIOUSBAbortSynchronous, kIOReturnAborted,
				  (IOService *)port->service);
}

kern_return_t
receive_listen(struct receive *receive, OSAction *completion)
{
	if (receive->listener != NULL)
		return kIOReturnBusy;
	if (receive->failure != kIOReturnSuccess)
		return receive->failure;
	OSRetain(completion);
	receive->listener = completion;
	receive->armed = true;
	tell(receive);
	return kIOReturnSuccess;
}

kern_return_t
receive_take(struct receive *receive, uint64_t position)
{
	if (position < receive->taken || position > receive->received) {
		os_log_error(OS_LOG_DEFAULT, "TAKE: position %llu; from %llu to %llu expected",
			     (unsigned long long)position, (unsigned long long)receive->taken,
			     (unsigned long long)receive->received);
		return kIOReturnBadArgument;
	}
	receive->taken = position;
	receive->armed = receive->listener != NULL && receive->failure == kIOReturnSuccess;
	fill(receive);
	tell(receive);
	return kIOReturnSuccess;
}
