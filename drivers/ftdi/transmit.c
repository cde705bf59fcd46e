/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the app to the adapter. The app's buffers are what the USB stack sends: nothing is copied,
 * but for the oldest chip, which wants a byte in front of each packet.
 *
 * When a transfer fails, those behind it come back aborted, and sending stays off until the app has
 * said that it knows: no byte overtakes one that was lost.
 */
#include "serial.h"

static uint32_t
sent_bytes(const struct out_transfer *transfer, uint16_t packet, uint32_t actual)
{
	if (transfer->framed.memory == NULL)
		return actual;
	/* Whole packets have gone, a byte of each of them not the app's. */
	return actual - (actual + packet - 1) / packet;
}

static void
completed(OSObject *target, OSAction *action, IOReturn status, uint32_t actual, uint64_t timestamp)
{
	struct out_transfer *transfer = *(struct out_transfer **)OSAction_GetReference(action);
	struct transmit *transmit = transfer->transmit;
	struct client *client = transmit->client;
	OSAction *completion = transfer->completion;
	uint64_t arguments[] = {sent_bytes(transfer, client->port->out.packet, actual)};

	transmit->sent += arguments[0];
	if (status != kIOReturnSuccess)
		transmit->failed = true;
	client->port->out.halted |= status != kIOReturnSuccess && status != kIOReturnAborted;
	/* The buffer is the app's again before it hears of it. */
	transfer->completion = NULL;
	(void)IOUserClient_AsyncCompletion((IOUserClient *)client->service, completion, status,
					   arguments, 1);
	OSRelease(completion);
}

static kern_return_t
create_transfer(struct transmit *transmit, struct out_transfer *transfer)
{
	struct port *port = transmit->client->port;
	kern_return_t status = buffer_create(&transfer->buffer, FTDI_SEND_BYTES);

	transfer->transmit = transmit;
	if (status == kIOReturnSuccess && port->chip == CHIP_SIO)
		status = buffer_create(&transfer->framed,
				       packet_framed_length(FTDI_SEND_BYTES, port->out.packet));
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_CreateActionCompleteAsyncIO(
			(OSObject *)port->service, completed, sizeof(transfer), &transfer->action);
	if (status == kIOReturnSuccess)
		*(struct out_transfer **)OSAction_GetReference(transfer->action) = transfer;
	return status;
}

kern_return_t
transmit_create(struct transmit *transmit, struct client *client)
{
	kern_return_t status = kIOReturnSuccess;

	transmit->client = client;
	for (unsigned i = 0; i < FTDI_SEND_BUFFERS && status == kIOReturnSuccess; i++)
		status = create_transfer(transmit, &transmit->transfers[i]);
	return status;
}

void
transmit_free(struct transmit *transmit)
{
	for (unsigned i = 0; i < FTDI_SEND_BUFFERS; i++) {
		OSSafeReleaseNULL(transmit->transfers[i].action);
		buffer_free(&transmit->transfers[i].buffer);
		buffer_free(&transmit->transfers[i].framed);
	}
}

static kern_return_t
start(struct out_transfer *transfer)
{
	struct pipe *pipe = &transfer->transmit->client->port->out;
	struct buffer *buffer = &transfer->buffer;
	uint32_t length = transfer->length;

	if (transfer->framed.memory != NULL) {
		buffer = &transfer->framed;
		packet_frame(transfer->buffer.bytes, length, pipe->packet, buffer->bytes);
		length = (uint32_t)packet_framed_length(length, pipe->packet);
	}
	return IOUSBHostPipe_AsyncIO(pipe->usb, (IOMemoryDescriptor *)buffer->memory, length,
				     transfer->action, 0);
}

kern_return_t
transmit_send(struct transmit *transmit, uint64_t index, uint64_t length, OSAction *completion)
{
	struct out_transfer *transfer;
	kern_return_t status;

	if (index >= FTDI_SEND_BUFFERS || length == 0 || length > FTDI_SEND_BYTES) {
		os_log_error(OS_LOG_DEFAULT, "SEND: %llu bytes of buffer %llu",
			     (unsigned long long)length, (unsigned long long)index);
		return kIOReturnBadArgument;
	}
	transfer = &transmit->transfers[index];
	if (transfer->completion != NULL)
		return kIOReturnBusy;
	if (transmit->failed)
		return kIOReturnNotReady;
	transfer->length = (uint32_t)length;
	OSRetain(completion);
	transfer->completion = completion;
	status = start(transfer);
	if (status != kIOReturnSuccess) {
		transfer->completion = NULL;
		OSRelease(completion);
	}
	/* The pipe has halted, and the completion that says so is still to come. */
	return status == kUSBHostReturnPipeStalled ? kIOReturnNotReady : status;
}

kern_return_t
transmit_abort(struct transmit *transmit)
{
	struct port *port = transmit->client->port;
	kern_return_t status;

	/* All completions come before this returns. */
	status = IOUSBHostPipe_Abort(port->out.usb, kIOUSBAbortSynchronous, kIOReturnAborted,
				     (IOService *)port->service);
	if (status == kIOReturnSuccess)
		status = pipe_clear(&port->out);
	if (status == kIOReturnSuccess)
		transmit->failed = false;
	return status;
}
