/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual backend through its table of operations: what a host controller would see of each
 * model, and each fault of the spec.
 */
#include "virtual_fixture.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "clock.h"

static uint8_t back[sizeof(bytes)];

START_TEST(sink_counts_and_hashes)
{
	const uint32_t sizes[] = {1, 511, 512, 513, 65536, 1 << 20};
	uint64_t total = 0;
	uint32_t actual;
	XXH3_state_t *hash = XXH3_createState();

	fill();
	XXH3_64bits_reset(hash);
	plug("sink");
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_int_eq(transfer(OUT, bytes, sizes[i], &actual), kIOReturnSuccess);
		ck_assert_uint_eq(actual, sizes[i]);
		XXH3_64bits_update(hash, bytes, sizes[i]);
		total += sizes[i];
	}
	ck_assert_uint_eq(state().out_bytes, total);
	ck_assert_uint_eq(state().out_transfers, 6);
	ck_assert_uint_eq(state().in_bytes, 0);
	ck_assert_uint_eq(state().faults, 0);
	ck_assert_uint_eq(state().hash, XXH3_64bits_digest(hash));
	ck_assert_int_eq(control(0x40, DEXT_VIRTUAL_REQUEST_RESET, 0, NULL, 0, &actual),
			 kIOReturnSuccess);
	ck_assert_uint_eq(state().out_bytes, 0);
	ck_assert_uint_eq(state().hash, XXH3_64bits("", 0));
	XXH3_freeState(hash);
	unplug();
}
END_TEST

START_TEST(sink_tells_whose_pages_it_read)
{
	struct usb_transfer record = {.endpoint = OUT, .length = 4096, .done = count};
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct stat file;

	plug("sink");
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	ck_assert_int_eq(fstat(fd, &file), 0);
	record.data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	record.memory = (struct memory_segment){.fd = fd, .inode = file.st_ino, .length = 4096};
	ck_assert_int_eq(backend->submit(device, &record), kIOReturnSuccess);
	await(&record);
	ck_assert_uint_eq(state().last_address, (uintptr_t)record.data);
	ck_assert_uint_eq(state().last_inode, file.st_ino);
	unplug();
	munmap(record.data, 4096);
	close(fd);
}
END_TEST

START_TEST(source_is_the_documented_pattern)
{
	uint32_t actual;

	plug("source");
	for (uint64_t position = 0; position < 3 * 65536; position += actual) {
		ck_assert_int_eq(transfer(IN, back, 65536, &actual), kIOReturnSuccess);
		ck_assert_uint_eq(actual, 65536);
		for (uint32_t i = 0; i < actual; i++)
			ck_assert_uint_eq(back[i], dext_virtual_pattern(position + i));
	}
	ck_assert_uint_eq(state().in_bytes, 3 * 65536);
	ck_assert_uint_eq(state().in_transfers, 3);
	unplug();
}
END_TEST

