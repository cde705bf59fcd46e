/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext recv: from a bulk IN endpoint into a file, or to standard output.
 *
 * All buffers are kept queued, as long as what is queued may still be wanted; what arrives is
 * written from the mapped buffer itself, in the order of arrival. After a stall everything comes
 * back; it is cleared, and receiving goes on.
 */
#include "transfer.h"

#include "dext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STALLS_MAX 8

static const char usage[] =
	"usage: dext recv [--bytes N] [--buffers N] [--size BYTES] [--service NAME] [--calls] "
	"[--json] FILE|-\n"
	"\n"
	"Receives from the first bulk IN endpoint of a service into a file or standard output.\n"
	"\n"
	"  --bytes N       stop after so many bytes (until Ctrl-C)\n"
	"  --buffers N     how many buffers are used (1 to 4096; 16)\n"
	"  --size BYTES    size of each, rounded up to whole packets (256K)\n"
	"  --service NAME  the driver's service (BulkStream), or its id in `dext list`\n"
	"  --calls         one call of the driver for each buffer, and no ring\n"
	"  --json          print one JSON object instead of a sentence; with FILE - it goes to\n"
	"                  standard error\n"
	"\n"
	"Example: dext recv --bytes 1048576 /tmp/received\n"
	"\n"
	"Exit status: 0, 1 error, 2 wrong command line, 3 no such service, 4 refused, 5 the "
	"device\n"
	"or its driver failed, 6 data differ, 7 a file, 130 Ctrl-C: what was done is said first.\n";

struct receiver {
	struct transfer transfer; /* first: completions get it */
	int fd;
	uint32_t *free; /* a stack of buffer numbers */
	uint32_t free_count;
	uint64_t queued; /* bytes asked for and not yet come or failed */
	uint32_t length; /* of each receive */
	uint32_t *lengths;
	int write_error; /* errno */
	uint64_t bytes_at_stall;
	unsigned stalls;
};

static void
write_all(struct receiver *receiver, const uint8_t *data, uint32_t length)
{
	while (length != 0 && receiver->write_error == 0) {
		ssize_t written = write(receiver->fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			receiver->write_error = errno;
			return;
		}
		data += written;
		length -= (uint32_t)written;
	}
}

static void
completed(struct transfer *transfer, const struct transfer_result *result)
{
	struct receiver *receiver = (struct receiver *)transfer;
	const uint8_t *data = transfer->buffers[result->buffer];
	uint64_t wanted = transfer->options.bytes - transfer->bytes;
	uint32_t length = result->bytes < wanted ? result->bytes : (uint32_t)wanted;

	receiver->queued -= receiver->lengths[result->buffer];
	write_all(receiver, data, length);
	if (receiver->write_error == 0)
		transfer_account(transfer, data, length);
	receiver->free[receiver->free_count++] = result->buffer;
	if (result->status != kIOReturnSuccess)
		transfer_failed(transfer, result->status, false);
}

static void
queue(struct receiver *receiver)
{
	struct transfer *transfer = &receiver->transfer;
	uint64_t packet = transfer->packet_size;
	kern_return_t status = kIOReturnSuccess;

	while (status == kIOReturnSuccess && receiver->free_count != 0) {
		uint64_t wanted = transfer->options.bytes - transfer->bytes;
		struct transfer_piece piece = {.length = receiver->length};

		if (receiver->queued >= wanted)
			break;
		wanted -= receiver->queued;
		piece.buffer = receiver->free[--receiver->free_count];
		if (wanted < receiver->length)
			piece.length = (uint32_t)((wanted + packet - 1) / packet * packet);
		receiver->lengths[piece.buffer] = piece.length;
		status = transfer_submit(transfer, &piece);
		if (status == kIOReturnSuccess)
			receiver->queued += piece.length;
		else
			receiver->free_count++;
	}
	if (status != kIOReturnSuccess)
		transfer_failed(transfer, status, true);
}

