/* SPDX-License-Identifier: Apache-2.0 */
/* Bundled transfers, and transfers that go to the backend in pieces. */
#include "usb_scene.h"

#include <xxhash.h>

#include "bounds.h"

#define SLOTS 20u
#define EACH  1000u

static struct scene scene;
static OSAction *bundle_action;
static IOMemoryDescriptor *parts[SLOTS];
static struct {
	uint32_t index, count;
	uint32_t actual[16];
	kern_return_t status[16];
} calls[64];

static void
ended(OSObject *target, OSAction *action, uint32_t index, uint32_t count, const uint32_t actual[16],
      int actual_count, const kern_return_t status[16], int status_count)
{
	unsigned call = person_of((ScenePerson *)target)->count;

	ck_assert_uint_ge(count, 1);
	ck_assert_uint_le(count, 16);
	ck_assert_int_eq(actual_count, (int)count);
	ck_assert_int_eq(status_count, (int)count);
	calls[call].index = index;
	calls[call].count = count;
	memcpy(calls[call].actual, actual, count * sizeof(*actual));
	memcpy(calls[call].status, status, count * sizeof(*status));
	scene_complete(target, action, 0, 0, 0);
}

static void
open_scene_with(const struct usb_backend *backend, const char *spec)
{
	scene_open_with(&scene, backend, spec);
	ck_assert_int_eq(IOUSBHostPipe_CreateActionCompleteAsyncIOBundled((OSObject *)scene.person,
									  ended, 0, &bundle_action),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostPipe_CreateMemoryDescriptorRing(scene.out, SLOTS),
			 kIOReturnSuccess);
	for (unsigned i = 0; i < SLOTS; i++) {
		ck_assert_int_eq(IOMemoryDescriptor_CreateSubMemoryDescriptor(
					 kIOMemoryDirectionInOut, i * EACH, EACH,
					 scene_memory(&scene), &parts[i]),
				 kIOReturnSuccess);
		memset(scene.bytes + i * EACH, (int)i + 1, EACH);
		ck_assert_int_eq(IOUSBHostPipe_SetMemoryDescriptor(scene.out, parts[i], i),
				 kIOReturnSuccess);
		OSSafeReleaseNULL(parts[i]);
	}
}

static void
open_scene(const char *spec)
{
	open_scene_with(&usb_backend_virtual, spec);
}

static void
close_scene(void)
{
	OSSafeReleaseNULL(bundle_action);
	scene_close(&scene);
}

static IOReturn
send(uint32_t first, uint32_t count, uint32_t *ret_accepted)
{
	uint32_t lengths[16];

	for (unsigned i = 0; i < 16; i++)
		lengths[i] = EACH - i;
	return IOUSBHostPipe_AsyncIOBundled(scene.out, first, count, ret_accepted, lengths, 16,
					    bundle_action, 0);
}

/* How many transfers the callbacks so far told of; they come in the ring's order from `next`. */
static uint32_t
told(uint32_t next)
{
	uint32_t sum = 0, calls_made = meter_read(&person_of(scene.person)->calls);

	for (unsigned i = 0; i < calls_made; i++) {
		ck_assert_uint_eq(calls[i].index, (next + sum) % SLOTS);
		sum += calls[i].count;
	}
	return sum;
}

static void
wait_for(uint32_t first, uint32_t count)
{
	unsigned seen = 0;

	while (told(first) < count)
		meter_wait(&person_of(scene.person)->calls, ++seen);
	ck_assert_uint_eq(told(first), count);
}

START_TEST(the_ring_wraps_and_all_are_told_of_in_order)
{
	uint32_t accepted = 0;
	uint64_t bytes = 0;

	open_scene("sink");
	ck_assert_int_eq(send(12, 16, &accepted), kIOReturnSuccess);
	ck_assert_uint_eq(accepted, 16);
	wait_for(12, 16);
	for (unsigned i = 0; i < meter_read(&person_of(scene.person)->calls); i++) {
		for (unsigned j = 0; j < calls[i].count; j++) {
			ck_assert_int_eq(calls[i].status[j], kIOReturnSuccess);
			bytes += calls[i].actual[j];
		}
	}
	ck_assert_uint_eq(bytes, 16 * EACH - 120);
	ck_assert_uint_eq(scene_state(&scene).out_bytes, bytes);
	close_scene();
}
END_TEST