START_TEST(source_overflows_what_is_no_multiple)
{
	uint32_t actual;

	plug("source");
	ck_assert_int_eq(transfer(IN, back, 1000, &actual), kIOReturnOverrun);
	ck_assert_uint_eq(actual, 512);
	/* The packet that did not fit was not acknowledged: it comes again. */
	ck_assert_int_eq(transfer(IN, back, 512, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(back[0], dext_virtual_pattern(512));
	unplug();
}
END_TEST

START_TEST(source_short_packets_lose_no_byte)
{
	uint64_t position = 0;
	uint32_t actual;

	plug("source:short-every=2");
	for (unsigned i = 1; i <= 6; i++) {
		memset(back, 0xee, sizeof(back));
		ck_assert_int_eq(transfer(IN, back, 4096, &actual), kIOReturnSuccess);
		ck_assert_uint_eq(actual, i % 2 == 0 ? 2047 : 4096);
		for (uint32_t k = 0; k < actual; k++)
			ck_assert_uint_eq(back[k], dext_virtual_pattern(position + k));
		ck_assert(actual == 4096 || back[actual] == 0xee);
		position += actual;
	}
	ck_assert_uint_eq(state().faults, 3);
	unplug();
}
END_TEST

START_TEST(loopback_keeps_packets)
{
	struct usb_transfer zlp = {.flags = USB_TRANSFER_ZLP};
	uint32_t actual;

	fill();
	plug("loopback");
	/* A short packet ends the IN transfer at its place. */
	transfer(OUT, bytes, 700, &actual);
	transfer(OUT, bytes + 700, 100, &actual);
	ck_assert_int_eq(transfer(IN, back, 4096, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, 700);
	ck_assert_mem_eq(back, bytes, 700);
	ck_assert_int_eq(transfer(IN, back, 4096, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, 100);
	ck_assert_mem_eq(back, bytes + 700, 100);
	/* A zero-length packet is one. */
	ck_assert_int_eq(transfer(OUT, NULL, 0, &actual), kIOReturnSuccess);
	ck_assert_int_eq(transfer(IN, back, 512, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, 0);
	/* Asked to end with one, a full transfer does. */
	ck_assert_int_eq(submit(&zlp, OUT, bytes, 1024), kIOReturnSuccess);
	await(&zlp);
	ck_assert_int_eq(transfer(IN, back, 4096, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, 1024);
	/* One that had just room leaves the zero-length packet to the next. */
	zlp.flags = USB_TRANSFER_ZLP;
	ck_assert_int_eq(submit(&zlp, OUT, bytes, 512), kIOReturnSuccess);
	await(&zlp);
	transfer(IN, back, 512, &actual);
	ck_assert_uint_eq(actual, 512);
	ck_assert_int_eq(transfer(IN, back, 512, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, 0);
	unplug();
}
END_TEST

START_TEST(loopback_waits_for_packets_and_for_room)
{
	struct usb_transfer first = {0}, out = {0}, in = {0};
	uint32_t actual, got = 0;

	fill();
	plug("loopback");
	/* Without a short packet the transfer goes on with the next packets. */
	ck_assert_int_eq(submit(&in, IN, back, 1024), kIOReturnSuccess);
	transfer(OUT, bytes, 512, &actual);
	ck_assert(!is_done(&in));
	transfer(OUT, bytes + 512, 512, &actual);
	await(&in);
	ck_assert_int_eq(in.status, kIOReturnSuccess);
	ck_assert_mem_eq(back, bytes, 1024);
	/* More than it can hold: the rest is taken as it is read. */
	ck_assert_int_eq(submit(&first, OUT, bytes, 1 << 20), kIOReturnSuccess);
	ck_assert_int_eq(submit(&out, OUT, bytes, 5), kIOReturnSuccess);
	state();
	ck_assert(!is_done(&first));
	while (got < 1 << 20) {
		transfer(IN, back + got, 65536, &actual);
		got += actual;
	}
	await(&out);
	ck_assert(is_done(&first));
	ck_assert_mem_eq(back, bytes, 1 << 20);
	unplug();
}
END_TEST

/* A submit that comes while the thread is busy elsewhere must not be slept over. */
START_TEST(ping_pong_loses_no_wakeup)
{
	plug("loopback");
	for (unsigned i = 0; i < 5000; i++) {
		struct usb_transfer out = {0}, in = {0};

		ck_assert_int_eq(submit(&in, IN, back, 512), kIOReturnSuccess);
		for (volatile unsigned spin = 0; spin < i % 512 * 8; spin++)
			;
		ck_assert_int_eq(submit(&out, OUT, bytes, 100), kIOReturnSuccess);
		await(&in);
		await(&out);
		ck_assert_uint_eq(in.actual, 100);
	}
	unplug();
}
END_TEST

START_TEST(loopback_overflow)
{
	uint32_t actual;

	fill();
	plug("loopback");
	transfer(OUT, bytes, 700, &actual);
	ck_assert_int_eq(transfer(IN, back, 600, &actual), kIOReturnOverrun);
	ck_assert_uint_eq(actual, 512);
	ck_assert_int_eq(transfer(IN, back, 512, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, 188);
	ck_assert_mem_eq(back, bytes + 512, 188);
	unplug();
}
END_TEST

START_TEST(stall_halts_until_cleared)
{
	struct usb_transfer behind = {0}, stalled = {0};
	uint32_t actual;

	fill();
	plug("sink:stall-every=2");
	ck_assert_int_eq(transfer(OUT, bytes, 4096, &actual), kIOReturnSuccess);
	ck_assert_int_eq(submit(&stalled, OUT, bytes, 5000), kIOReturnSuccess);
	ck_assert_int_eq(submit(&behind, OUT, bytes, 512), kIOReturnSuccess);
	await(&behind);
	ck_assert_int_eq(stalled.status, kUSBHostReturnPipeStalled);
	ck_assert_uint_eq(stalled.actual, 2048); /* half of its packets */
	ck_assert_int_eq(behind.status, kUSBHostReturnPipeStalled);
	ck_assert_uint_eq(behind.actual, 0);
	ck_assert_uint_eq(state().out_bytes, 4096 + 2048);
	ck_assert_uint_eq(state().faults, 1);
	ck_assert_int_eq(backend->clear_halt(device, OUT), kIOReturnSuccess);
	ck_assert_int_eq(transfer(OUT, bytes, 512, &actual), kIOReturnSuccess);
	ck_assert_int_eq(backend->clear_halt(device, IN), kIOReturnNotFound);
	unplug();
}
END_TEST

START_TEST(corruption_is_one_byte_and_not_in_the_callers_memory)
{
	uint32_t actual;

	fill();
	plug("loopback:corrupt-every=3");
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_int_eq(transfer(OUT, bytes, 3000, &actual), kIOReturnSuccess);
		ck_assert_uint_eq(actual, 3000);
	}
	ck_assert_uint_eq(bytes[0], 0);
	for (unsigned i = 1; i <= 2; i++) {
		transfer(IN, back, 4096, &actual);
		ck_assert_mem_eq(back, bytes, 3000);
	}
	/* Both directions' third: inverted twice. */
	transfer(IN, back, 4096, &actual);
	ck_assert_uint_eq(actual, 3000);
	ck_assert_mem_eq(back, bytes, 3000);
	ck_assert_uint_eq(state().faults, 2);
	unplug();
	plug("source:corrupt-every=1");
	transfer(IN, back, 512, &actual);
	ck_assert_uint_eq(back[0], 0xff);
	ck_assert_uint_eq(back[8], 1);
	unplug();
}
END_TEST

START_TEST(nak_ends_by_timeout_or_cancel_only)
{
	struct usb_transfer timed = {.timeout = 20}, cancelled = {0};
	uint64_t before = clock_now();

	fill();
	plug("sink:nak=1024");
	ck_assert_int_eq(submit(&timed, OUT, bytes, 4096), kIOReturnSuccess);
	ck_assert_int_eq(submit(&cancelled, OUT, bytes, 4096), kIOReturnSuccess);
	await(&timed);
	ck_assert_int_eq(timed.status, kIOReturnTimeout);
	ck_assert_uint_eq(timed.actual, 1024);
	ck_assert_uint_ge(clock_now() - before, 20 * NSEC_PER_MSEC);
	ck_assert(!is_done(&cancelled));
	backend->cancel(device, &cancelled);
	await(&cancelled);
	ck_assert_int_eq(cancelled.status, kIOReturnAborted);
	ck_assert_uint_eq(cancelled.actual, 0);
	backend->cancel(device, &cancelled); /* too late is no harm */
	ck_assert_uint_eq(completions, 2);
	unplug();
}
END_TEST

START_TEST(latency_is_a_lower_bound)
{
	struct usb_transfer records[8] = {0};
	uint64_t before;

	plug("sink:latency=30000");
	before = clock_now();
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(submit(&records[i], OUT, bytes, 512), kIOReturnSuccess);
	await(&records[0]);
	ck_assert_uint_ge(clock_now() - before, 30 * NSEC_PER_MSEC);
	await(&records[7]);
	unplug();
}
END_TEST

/* As with a hub: at first nothing is answered, and only then the device is known to have gone. */
START_TEST(unplugged_and_noticed_later)
{
	struct usb_transfer records[16] = {0};
	unsigned good = 0, unanswered = 0;

	plug("sink:unplug-after=10000,unplug-late=60000");
	for (unsigned i = 0; i < 16; i++)
		ck_assert_int_eq(submit(&records[i], OUT, bytes, 4096), kIOReturnSuccess);
	for (unsigned i = 0; i < 16; i++) {
		await(&records[i]);
		good += records[i].status == kIOReturnSuccess;
		unanswered += records[i].status == kIOReturnNotResponding;
	}
	ck_assert_uint_eq(good, 2);
	ck_assert_uint_eq(unanswered, 14);
	ck_assert(backend->reap(device));
	unplug();
	plug("sink:unplug-after=1,unplug-late=1");
	do
		records[0] = (struct usb_transfer){0};
	while (submit(&records[0], OUT, bytes, 512) == kIOReturnSuccess &&
	       (await(&records[0]), records[0].status == kIOReturnNotResponding));
	ck_assert(!backend->reap(device));
	ck_assert_int_eq(submit(&records[0], OUT, bytes, 1), kIOReturnNoDevice);
	unplug();
}
END_TEST

START_TEST(unplugged_in_the_middle)
{
	struct usb_transfer records[16] = {0};
	unsigned good = 0, gone = 0;
	uint64_t moved = 0;

	fill();
	plug("sink:unplug-after=10000");
	for (unsigned i = 0; i < 16; i++) {
		IOReturn res = submit(&records[i], OUT, bytes, 4096);

		/* It may go before the last are submitted. */
		if (res != kIOReturnSuccess) {
			ck_assert_int_eq(res, kIOReturnNoDevice);
			records[i].flags = 0x80;
			records[i].status = res;
			completions++;
		}
	}
	for (unsigned i = 0; i < 16; i++)
		await(&records[i]);
	for (unsigned i = 0; i < 16; i++) {
		good += records[i].status == kIOReturnSuccess;
		gone += records[i].status == kIOReturnNoDevice;
		moved += records[i].actual;
	}
	ck_assert_uint_eq(completions, 16);
	ck_assert_uint_eq(good, 2);
	ck_assert_uint_eq(gone, 14);
	ck_assert_uint_eq(moved, 10000 - 10000 % 512);
	ck_assert(!backend->reap(device));
	ck_assert_int_eq(submit(&records[0], OUT, bytes, 1), kIOReturnNoDevice);
	ck_assert_int_eq(backend->claim(device, 0), kIOReturnNoDevice);
	unplug();
}
END_TEST

/* At any instant: while a transfer is moved, while they wait, and when there is none. */
START_TEST(pulled_out)
{
	static const char *const specs[] = {"sink", "sink:nak=4096", "sink:latency=50000"};
	struct usb_transfer records[16] = {0};

	for (unsigned round = 0; round < 300; round++) {
		plug(specs[round % 3]);
		for (unsigned i = 0; i < 16 && round % 7 != 0; i++) {
			records[i].flags = 0;
			ck_assert_int_eq(submit(&records[i], OUT, bytes, sizeof(bytes)),
					 kIOReturnSuccess);
		}
		for (unsigned i = 0; i < round % 5 && round % 3 == 0 && round % 7 != 0; i++)
			await(&records[i]);
		backend->unplug(device);
		backend->unplug(device);
		while (backend->reap(device))
			;
		ck_assert_uint_eq(completions, round % 7 != 0 ? 16 : 0);
		for (unsigned i = 0; i < completions; i++)
			ck_assert(is_done(&records[i]) && (records[i].status == kIOReturnNoDevice ||
							   records[i].status == kIOReturnSuccess));
		ck_assert_int_eq(submit(&records[0], OUT, bytes, 1), kIOReturnNoDevice);
		unplug();
	}
}
END_TEST

START_TEST(order_and_claims)
{
	struct usb_transfer records[64] = {0};

	ck_assert_int_eq(backend->open("sink", -1, &device), kIOReturnSuccess);
	ck_assert_int_eq(submit(&records[0], OUT, bytes, 1), kIOReturnNotOpen);
	ck_assert_int_eq(backend->claim(device, 1), kIOReturnNotFound);
	ck_assert_int_eq(backend->set_alternate(device, 0, 1), kIOReturnNotOpen);
	ck_assert_int_eq(backend->claim(device, 0), kIOReturnSuccess);
	ck_assert_int_eq(backend->claim(device, 0), kIOReturnExclusiveAccess);
	ck_assert_int_eq(backend->set_alternate(device, 0, 1), kIOReturnSuccess);
	ck_assert_int_eq(backend->set_alternate(device, 0, 4), kIOReturnNotFound);
	ck_assert_int_eq(submit(&records[0], IN, bytes, 1), kIOReturnNotFound);
	for (unsigned i = 0; i < 64; i++)
		ck_assert_int_eq(submit(&records[i], OUT, bytes, 4096), kIOReturnSuccess);
	await(&records[63]);
	for (unsigned i = 0; i < 63; i++)
		ck_assert_uint_le(records[i].timestamp, records[i + 1].timestamp);
	ck_assert_uint_eq(completions, 64);
	unplug();
}
END_TEST

START_TEST(standard_requests)
{
	const char *const specs[] = {"sink:speed=full", "source:speed=high",
				     "loopback:speed=super"};
	const uint16_t packets[] = {64, 512, 1024}, products[] = {0x0d01, 0x0d02, 0x0d03};
	uint8_t answer[255];
	uint32_t actual;

	for (unsigned i = 0; i < 3; i++) {
		const IOUSBDeviceDescriptor *descriptor;
		uint16_t length;

		plug(specs[i]);
		descriptor = (const void *)backend->device_descriptor(device);
		ck_assert_uint_eq(descriptor->idVendor, 0x1209);
		ck_assert_uint_eq(descriptor->idProduct, products[i]);
		control(0x80, 6, 0x0100, answer, sizeof(answer), &actual);
		ck_assert_uint_eq(actual, 18);
		ck_assert_mem_eq(answer, descriptor, 18);
		control(0x80, 6, 0x0200, answer, sizeof(answer), &actual);
		ck_assert_mem_eq(answer, backend->configuration_descriptor(device, 0, &length),
				 actual);
		ck_assert_uint_eq(length, actual);
		ck_assert_uint_eq(length, answer[2] | answer[3] << 8);
		ck_assert_uint_eq(answer[18 + 4] | answer[18 + 5] << 8, packets[i]);
		control(0x80, 6, 0x0302, answer, sizeof(answer), &actual);
		ck_assert_uint_eq(answer[0], actual);
		ck_assert_uint_eq(answer[2], 'O');
		ck_assert_int_eq(control(0x80, 6, 0x0309, answer, sizeof(answer), &actual),
				 kUSBHostReturnPipeStalled);
		ck_assert_int_eq(control(0xc0, 99, 0, answer, 8, &actual),
				 kUSBHostReturnPipeStalled);
		/* Endpoint 0 does not stay halted. */
		ck_assert_int_eq(control(0x80, 8, 0, answer, 1, &actual), kIOReturnSuccess);
		ck_assert_uint_eq(answer[0], 1);
		/* A shorter answer is cut. */
		control(0xc0, DEXT_VIRTUAL_REQUEST_STATE, 0, answer, 8, &actual);
		ck_assert_uint_eq(actual, 8);
		unplug();
	}
}
END_TEST

START_TEST(bad_specs_open_nothing)
{
	struct usb_device *none = NULL;

	ck_assert_int_eq(backend->open("sink:speed=9", -1, &none), kIOReturnBadArgument);
	ck_assert_int_eq(backend->open(NULL, -1, &none), kIOReturnBadArgument);
	ck_assert_int_eq(backend->open("sink", dup(0), &none), kIOReturnBadArgument);
	ck_assert_ptr_null(none);
}
END_TEST

UNIT_MAIN("backend_virtual", sink_counts_and_hashes, sink_tells_whose_pages_it_read,
	  source_is_the_documented_pattern, source_overflows_what_is_no_multiple,
	  source_short_packets_lose_no_byte, loopback_keeps_packets,
	  loopback_waits_for_packets_and_for_room, ping_pong_loses_no_wakeup, loopback_overflow,
	  stall_halts_until_cleared, corruption_is_one_byte_and_not_in_the_callers_memory,
	  nak_ends_by_timeout_or_cancel_only, latency_is_a_lower_bound, unplugged_in_the_middle,
	  unplugged_and_noticed_later, pulled_out, order_and_claims, standard_requests,
	  bad_specs_open_nothing)
