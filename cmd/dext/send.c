/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext send: a file, or standard input, to a bulk OUT endpoint.
 *
 * read(2) goes straight into a mapped buffer; a full one (or the last) is sent, and its completion
 * puts it behind the other free ones. Hashing is done at completion, so that the hash is of what
 * the device took, also when it is cut short.
 *
 * A stalled transfer says how many bytes had moved; everything behind it comes back aborted. When
 * all are back, the stall is cleared and they are sent again in order, the first one from the byte
 * where it stopped. A device that stalls time after time without taking a byte is given up.
 */
#include "transfer.h"

#include "dext.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STALLS_MAX 8

static const char usage[] =
	"usage: dext send [--buffers N] [--size BYTES] [--service NAME] [--calls] [--json] "
	"FILE|-\n"
	"\n"
	"Sends a file, or standard input, to the first bulk OUT endpoint of a service.\n"
	"\n"
	"  --buffers N     how many buffers are used (1 to 4096; 16)\n"
	"  --size BYTES    size of each, with K, M or G if you like (256K)\n"
	"  --service NAME  the driver's service (BulkStream), or its id in `dext list`\n"
	"  --calls         one call of the driver for each buffer, and no ring\n"
	"  --json          print one JSON object instead of a sentence\n"
	"\n"
	"Example: tar -c . | dext send --size 1M -\n"
	"\n"
	"Exit status: 0, 1 error, 2 wrong command line, 3 no such service, 4 refused, 5 the "
	"device\n"
	"or its driver failed, 6 data differ, 7 a file, 130 Ctrl-C: what was done is said first.\n";

struct part {
	uint64_t position; /* of its first byte in the stream */
	uint32_t filled;   /* bytes read into the buffer */
	uint32_t sent;	   /* of them, taken by the device */
};

struct sender {
	struct transfer transfer; /* first: completions get it */
	int fd;
	bool never_waits; /* the file: reading needs no poll */
	bool end_of_file;
	struct part *parts;
	/* Rings of buffer numbers, each as large as there are buffers: first in, first out. */
	uint32_t *free;
	uint32_t free_first, free_count;
	uint32_t *again; /* to be sent again after a stall */
	uint32_t again_count;
	uint64_t position; /* bytes read so far */
	uint64_t bytes_at_stall;
	unsigned stalls; /* without progress */
};

static void
free_buffer(struct sender *sender, uint32_t buffer)
{
	uint32_t count = sender->transfer.options.buffers;

	sender->parts[buffer] = (struct part){0};
	sender->free[(sender->free_first + sender->free_count++) % count] = buffer;
}

/* To be sent again, once everything that is underway has come back. */
static void
keep(struct sender *sender, uint32_t buffer)
{
	sender->again[sender->again_count++] = buffer;
}

static void
completed(struct transfer *transfer, const struct transfer_result *result)
{
	struct sender *sender = (struct sender *)transfer;
	struct part *part = &sender->parts[result->buffer];

	transfer_account(transfer, transfer->buffers[result->buffer] + part->sent, result->bytes);
	part->sent += result->bytes;
	if (result->status == kIOReturnSuccess) {
		free_buffer(sender, result->buffer);
		return;
	}
	transfer_failed(transfer, result->status, false);
	keep(sender, result->buffer);
}

static void
submit(struct sender *sender, uint32_t buffer)
{
	struct part *part = &sender->parts[buffer];
	kern_return_t status = transfer_submit(
		&sender->transfer,
		&(struct transfer_piece){buffer, part->sent, part->filled - part->sent});

	if (status == kIOReturnSuccess)
		return;
	transfer_failed(&sender->transfer, status, true);
	keep(sender, buffer);
}

static int
compare_positions(const void *one, const void *other, void *context)
{
	const struct sender *sender = context;
	uint64_t a = sender->parts[*(const uint32_t *)one].position;
	uint64_t b = sender->parts[*(const uint32_t *)other].position;

	return a < b ? -1 : a > b;
}

/* Everything that was underway has come back after a failure. */
static int
recover(struct sender *sender)
{
	struct transfer *transfer = &sender->transfer;
	uint64_t direction = DEXT_BULKSTREAM_OUT;
	IOReturn failure = transfer->failure;
	uint32_t count = sender->again_count;
	kern_return_t status;
	uint32_t *again;

	sender->stalls = transfer->bytes == sender->bytes_at_stall ? sender->stalls + 1 : 1;
	sender->bytes_at_stall = transfer->bytes;
	if (failure != kUSBHostReturnPipeStalled || sender->stalls > STALLS_MAX)
		return transfer_fail_status(transfer, failure, "the device failed");
	status = IOConnectCallScalarMethod(transfer->connection, DEXT_BULKSTREAM_CLEAR_STALL,
					   &direction, 1, NULL, NULL);
	if (status != kIOReturnSuccess)
		return transfer_fail_status(transfer, status, "the stall cannot be cleared");
	transfer->failure = kIOReturnSuccess;
	/* In the stream's order; what is refused on the way is kept for the next recovery. */
	qsort_r(sender->again, count, sizeof(*sender->again), compare_positions, sender);
	again = malloc(count * sizeof(*again));
	if (again == NULL)
		return transfer_fail(transfer, DEXT_EXIT_ERROR, "out of memory.");
	memcpy(again, sender->again, count * sizeof(*again));
	sender->again_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (sender->parts[again[i]].sent == sender->parts[again[i]].filled)
			free_buffer(sender, again[i]);
		else if (transfer->failure != kIOReturnSuccess)
			keep(sender, again[i]);
		else
			submit(sender, again[i]);
	}
	free(again);
	return DEXT_EXIT_OK;
}