static int
recover(struct receiver *receiver)
{
	struct transfer *transfer = &receiver->transfer;
	uint64_t direction = DEXT_BULKSTREAM_IN;
	IOReturn failure = transfer->failure;
	kern_return_t status;

	receiver->stalls = transfer->bytes == receiver->bytes_at_stall ? receiver->stalls + 1 : 1;
	receiver->bytes_at_stall = transfer->bytes;
	if (failure != kUSBHostReturnPipeStalled || receiver->stalls > STALLS_MAX)
		return transfer_fail_status(transfer, failure, "the device failed");
	status = IOConnectCallScalarMethod(transfer->connection, DEXT_BULKSTREAM_CLEAR_STALL,
					   &direction, 1, NULL, NULL);
	if (status != kIOReturnSuccess)
		return transfer_fail_status(transfer, status, "the stall cannot be cleared");
	transfer->failure = kIOReturnSuccess;
	return DEXT_EXIT_OK;
}

static int
stream(struct receiver *receiver)
{
	struct transfer *transfer = &receiver->transfer;
	int code = DEXT_EXIT_OK;
	bool ready;

	while (code == DEXT_EXIT_OK && transfer->bytes < transfer->options.bytes &&
	       !transfer->interrupted) {
		if (receiver->write_error != 0) {
			code = transfer_fail(transfer, DEXT_EXIT_FILE, "%s cannot be written: %s.",
					     receiver->fd == STDOUT_FILENO ? "standard output"
									   : transfer->options.path,
					     strerror(receiver->write_error));
			break;
		}
		if (transfer->failure == kIOReturnSuccess)
			queue(receiver);
		if (transfer->failure != kIOReturnSuccess && transfer->in_flight == 0)
			code = recover(receiver);
		if (code == DEXT_EXIT_OK && transfer->in_flight != 0)
			code = transfer_wait(transfer, -1, 0, &ready);
	}
	transfer->ended = transfer_now();
	transfer_abort(transfer);
	return code;
}

static int
run(struct receiver *receiver)
{
	struct transfer *transfer = &receiver->transfer;
	const char *path = transfer->options.path;
	uint32_t count = transfer->options.buffers;
	int code;

	receiver->fd = strcmp(path, "-") == 0
			       ? STDOUT_FILENO
			       : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (receiver->fd < 0)
		return transfer_fail(transfer, DEXT_EXIT_FILE, "%s cannot be opened: %s.", path,
				     strerror(errno));
	receiver->free = calloc(count, sizeof(*receiver->free));
	receiver->lengths = calloc(count, sizeof(*receiver->lengths));
	if (receiver->free == NULL || receiver->lengths == NULL)
		return transfer_fail(transfer, DEXT_EXIT_ERROR, "out of memory.");
	for (uint32_t i = count; i > 0; i--)
		receiver->free[receiver->free_count++] = i - 1;
	transfer->expected = transfer->options.bytes;
	code = transfer_open(transfer);
	if (code != DEXT_EXIT_OK)
		return code;
	receiver->length = transfer->size - transfer->size % transfer->packet_size;
	code = stream(receiver);
	if (receiver->fd != STDOUT_FILENO && close(receiver->fd) < 0 && code == DEXT_EXIT_OK)
		code = transfer_fail(transfer, DEXT_EXIT_FILE, "%s cannot be written: %s.", path,
				     strerror(errno));
	receiver->fd = -1;
	return transfer_report(transfer, code);
}

int
recv_main(int argc, char **argv)
{
	struct receiver receiver = {
		.transfer = {.direction = DEXT_BULKSTREAM_IN, .completed = completed},
		.fd = -1,
	};
	int code = transfer_parse(argc, argv, usage, &receiver.transfer.options);

	if (code != DEXT_EXIT_OK)
		return code;
	code = run(&receiver);
	transfer_close(&receiver.transfer);
	free(receiver.free);
	free(receiver.lengths);
	return code;
}