START_TEST(an_abort_is_told_in_one_call)
{
	uint32_t accepted = 0;

	open_scene("sink:nak");
	ck_assert_int_eq(send(0, 16, &accepted), kIOReturnSuccess);
	ck_assert_int_eq(send(16, 3, &accepted), kIOReturnSuccess);
	ck_assert_int_eq(
		IOUSBHostPipe_Abort(scene.out, kIOUSBAbortSynchronous, kIOReturnNoPower, NULL),
		kIOReturnSuccess);
	ck_assert_uint_eq(told(0), 19);
	ck_assert_int_eq(calls[0].status[0], kIOReturnNoPower);
	close_scene();
}
END_TEST

START_TEST(what_is_not_accepted)
{
	uint32_t accepted = 9;

	open_scene("sink");
	ck_assert_int_eq(send(SLOTS, 1, &accepted), kIOReturnBadArgument);
	ck_assert_uint_eq(accepted, 0);
	ck_assert_int_eq(send(0, 0, &accepted), kIOReturnBadArgument);
	ck_assert_int_eq(send(0, 17, &accepted), kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostPipe_SetMemoryDescriptor(scene.out, NULL, 2), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostPipe_SetMemoryDescriptor(scene.out, NULL, SLOTS),
			 kIOReturnBadArgument);
	/* The third slot is empty: the two before it go. */
	ck_assert_int_eq(send(0, 4, &accepted), kIOReturnSuccess);
	ck_assert_uint_eq(accepted, 2);
	wait_for(0, 2);
	ck_assert_int_eq(IOUSBHostPipe_CreateMemoryDescriptorRing(scene.out, 1),
			 kIOReturnExclusiveAccess);
	ck_assert_int_eq(
		IOUSBHostPipe_CreateMemoryDescriptorRing(scene.out, DEXT_LIMIT_RING_SLOTS + 1),
		kIOReturnBadArgument);
	close_scene();
	scene_open(&scene, "sink");
	ck_assert_int_eq(IOUSBHostPipe_SetMemoryDescriptor(scene.out, NULL, 0), kIOReturnNotReady);
	ck_assert_int_eq(IOUSBHostPipe_CreateMemoryDescriptorRing(scene.out, DEXT_LIMIT_RING_SLOTS),
			 kIOReturnSuccess);
	scene_close(&scene);
}
END_TEST

/* A backend that answers its fourth submission with this. */
static struct usb_backend refusing;
static IOReturn refusal;
static unsigned submissions;

static IOReturn
refuse_fourth(struct usb_device *device, struct usb_transfer *transfer)
{
	if (transfer->endpoint != 0 && ++submissions == 4)
		return refusal;
	return usb_backend_virtual.submit(device, transfer);
}

static void
open_refusing(IOReturn status)
{
	refusing = usb_backend_virtual;
	refusing.submit = refuse_fourth;
	refusal = status;
	submissions = 0;
	open_scene_with(&refusing, "sink");
}

START_TEST(what_finds_no_room_waits_with_all_behind_it)
{
	uint32_t accepted = 0;

	open_refusing(kIOReturnNotReady);
	ck_assert_int_eq(send(0, 16, &accepted), kIOReturnSuccess);
	ck_assert_uint_eq(accepted, 16);
	wait_for(0, 16);
	ck_assert_uint_eq(submissions, 17);
	ck_assert_uint_eq(scene_state(&scene).out_bytes, 16 * EACH - 120);
	close_scene();
}
END_TEST