/* Reads once into the first free buffer, and sends it when it is full or the file has ended. */
static int
fill(struct sender *sender)
{
	struct transfer *transfer = &sender->transfer;
	uint32_t buffer = sender->free[sender->free_first];
	struct part *part = &sender->parts[buffer];
	ssize_t got = read(sender->fd, transfer->buffers[buffer] + part->filled,
			   transfer->options.size - part->filled);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return DEXT_EXIT_OK;
	if (got < 0)
		return transfer_fail(transfer, DEXT_EXIT_FILE, "%s cannot be read: %s.",
				     transfer->options.path, strerror(errno));
	if (part->filled == 0)
		part->position = sender->position;
	part->filled += (uint32_t)got;
	sender->position += (uint64_t)got;
	sender->end_of_file = got == 0;
	if (part->filled == 0 || (got != 0 && part->filled < transfer->options.size))
		return DEXT_EXIT_OK;
	sender->free_first = (sender->free_first + 1) % transfer->options.buffers;
	sender->free_count--;
	submit(sender, buffer);
	return DEXT_EXIT_OK;
}

static int
stream(struct sender *sender)
{
	struct transfer *transfer = &sender->transfer;
	int code = DEXT_EXIT_OK;

	while (code == DEXT_EXIT_OK) {
		bool reading = !sender->end_of_file && !transfer->interrupted &&
			       sender->free_count != 0 && transfer->failure == kIOReturnSuccess;
		bool ready = false;

		if (transfer->failure != kIOReturnSuccess && transfer->in_flight == 0) {
			code = transfer->interrupted ? DEXT_EXIT_OK : recover(sender);
			if (transfer->interrupted)
				break;
			continue;
		}
		if ((sender->end_of_file || transfer->interrupted) && transfer->in_flight == 0)
			break;
		if (transfer->interrupted) {
			transfer_abort(transfer);
			break;
		}
		if (reading && sender->never_waits)
			ready = true;
		else
			code = transfer_wait(transfer, reading ? sender->fd : -1, POLLIN, &ready);
		while (code == DEXT_EXIT_OK && ready && sender->free_count != 0 &&
		       !sender->end_of_file && transfer->failure == kIOReturnSuccess) {
			uint32_t before = sender->free_count;

			code = fill(sender);
			ready = sender->free_count == before - 1; /* a full one: more is likely */
		}
	}
	transfer->ended = transfer_now();
	transfer_abort(transfer);
	return code;
}

static int
open_input(struct sender *sender)
{
	struct transfer *transfer = &sender->transfer;
	const char *path = transfer->options.path;
	struct stat info;

	sender->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (sender->fd < 0)
		return transfer_fail(transfer, DEXT_EXIT_FILE, "%s cannot be opened: %s.", path,
				     strerror(errno));
	transfer->expected = UINT64_MAX;
	if (fstat(sender->fd, &info) == 0) {
		if (S_ISDIR(info.st_mode))
			return transfer_fail(transfer, DEXT_EXIT_FILE,
					     "%s is a directory: pack it first, tar -c %s | dext "
					     "send -.",
					     path, path);
		sender->never_waits = S_ISREG(info.st_mode);
		if (sender->never_waits)
			transfer->expected = (uint64_t)info.st_size;
	}
	return DEXT_EXIT_OK;
}

static int
run(struct sender *sender)
{
	struct transfer *transfer = &sender->transfer;
	uint32_t count = transfer->options.buffers;
	int code = open_input(sender);

	if (code != DEXT_EXIT_OK)
		return code;
	sender->parts = calloc(count, sizeof(*sender->parts));
	sender->free = calloc(count, sizeof(*sender->free));
	sender->again = calloc(count, sizeof(*sender->again));
	if (sender->parts == NULL || sender->free == NULL || sender->again == NULL)
		return transfer_fail(transfer, DEXT_EXIT_ERROR, "out of memory.");
	for (uint32_t i = 0; i < count; i++)
		free_buffer(sender, i);
	code = transfer_open(transfer);
	if (code != DEXT_EXIT_OK)
		return code;
	return transfer_report(transfer, stream(sender));
}

int
send_main(int argc, char **argv)
{
	struct sender sender = {
		.transfer = {.direction = DEXT_BULKSTREAM_OUT, .completed = completed},
		.fd = -1,
	};
	int code = transfer_parse(argc, argv, usage, &sender.transfer.options);

	if (code != DEXT_EXIT_OK)
		return code;
	code = run(&sender);
	transfer_close(&sender.transfer);
	if (sender.fd > STDERR_FILENO)
		close(sender.fd);
	free(sender.parts);
	free(sender.free);
	free(sender.again);
	return code;
}
