/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of an app: submissions that come without a call, and the ends of those transfers.
 *
 * What the app may write to at any time, the ring's own positions, is the library's to check. An
 * entry is copied out first and is then no more than the arguments of a call: client_send and
 * client_receive check both. A submission whose answer would find no room is not taken: completions
 * that find none wait here, in order, and while there are any nothing is taken. So at most those
 * come to wait that were underway then, which is one for each buffer, and those of one batch: an
 * app that does not take its completions costs a fixed amount of memory, and holds up itself.
 *
 * On the driver's queue, as everything: the handler, and ring_take before each call.
 */
#include "stream.h"

#include <DriverKit/DextRingDispatchSource.h>
#include <stdlib.h>

#define BATCH	    64u
#define ENTRIES_MIN 64u

_Static_assert(sizeof(struct dext_bulkstream_submission) == 32, "one size both ways");
_Static_assert(sizeof(struct dext_bulkstream_completion) == 32, "one size both ways");

struct ring {
	DextRingDispatchSource *source;
	OSAction *ready;
	bool mistaken; /* by an entry before; the log has the first, the app each */
	/* Completions that wait for room: a queue in `room` places from `first` on. */
	uint32_t room;
	uint32_t first;
	uint32_t count;
	struct dext_bulkstream_completion waiting[];
};

uint32_t
ring_entries(const struct client *client)
{
	uint32_t entries = ENTRIES_MIN;

	while (entries < client->buffer_count)
		entries *= 2;
	return entries;
}

/* Gives the app what waits, as far as there is room. */
static void
flush(struct ring *ring)
{
	while (ring->count != 0) {
		uint32_t run = ring->room - ring->first, pushed = 0;

		if (run > ring->count)
			run = ring->count;
		(void)DextRingDispatchSource_Push(ring->source, &ring->waiting[ring->first], run,
						  &pushed);
		ring->first = (ring->first + pushed) % ring->room;
		ring->count -= pushed;
		if (pushed < run)
			return; /* the handler is called when there is room */
	}
}

void
ring_completed(struct client *client, const struct dext_bulkstream_completion *completion)
{
	struct ring *ring = client->ring;
	uint32_t pushed = 0;

	if (ring->count == 0)
		(void)DextRingDispatchSource_Push(ring->source, completion, 1, &pushed);
	if (pushed != 0 || ring->count == ring->room) /* never: see above */
		return;
	ring->waiting[(ring->first + ring->count++) % ring->room] = *completion;
}

bool
ring_is_full(const struct client *client)
{
	return client->ring != NULL && client->ring->count != 0;
}

static uint32_t
direction_of(const struct dext_bulkstream_submission *entry)
{
	if (entry->operation == DEXT_BULKSTREAM_SEND)
		return DEXT_BULKSTREAM_OUT;
	return entry->operation == DEXT_BULKSTREAM_RECEIVE ? DEXT_BULKSTREAM_IN : UINT32_MAX;
}

static kern_return_t
submit(struct client *client, const struct dext_bulkstream_submission *entry)
{
	const struct transfer_request request = {
		.index = entry->buffer,
		.offset = entry->offset,
		.length = entry->length,
		.flags = entry->flags,
		.by_ring = true,
		.quiet = client->ring->mistaken,
	};
	uint64_t sequence;

	if (client->stopping)
		return kIOReturnOffline;
	if ((entry->zero[0] | entry->zero[1] | entry->zero[2]) != 0) {
		if (!request.quiet)
			os_log_error(OS_LOG_DEFAULT, "a submission's padding is not zero");
		return kIOReturnBadArgument;
	}
	if (entry->operation == DEXT_BULKSTREAM_SEND)
		return client_send(client, &request, &sequence);
	if (entry->operation == DEXT_BULKSTREAM_RECEIVE)
		return client_receive(client, &request, &sequence);
	if (!request.quiet)
		os_log_error(OS_LOG_DEFAULT,
			     "a submission of operation %u: SEND or RECEIVE "
			     "expected",
			     entry->operation);
	return kIOReturnUnsupported;
}

