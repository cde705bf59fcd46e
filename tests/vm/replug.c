/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-replug: a device is pulled out in mid-stream and plugged in again, ROUNDS times, in the way
 * that plugging.h says; IDS=VVVV:PPPP is the device. CK_RUN_CASE is what it is:
 *
 *	own_device	vm-function, which knows each byte of its stream
 *	adapter		QEMU's FTDI adapter, whose bytes the script compares
 *
 * Each round: a short stream that has to arrive byte for byte; transfers in flight in both
 * directions, and the device goes; each of them has ended once, and with a status that says so;
 * the going was told; what is sent after it is refused. Then the process holds nothing more.
 */
#include "function_host.h"
#include "plugging.h"

#include <malloc.h>
#include <time.h>

#define DEPTH 8
#define EACH  65536 /* what vm-function reads at a time */
#define EXACT 20001 /* bytes of the short stream: its last packet is short */
#define SLACK 4096  /* bytes by which the heap may have grown in the second half */
#define KINDS 8

static struct plugging plugging;
static bool own;
static char usb[4 + 16] = "USB=";
static unsigned rounds, current; /* how many, and which one this is */
static IOBufferMemoryDescriptor *buffers[DEPTH];
static uint8_t *contents[DEPTH];
static struct meter begun, ended;
static uint64_t position; /* [person's queue] of the next byte */
static unsigned accepted; /* [person's queue] after the first */
static unsigned in_calls;
static IOReturn in_status;
static struct meter in_ended;

static struct {
	IOReturn status;
	unsigned count;
} seen[KINDS];

static void
count_status(IOReturn status)
{
	unsigned i = 0;

	while (seen[i].count > 0 && seen[i].status != status)
		ck_assert_uint_lt(++i, KINDS);
	seen[i].status = status;
	seen[i].count++;
}

/* The adapter's bytes are found again among zeros. */
static uint8_t
byte_at(uint64_t at)
{
	return own ? function_byte(at) : 0;
}

static IOReturn
send_slot(unsigned slot)
{
	IOReturn res;

	for (unsigned i = 0; i < EACH; i++)
		contents[slot][i] = byte_at(position + i);
	res = IOUSBHostPipe_AsyncIO(scene.out, (IOMemoryDescriptor *)buffers[slot], EACH,
				    scene.action, 0);
	if (res == kIOReturnSuccess)
		position += EACH;
	return res;
}

/* They end in their order: the transfer of this call was in slot index % DEPTH. */
static void
send_again(struct ScenePerson_IVars *person, OSAction *action, unsigned index)
{
	(void)action;
	meter_wait(&begun, 1); /* all the first ones are on their way, in their order */
	if (person->log[index].status == kIOReturnSuccess &&
	    send_slot(index % DEPTH) == kIOReturnSuccess)
		accepted++;
	else
		meter_raise(&ended);
}

static void
in_has_ended(OSObject *target, OSAction *action, IOReturn status, uint32_t actual, uint64_t time)
{
	(void)target, (void)action, (void)actual, (void)time;
	in_calls++;
	in_status = status;
	meter_raise(&in_ended);
}

