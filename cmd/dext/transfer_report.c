/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was moved: the figures, the device's own view of them, the summary and the JSON object.
 *
 * OpenDext's virtual devices count and hash what passes through them. If we were their only app
 * from a reset on, that must be what we counted and hashed: "verified" is true or false. For every
 * other device, and when others shared it, nothing can be said: null.
 */
#include "transfer.h"

#include "dext.h"
#include "progress.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_VENDOR_IN  0xc0
#define REQUEST_VENDOR_OUT 0x40

enum verdict {
	VERDICT_NONE,
	VERDICT_SAME,
	VERDICT_DIFFERENT,
};

const char *
transfer_amount(double bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	static char texts[8][32];
	static unsigned next;
	char *text = texts[next++ % 8];
	unsigned unit = 0;

	while (bytes >= 1024 && unit < 4) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, sizeof(texts[0]), unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
	return text;
}

/* Whole words at a time where that can be: a byte at a time is slower than the device. */
static bool
is_pattern(const uint8_t *data, uint32_t length, uint64_t position)
{
	uint64_t word;
	uint32_t i = 0;

	for (; i < length && position % 8 != 0; i++)
		if (data[i] != dext_virtual_pattern(position++))
			return false;
	for (; i + 8 <= length; i += 8, position += 8) {
		memcpy(&word, data + i, 8);
		if (le64toh(word) != position >> 3)
			return false;
	}
	for (; i < length; i++)
		if (data[i] != dext_virtual_pattern(position++))
			return false;
	return true;
}

void
transfer_account(struct transfer *transfer, const uint8_t *data, uint32_t length)
{
	if (transfer->direction == DEXT_BULKSTREAM_IN && transfer->device_ours)
		transfer->pattern &= is_pattern(data, length, transfer->bytes);
	XXH3_64bits_update(transfer->hash, data, length);
	transfer->bytes += length;
}

struct control_end {
	struct transfer *transfer;
	bool came;
	IOReturn status;
	uint64_t bytes;
};

static void
on_control(void *refcon, IOReturn result, void *bytes)
{
	struct control_end *end = refcon;

	end->transfer->in_flight--;
	end->came = true;
	end->status = result;
	end->bytes = (uintptr_t)bytes;
}

/* A control request, and its end. */
static bool
ask(struct transfer *transfer, const uint64_t input[6], uint64_t *ret_bytes)
{
	/* Static: it may come later than we wait, which is while the driver has gone. */
	static struct control_end end;
	uint64_t reference[kIOAsyncCalloutCount] = {0};
	bool ready;

	end = (struct control_end){.transfer = transfer};
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)on_control;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)&end;
	transfer->in_flight++;
	if (IOConnectCallAsyncScalarMethod(transfer->connection, DEXT_BULKSTREAM_CONTROL,
					   IONotificationPortGetMachPort(transfer->port), reference,
					   kIOAsyncCalloutCount, input, 6, NULL,
					   NULL) != kIOReturnSuccess) {
		transfer->in_flight--;
		return false;
	}
	while (!end.came)
		if (transfer_wait(transfer, -1, 0, &ready) != DEXT_EXIT_OK)
			return false;
	*ret_bytes = end.bytes;
	return end.status == kIOReturnSuccess;
}

static bool
read_device(struct transfer *transfer)
{
	uint64_t input[6] = {
		REQUEST_VENDOR_IN, DEXT_VIRTUAL_REQUEST_STATE, 0, 0, sizeof(transfer->device), 0};
	uint64_t bytes = 0;

	if (!ask(transfer, input, &bytes) || bytes != sizeof(transfer->device))
		return false;
	memcpy(&transfer->device, transfer->buffers[0], sizeof(transfer->device));
	transfer->device.out_bytes = le64toh(transfer->device.out_bytes);
	transfer->device.in_bytes = le64toh(transfer->device.in_bytes);
	transfer->device.hash = le64toh(transfer->device.hash);
	return true;
}

void
transfer_ask_device(struct transfer *transfer)
{
	uint64_t input[6] = {REQUEST_VENDOR_OUT, DEXT_VIRTUAL_REQUEST_RESET, 0, 0, 0, 0};
	uint64_t bytes;

	if (transfer->totals == NULL || transfer->totals->clients != 1 || !read_device(transfer))
		return;
	transfer->device_ours = ask(transfer, input, &bytes);
}