static void
take_one(struct client *client, const struct dext_bulkstream_submission *entry)
{
	kern_return_t status = submit(client, entry);

	if (status == kIOReturnSuccess)
		return;
	if (status == kIOReturnBadArgument || status == kIOReturnNotAligned ||
	    status == kIOReturnUnsupported)
		client->ring->mistaken = true;
	ring_completed(client, &(struct dext_bulkstream_completion){
				       .direction = direction_of(entry),
				       .buffer = entry->buffer,
				       .status = (uint32_t)status,
				       .sequence = DEXT_BULKSTREAM_REFUSED,
			       });
}

void
ring_take(struct client *client)
{
	struct dext_bulkstream_submission batch[BATCH];
	struct ring *ring = client->ring;
	uint32_t count, left;

	if (ring == NULL)
		return;
	flush(ring);
	/* An app that pushes for ever has the rest of its turn later. */
	for (left = ring_entries(client); left != 0 && ring->count == 0; left -= count) {
		if (DextRingDispatchSource_Pop(ring->source, batch, left < BATCH ? left : BATCH,
					       &count) != kIOReturnSuccess)
			return;
		for (uint32_t i = 0; i < count; i++)
			take_one(client, &batch[i]);
	}
}

static void
on_ready(OSObject *target, OSAction *action)
{
	struct client *client =
		&OSObjectIVars(BulkStreamUserClient, (BulkStreamUserClient *)target)->client;

	/* What comes after Stop has begun is answered at its end. */
	if (!client->stopping)
		ring_take(client);
}

static kern_return_t
create_source(struct client *client, struct ring *ring)
{
	IODispatchQueue *queue = NULL;
	uint32_t entries = ring_entries(client);
	kern_return_t status = OSObject_CopyDispatchQueue((OSObject *)client->service,
							  kIOServiceDefaultQueueName, &queue);

	if (status == kIOReturnSuccess)
		status = DextRingDispatchSource_Create(sizeof(struct dext_bulkstream_submission),
						       entries, entries, queue, &ring->source);
	if (status == kIOReturnSuccess)
		status = DextRingDispatchSource_CreateActionReady((OSObject *)client->service,
								  on_ready, 0, &ring->ready);
	if (status == kIOReturnSuccess)
		status = DextRingDispatchSource_SetReadyHandler(ring->source, ring->ready);
	OSSafeReleaseNULL(queue);
	return status;
}

static void
cancel(struct ring *ring)
{
	if (ring->source != NULL)
		IODispatchSource_Cancel_f((IODispatchSource *)ring->source, NULL, NULL);
	OSSafeReleaseNULL(ring->ready);
}

static kern_return_t
create(struct client *client)
{
	uint32_t room = client->buffer_count + BATCH;
	struct ring *ring = calloc(1, sizeof(*ring) + room * sizeof(ring->waiting[0]));
	kern_return_t status;

	if (ring == NULL)
		return kIOReturnNoMemory;
	ring->room = room;
	client->ring = ring;
	status = create_source(client, ring);
	if (status != kIOReturnSuccess) {
		cancel(ring);
		ring_free(client);
	}
	return status;
}

kern_return_t
ring_copy_memory(struct client *client, IOMemoryDescriptor **ret_memory)
{
	kern_return_t status = kIOReturnSuccess;

	if (client->buffer_count == 0) {
		os_log_error(OS_LOG_DEFAULT, "a ring cannot be had before CONFIGURE");
		return kIOReturnNotReady;
	}
	if (client->ring == NULL)
		status = create(client);
	if (status != kIOReturnSuccess)
		return status;
	return DextRingDispatchSource_CopyMemory(client->ring->source, ret_memory);
}

void
ring_stop(struct client *client)
{
	if (client->ring == NULL)
		return;
	ring_take(client);
	cancel(client->ring);
}

void
ring_free(struct client *client)
{
	if (client->ring == NULL)
		return;
	OSSafeReleaseNULL(client->ring->source);
	free(client->ring);
	client->ring = NULL;
}