static void
send_exactly(void)
{
	uint32_t actual;

	if (own) {
		begin_stream();
		ck_assert_int_eq(send_stream(EXACT, LONG_MSEC), kIOReturnSuccess);
		check_state();
		return;
	}
	for (unsigned i = 0; i < EXACT; i++)
		scene.bytes[i] = (uint8_t)(function_byte(current * EXACT + i) | 1);
	ck_assert_int_eq(io(scene.out, EXACT, LONG_MSEC, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, EXACT);
}

static bool
is_an_end(IOReturn status)
{
	return status == kIOReturnNoDevice || status == kIOReturnNotResponding ||
	       status == kIOReturnAborted;
}

static void
check_ends(void)
{
	unsigned answered = person_of(scene.person)->count;
	bool over = false;

	ck_assert_uint_eq(answered, accepted);
	for (unsigned i = 0; i < answered; i++) {
		IOReturn status = scene_call(&scene, i).status;

		/* None is said to have succeeded behind one that has not. */
		ck_assert_msg(is_an_end(status) || (status == kIOReturnSuccess && !over),
			      "transfer %u of %u: 0x%08x", i, answered, (unsigned)status);
		over |= status != kIOReturnSuccess;
		if (over)
			count_status(status);
	}
	if (own) {
		ck_assert_uint_eq(in_calls, 1);
		ck_assert_msg(is_an_end(in_status), "IN: 0x%08x", (unsigned)in_status);
	}
}

static void
start_streams(OSAction **ret_in)
{
	static const struct meter none = METER_INITIALIZER;

	begun = ended = in_ended = none;
	in_calls = 0;
	accepted = DEPTH;
	position = sent;
	*ret_in = NULL;
	if (own) {
		ck_assert_int_eq(IOUSBHostPipe_CreateActionCompleteAsyncIO((OSObject *)scene.person,
									   in_has_ended, 0, ret_in),
				 kIOReturnSuccess);
		ck_assert_int_eq(
			IOUSBHostPipe_AsyncIO(scene.in, scene_memory(&scene), 1024, *ret_in, 0),
			kIOReturnSuccess);
	}
	person_of(scene.person)->then = send_again;
	for (unsigned i = 0; i < DEPTH; i++)
		ck_assert_int_eq(send_slot(i), kIOReturnSuccess);
	meter_raise(&begun);
}

static void
go_round(void)
{
	OSAction *in;

	open_interface(0);
	copy_pipes();
	send_exactly();
	start_streams(&in);
	scene_call(&scene, DEPTH);
	plugging_pull(&plugging);
	meter_wait(&ended, DEPTH);
	if (own)
		meter_wait(&in_ended, 1);
	if (plugging.way != PLUGGING_AUTHORIZED)
		meter_wait(&scene.gone, 1);
	check_ends();
	/* To usbfs a device that may not be used has not gone, but has no such endpoint any more.
	 */
	ck_assert_int_eq(scene_send(&scene, 1, 0), plugging.way == PLUGGING_AUTHORIZED
							   ? kIOReturnIOError
							   : kIOReturnNoDevice);
	OSSafeReleaseNULL(in);
	scene_close(&scene);
}

static void
replug(void)
{
	time_t start = time(NULL);
	size_t held = 0, now = 0;
	unsigned descriptors;

	rounds = (unsigned)atoi(getenv("ROUNDS"));
	for (unsigned i = 0; i < DEPTH; i++) {
		IOAddressSegment range;

		ck_assert_int_eq(IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, EACH, 0,
								 &buffers[i]),
				 kIOReturnSuccess);
		IOBufferMemoryDescriptor_GetAddressRange(buffers[i], &range);
		contents[i] = (uint8_t *)(uintptr_t)range.address;
	}
	descriptors = count_descriptors();
	for (current = 0; current < rounds; current++) {
		printf("%s: round %u of %u\n", getenv("WAY"), current, rounds);
		fflush(stdout); /* a failed assertion does not */
		ck_assert(plugged_wait(getenv("IDS"), usb + 4));
		putenv(usb); /* setenv remembers each value there ever was */
		plugging_begin(&plugging, getenv("IDS"));
		go_round();
		ck_assert(plugged_wait_gone(getenv("IDS")));
		plugging_plug(&plugging);
		ck_assert_uint_eq(count_descriptors(), descriptors);
		now = mallinfo2().uordblks;
		if (current == rounds / 2)
			held = now;
	}
	ck_assert(plugged_wait(getenv("IDS"), usb + 4));
	for (unsigned i = 0; i < KINDS && seen[i].count > 0; i++)
		printf("%s: %u ended with 0x%08x\n", getenv("WAY"), seen[i].count,
		       (unsigned)seen[i].status);
	printf("%s: %u rounds in %u s, %zu bytes held, %zu after half of them\n", getenv("WAY"),
	       rounds, (unsigned)(time(NULL) - start), now, held);
	/* The first rounds leave what is made once. */
	ck_assert_msg(now <= held + SLACK, "%zu bytes are held, not %zu", now, held);
	for (unsigned i = 0; i < DEPTH; i++)
		OSSafeReleaseNULL(buffers[i]);
}

START_TEST(own_device)
{
	own = true;
	replug();
}
END_TEST

START_TEST(adapter)
{
	replug();
}
END_TEST

UNIT_MAIN("replug", own_device, adapter)