static enum verdict
judge(const struct transfer *transfer, uint64_t hash)
{
	const struct dext_virtual_state *device = &transfer->device;
	uint64_t counted;

	if (!transfer->device_asked)
		return VERDICT_NONE;
	counted = transfer->direction == DEXT_BULKSTREAM_OUT ? device->out_bytes : device->in_bytes;
	if (transfer->direction == DEXT_BULKSTREAM_OUT)
		return counted == transfer->bytes && device->hash == hash ? VERDICT_SAME
									  : VERDICT_DIFFERENT;
	if (device->out_bytes == 0) /* a source: nobody wrote what was read */
		return transfer->pattern && counted >= transfer->bytes ? VERDICT_SAME
								       : VERDICT_DIFFERENT;
	if (device->out_bytes != transfer->bytes)
		return VERDICT_NONE; /* a part of what somebody sent through a loopback */
	return device->hash == hash ? VERDICT_SAME : VERDICT_DIFFERENT;
}

static void
print_string(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(file, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			fprintf(file, "\\u%04x", (unsigned char)*text);
		else
			fputc(*text, file);
	}
	fputc('"', file);
}

static void
print_json(FILE *file, const struct transfer *transfer, uint64_t hash, double seconds,
	   enum verdict verdict, int code)
{
	static const char *const words[] = {"null", "true", "false"};

	fprintf(file,
		"{\"command\": \"%s\", \"bytes\": %" PRIu64 ", \"seconds\": %.6f, "
		"\"mib_per_second\": %.3f, \"xxh3_64\": \"%016" PRIx64 "\", ",
		transfer->options.command, transfer->bytes, seconds,
		seconds > 0 ? (double)transfer->bytes / seconds / 1048576 : 0.0, hash);
	if (transfer->device_asked)
		fprintf(file,
			"\"device\": {\"out_bytes\": %" PRIu64 ", \"in_bytes\": %" PRIu64
			", \"xxh3_64\": \"%016" PRIx64 "\"}, ",
			transfer->device.out_bytes, transfer->device.in_bytes,
			transfer->device.hash);
	else
		fputs("\"device\": null, ", file);
	if (transfer->totals != NULL)
		fprintf(file, "\"copied_bytes\": %" PRIu64 ", ", transfer->totals->copied);
	fprintf(file,
		"\"verified\": %s, \"interrupted\": %s, \"exit\": %d, \"error\": ", words[verdict],
		transfer->interrupted ? "true" : "false", code);
	if (transfer->error[0] != '\0')
		print_string(file, transfer->error);
	else
		fputs("null", file);
	fputs("}\n", file);
}

static void
print_summary(FILE *file, const struct transfer *transfer, uint64_t hash, double seconds,
	      enum verdict verdict)
{
	static const char *const words[] = {"", "; the device counted and hashed the same",
					    "; THE DEVICE COUNTED OR HASHED SOMETHING ELSE"};

	fprintf(file, "%s %s in %.2f s (%s/s), XXH3-64 %016" PRIx64 "%s%s\n",
		transfer->direction == DEXT_BULKSTREAM_OUT ? "sent" : "received",
		transfer_amount((double)transfer->bytes), seconds,
		transfer_amount(seconds > 0 ? (double)transfer->bytes / seconds : 0), hash,
		words[verdict], transfer->interrupted ? "; interrupted" : "");
}

int
transfer_report(struct transfer *transfer, int code)
{
	uint64_t hash = XXH3_64bits_digest(transfer->hash);
	uint64_t ended = transfer->ended != 0 ? transfer->ended : transfer_now();
	double seconds = (double)(ended - transfer->started) / 1e9;
	bool data_on_stdout = transfer->direction == DEXT_BULKSTREAM_IN &&
			      strcmp(transfer->options.path, "-") == 0;
	FILE *file = data_on_stdout ? stderr : stdout;
	enum verdict verdict;

	progress_clear();
	if (transfer->device_ours && transfer->in_flight == 0 && transfer->totals->clients == 1)
		transfer->device_asked = read_device(transfer);
	verdict = judge(transfer, hash);
	if (code != DEXT_EXIT_OK && transfer->direction == DEXT_BULKSTREAM_IN)
		verdict = VERDICT_NONE; /* what the device sent did not all get here */
	if (verdict == VERDICT_DIFFERENT && code == DEXT_EXIT_OK)
		code = transfer_fail(transfer, DEXT_EXIT_DIFFERS,
				     "the device counted %" PRIu64 " bytes out, %" PRIu64
				     " in, XXH3-64 %016" PRIx64 ": data was lost or changed on the "
				     "way. Was the device used by others, or with corrupt-every=?",
				     transfer->device.out_bytes, transfer->device.in_bytes,
				     transfer->device.hash);
	if (transfer->interrupted && code == DEXT_EXIT_OK)
		code = DEXT_EXIT_INTERRUPTED;
	if (transfer->options.json)
		print_json(file, transfer, hash, seconds, verdict, code);
	else
		print_summary(file, transfer, hash, seconds, verdict);
	fflush(file);
	return code;
}