START_TEST(of_what_is_refused_nothing_behind_it_is_accepted)
{
	uint32_t accepted = 0;

	open_refusing(kIOReturnNoMemory);
	ck_assert_int_eq(send(0, 16, &accepted), kIOReturnSuccess);
	ck_assert_uint_eq(accepted, 3);
	wait_for(0, 3);
	ck_assert_uint_eq(submissions, 4);
	submissions = 3;
	ck_assert_int_eq(send(3, 2, &accepted), kIOReturnNoMemory);
	ck_assert_uint_eq(accepted, 0);
	ck_assert_int_eq(send(3, 16, &accepted), kIOReturnSuccess);
	ck_assert_uint_eq(accepted, 16);
	wait_for(0, 19);
	close_scene();
}
END_TEST

/* A backend that takes 4 KiB at once. */
static struct usb_backend small;
static _Atomic unsigned pieces;

static uint32_t
small_max(struct usb_device *device)
{
	return 4096;
}

static IOReturn
small_submit(struct usb_device *device, struct usb_transfer *transfer)
{
	ck_assert_uint_le(transfer->length, 4096);
	pieces += transfer->endpoint != 0;
	return usb_backend_virtual.submit(device, transfer);
}

static void
open_small(const char *spec)
{
	small = usb_backend_virtual;
	small.transfer_max = small_max;
	small.submit = small_submit;
	scene_open_with(&scene, &small, spec);
	for (unsigned i = 0; i < 65536; i++)
		scene.bytes[i] = (uint8_t)(i * 31 + i / 256);
}

START_TEST(a_long_transfer_goes_in_pieces_and_nothing_overtakes_it)
{
	struct dext_virtual_state state;

	open_small("sink");
	ck_assert_int_eq(scene_send(&scene, 20000, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 100, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 4096, 0), kIOReturnSuccess);
	ck_assert_uint_eq(scene_call(&scene, 0).actual, 20000);
	ck_assert_uint_eq(scene_call(&scene, 1).actual, 100);
	ck_assert_uint_eq(scene_call(&scene, 2).actual, 4096);
	ck_assert_uint_eq(pieces, 7);
	memcpy(scene.bytes + 20000, scene.bytes, 100);
	memcpy(scene.bytes + 20100, scene.bytes, 4096);
	state = scene_state(&scene);
	ck_assert_uint_eq(state.out_bytes, 24196);
	ck_assert_uint_eq(state.hash, XXH3_64bits(scene.bytes, 24196));
	scene_close(&scene);
}
END_TEST

START_TEST(a_short_packet_ends_a_transfer_in_pieces)
{
	uint32_t actual = 0;

	open_small("loopback");
	ck_assert_int_eq(IOUSBHostPipe_IO(scene.out, scene_memory(&scene), 9000, &actual, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, 9000);
	ck_assert_int_eq(IOUSBHostPipe_IO(scene.in, scene_memory(&scene), 65536, &actual, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, 9000);
	scene_close(&scene);
}
END_TEST

START_TEST(time_and_aborts_count_for_the_whole)
{
	open_small("sink:nak=6000");
	ck_assert_int_eq(scene_send(&scene, 20000, 1000), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnTimeout);
	ck_assert_uint_eq(scene_call(&scene, 0).actual, 5632); /* whole packets */
	ck_assert_int_eq(scene_send(&scene, 20000, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 20000, 0), kIOReturnSuccess);
	ck_assert_int_eq(
		IOUSBHostPipe_Abort(scene.out, kIOUSBAbortSynchronous, kIOReturnAborted, NULL),
		kIOReturnSuccess);
	ck_assert_uint_eq(person_of(scene.person)->count, 3);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnAborted);
	ck_assert_int_eq(scene_call(&scene, 2).status, kIOReturnAborted);
	scene_close(&scene);
}
END_TEST

UNIT_MAIN("pipe_bundle", the_ring_wraps_and_all_are_told_of_in_order, an_abort_is_told_in_one_call,
	  what_is_not_accepted, what_finds_no_room_waits_with_all_behind_it,
	  of_what_is_refused_nothing_behind_it_is_accepted,
	  a_long_transfer_goes_in_pieces_and_nothing_overtakes_it,
	  a_short_packet_ends_a_transfer_in_pieces, time_and_aborts_count_for_the_whole)
