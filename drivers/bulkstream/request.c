/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control requests of apps, from the call to the completion.
 *
 * Endpoint 0 belongs to all apps, and a device may take as long as it likes to answer there: nobody
 * waits for it on the driver's queue. A request holds a reference on its user client until it has
 * ended, so that the data stage's memory stays where it is.
 */
#include "stream.h"

#include <stdlib.h>

struct request {
	struct client *client;
	struct buffer *buffer; /* of the data stage; NULL: none */
	OSAction *completion;
	OSAction *action;
};

static void
end(struct request *request)
{
	struct client *client = request->client;

	client->requests--;
	if (request->buffer != NULL)
		request->buffer->state = BUFFER_FREE;
	OSRelease(request->completion);
	OSRelease(request->action);
	OSRelease(client->service);
	free(request);
}

static void
completed(OSObject *target, OSAction *action, IOReturn status, uint16_t bytes)
{
	struct request *request = *(struct request **)OSAction_GetReference(action);
	struct client *client = request->client;
	struct driver *driver = client->driver;
	uint64_t arguments[] = {bytes};
	kern_return_t sent;

	if (status == kIOReturnSuccess)
		statistics_add(client, controls, 1);
	/* Before the app hears of it: it may use the buffer at once. */
	if (request->buffer != NULL)
		request->buffer->state = BUFFER_FREE;
	sent = IOUserClient_AsyncCompletion((IOUserClient *)client->service, request->completion,
					    status, arguments, 1);
	if (sent != kIOReturnSuccess && !client->stopping)
		os_log_error(OS_LOG_DEFAULT, "the end of a control request cannot be sent: 0x%08x",
			     (unsigned)sent);
	end(request);
	driver_finish_stops(driver);
}

static kern_return_t
read_setup(const uint64_t *input, struct control_request *ret_setup)
{
	if (input[0] > UINT8_MAX || input[1] > UINT8_MAX || input[2] > UINT16_MAX ||
	    input[3] > UINT16_MAX || input[4] > UINT16_MAX) {
		os_log_error(OS_LOG_DEFAULT, "CONTROL: a field is too large for a setup packet");
		return kIOReturnBadArgument;
	}
	*ret_setup =
		(struct control_request){(uint8_t)input[0], (uint8_t)input[1], (uint16_t)input[2],
					 (uint16_t)input[3], (uint16_t)input[4]};
	return kIOReturnSuccess;
}

/* The buffer of the data stage; NULL if there is none. */
static kern_return_t
get_buffer(struct client *client, uint64_t index, uint16_t length, struct buffer **ret_buffer)
{
	struct buffer *buffer;
	kern_return_t status;

	*ret_buffer = NULL;
	if (length == 0)
		return kIOReturnSuccess;
	if (index >= client->buffer_count || length > client->buffer_size) {
		os_log_error(OS_LOG_DEFAULT, "CONTROL: %u bytes do not fit buffer %llu", length,
			     (unsigned long long)index);
		return kIOReturnBadArgument;
	}
	buffer = &client->buffers[index];
	if (buffer->state != BUFFER_FREE)
		return kIOReturnBusy;
	status = buffer_prepare(buffer);
	if (status == kIOReturnSuccess)
		*ret_buffer = buffer;
	return status;
}

static kern_return_t
begin(struct client *client, const struct control_request *setup, struct buffer *buffer,
      OSAction *completion)
{
	struct request *request = calloc(1, sizeof(*request));
	OSObject *target = (OSObject *)client->driver->service;
	kern_return_t status;

	if (request == NULL)
		return kIOReturnNoMemory;
	*request = (struct request){client, buffer, completion, NULL};
	OSRetain(client->service);
	OSRetain(completion);
	client->requests++;
	if (buffer != NULL)
		buffer->state = BUFFER_CONTROL;
	status = IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(
		target, completed, sizeof(struct request *), &request->action);
	if (status == kIOReturnSuccess) {
		*(struct request **)OSAction_GetReference(request->action) = request;
		status = IOUSBHostInterface_AsyncDeviceRequest(
			client->driver->interface, setup->type, setup->request, setup->value,
			setup->index, setup->length,
			buffer != NULL ? (IOMemoryDescriptor *)buffer->memory : NULL,
			request->action, DEXT_BULKSTREAM_CONTROL_MSEC);
	}
	if (status != kIOReturnSuccess)
		end(request);
	return status;
}

kern_return_t
client_control(struct client *client, const uint64_t *input, OSAction *completion)
{
	struct control_request setup;
	struct buffer *buffer = NULL;
	kern_return_t status = read_setup(input, &setup);

	if (status != kIOReturnSuccess)
		return status;
	if (client->buffer_count == 0)
		return kIOReturnNotReady;
	if (!control_is_allowed(client->driver, &setup))
		return kIOReturnNotPermitted;
	if (client->requests >= DEXT_BULKSTREAM_CONTROLS_MAX)
		return kIOReturnNoResources;
	status = get_buffer(client, input[5], setup.length, &buffer);
	if (status == kIOReturnSuccess)
		status = begin(client, &setup, buffer, completion);
	return status;
}
