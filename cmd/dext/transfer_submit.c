/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ways of bulkstream.h to submit a buffer: an entry of the ring, or a call. They differ in
 * when a refusal is heard of: a call returns it, the ring brings it as a completion.
 */
#include "transfer.h"

#include "dext.h"
#include "progress.h"

#include <stdio.h>

#define BATCH 64

int
transfer_make_ring(struct transfer *transfer)
{
	kern_return_t status;

	if (transfer->options.calls)
		return DEXT_EXIT_OK;
	if (!transfer->has_ring) {
		progress_clear();
		fprintf(stderr,
			"dext %s: the driver offers no ring: one call for each buffer, as with "
			"--calls.\n",
			transfer->options.command);
		return DEXT_EXIT_OK;
	}
	status = dext_ring_create(transfer->connection, DEXT_BULKSTREAM_MEMORY_RING,
				  DEXT_RING_ONE_THREAD, &transfer->ring);
	if (status != kIOReturnSuccess)
		return transfer_fail_status(transfer, status, "the ring cannot be had");
	return DEXT_EXIT_OK;
}

static kern_return_t
push(struct transfer *transfer, const struct transfer_piece *piece)
{
	const struct dext_bulkstream_submission entry = {
		.operation = transfer->direction == DEXT_BULKSTREAM_OUT ? DEXT_BULKSTREAM_SEND
									: DEXT_BULKSTREAM_RECEIVE,
		.buffer = piece->buffer,
		.offset = piece->offset,
		.length = piece->length,
	};
	uint32_t pushed;
	/* There is room for all buffers, and each is submitted once at a time. */
	kern_return_t status = dext_ring_push(transfer->ring, &entry, 1, &pushed);

	transfer->in_ring += pushed;
	return status;
}

static kern_return_t
call(struct transfer *transfer, const struct transfer_piece *piece)
{
	bool out = transfer->direction == DEXT_BULKSTREAM_OUT;
	uint64_t send[4] = {piece->buffer, piece->offset, piece->length, 0};
	uint64_t receive[2] = {piece->buffer, piece->length};

	return IOConnectCallScalarMethod(transfer->connection,
					 out ? DEXT_BULKSTREAM_SEND : DEXT_BULKSTREAM_RECEIVE,
					 out ? send : receive, out ? 4 : 2, NULL, NULL);
}

kern_return_t
transfer_submit(struct transfer *transfer, const struct transfer_piece *piece)
{
	kern_return_t status;

	/* Counted before: the completion may be there when the call returns. */
	transfer->in_flight++;
	status = transfer->ring != NULL ? push(transfer, piece) : call(transfer, piece);
	if (status != kIOReturnSuccess)
		transfer->in_flight--;
	return status;
}

/*
 * The first failure is the cause of those behind it. But often an earlier one has failed when a
 * submission is refused, and its completion, which says why, is on its way; and a device that went
 * takes its driver along: that it went is the cause.
 */
void
transfer_failed(struct transfer *transfer, IOReturn status, bool refused)
{
	bool is_first = transfer->failure == kIOReturnSuccess;

	if (is_first || status == kIOReturnNoDevice ||
	    (transfer->refused && !refused && transfer->failure != kIOReturnNoDevice)) {
		transfer->failure = status;
		transfer->refused = refused;
	}
}

void
transfer_completed(struct transfer *transfer, const struct transfer_result *result)
{
	if (result->buffer >= transfer->options.buffers || result->bytes > transfer->size)
		return;
	transfer->in_flight--;
	transfer->unplugged |= result->status == kIOReturnNoDevice;
	transfer->completed(transfer, result);
}

bool
transfer_take_ring(struct transfer *transfer)
{
	struct dext_bulkstream_completion batch[BATCH];
	uint32_t count;
	bool any = false;

	while (transfer->ring != NULL &&
	       dext_ring_pop(transfer->ring, batch, BATCH, &count) == kIOReturnSuccess) {
		for (uint32_t i = 0; i < count; i++)
			transfer_completed(transfer, &(struct transfer_result){
							     .buffer = batch[i].buffer,
							     .status = (IOReturn)batch[i].status,
							     .bytes = batch[i].bytes,
						     });
		transfer->in_ring -= count < transfer->in_ring ? count : transfer->in_ring;
		any = true;
	}
	return any;
}
