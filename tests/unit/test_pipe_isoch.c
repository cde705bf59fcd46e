/* SPDX-License-Identifier: Apache-2.0 */
/* Isochronous transfers, and interrupt endpoints, on the virtual device's other settings. */
#include "usb_scene.h"

#include "bounds.h"

#define FRAMES 4u

static struct scene scene;
static IOBufferMemoryDescriptor *list_memory;
static IOUSBIsochronousFrame *frames;
static OSAction *isoch_action;

static void
ended(OSObject *target, OSAction *action, IOReturn status)
{
	scene_complete(target, action, status, 0, 0);
}

static void
make_list(uint32_t count)
{
	IOAddressSegment range;

	OSSafeReleaseNULL(list_memory);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut,
							 count * sizeof(*frames), 0, &list_memory),
			 kIOReturnSuccess);
	IOBufferMemoryDescriptor_GetAddressRange(list_memory, &range);
	frames = (IOUSBIsochronousFrame *)(uintptr_t)range.address;
	for (uint32_t i = 0; i < count; i++)
		frames[i] = (IOUSBIsochronousFrame){.status = 1, .requestCount = 100 + i};
}

static void
select_setting(uint8_t setting)
{
	OSSafeReleaseNULL(scene.out);
	OSSafeReleaseNULL(scene.in);
	ck_assert_int_eq(IOUSBHostInterface_SelectAlternateSetting(scene.interface, setting),
			 kIOReturnSuccess);
	scene_copy_pipes(&scene);
}

static void
open_scene(const char *spec)
{
	scene_open(&scene, spec);
	select_setting(DEXT_VIRTUAL_SETTING_ISOCHRONOUS);
	ck_assert_int_eq(IOUSBHostPipe_CreateActionCompleteAsyncIsochIO((OSObject *)scene.person,
									ended, 0, &isoch_action),
			 kIOReturnSuccess);
	make_list(FRAMES);
}

static void
close_scene(void)
{
	OSSafeReleaseNULL(list_memory);
	OSSafeReleaseNULL(isoch_action);
	scene_close(&scene);
}

static IOReturn
isoch(IOUSBHostPipe *pipe, OSAction *action)
{
	return IOUSBHostPipe_IsochIO(pipe, scene_memory(&scene), (IOMemoryDescriptor *)list_memory,
				     0, action);
}

START_TEST(every_frame_keeps_its_place)
{
	uint8_t sent[1024];

	open_scene("loopback");
	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = scene.bytes[i] = (uint8_t)(i * 7);
	ck_assert_int_eq(isoch(scene.out, NULL), kIOReturnSuccess);
	for (unsigned i = 0; i < FRAMES; i++) {
		ck_assert_int_eq(frames[i].status, kIOReturnSuccess);
		ck_assert_uint_eq(frames[i].completeCount, 100 + i);
		ck_assert_uint_ne(frames[i].timeStamp, 0);
		frames[i].requestCount = 200;
	}
	memset(scene.bytes, 0, sizeof(sent));
	ck_assert_int_eq(isoch(scene.in, isoch_action), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnSuccess);
	for (unsigned i = 0, at = 0; i < FRAMES; at += 100 + i++) {
		ck_assert_uint_eq(frames[i].completeCount, 100 + i);
		ck_assert_mem_eq(scene.bytes + 200 * i, sent + at, 100 + i);
		ck_assert_uint_eq(scene.bytes[200 * i + 100 + i], 0);
	}
	close_scene();
}
END_TEST

START_TEST(a_frame_that_fails_halts_nothing)
{
	open_scene("source");
	for (unsigned i = 0; i < FRAMES; i++)
		frames[i].requestCount = i == 1 ? 100 : 512; /* the source's packets have 512 */
	ck_assert_int_eq(isoch(scene.in, NULL), kIOReturnSuccess);
	ck_assert_int_eq(frames[0].status, kIOReturnSuccess);
	ck_assert_int_eq(frames[1].status, kIOReturnOverrun);
	ck_assert_int_eq(frames[2].status, kIOReturnSuccess);
	ck_assert_int_eq(isoch(scene.in, NULL), kIOReturnSuccess);
	close_scene();
}
END_TEST

START_TEST(lists_that_are_refused)
{
	open_scene("sink");
	make_list(DEXT_LIMIT_ISOCH_FRAMES);
	ck_assert_int_eq(isoch(scene.out, NULL), kIOReturnSuccess);
	make_list(DEXT_LIMIT_ISOCH_FRAMES + 1);
	ck_assert_int_eq(isoch(scene.out, NULL), kIOReturnBadArgument);
	make_list(2);
	frames[1].requestCount = UINT32_MAX; /* with the other one it wraps around */
	ck_assert_int_eq(isoch(scene.out, NULL), kIOReturnBadArgument);
	frames[1].requestCount = (1 << 20) - 99;
	ck_assert_int_eq(isoch(scene.out, NULL), kIOReturnBadArgument);
	frames[1].requestCount--;
	ck_assert_int_eq(isoch(scene.out, NULL), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostPipe_IsochIO(scene.out, scene_memory(&scene),
					       (IOMemoryDescriptor *)list_memory, 5, NULL),
			 kIOReturnUnsupported);
	ck_assert_int_eq(isoch(scene.out, scene.action), kIOReturnBadArgument);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnBadArgument);
	select_setting(0);
	ck_assert_int_eq(isoch(scene.out, NULL), kIOReturnBadArgument);
	close_scene();
}
END_TEST

START_TEST(abort_and_unplug_answer_each_once)
{
	open_scene("sink:latency=60000000");
	ck_assert_int_eq(isoch(scene.out, isoch_action), kIOReturnSuccess);
	ck_assert_int_eq(isoch(scene.out, isoch_action), kIOReturnSuccess);
	ck_assert_int_eq(
		IOUSBHostPipe_Abort(scene.out, kIOUSBAbortSynchronous, kIOReturnAborted, NULL),
		kIOReturnSuccess);
	ck_assert_uint_eq(person_of(scene.person)->count, 2);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnAborted);
	close_scene();
	open_scene("sink:unplug-after=150");
	ck_assert_int_eq(isoch(scene.out, isoch_action), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnNoDevice);
	ck_assert_int_eq(frames[1].status, kIOReturnSuccess);
	ck_assert_int_eq(frames[2].status, kIOReturnNoDevice);
	close_scene();
}
END_TEST

START_TEST(interrupt_endpoints)
{
	uint32_t actual = 0;

	scene_open(&scene, "loopback");
	select_setting(DEXT_VIRTUAL_SETTING_INTERRUPT);
	memcpy(scene.bytes, "interrupt", 9);
	ck_assert_int_eq(IOUSBHostPipe_IO(scene.out, scene_memory(&scene), 9, &actual, 1),
			 kIOReturnBadArgument); /* no timeouts there */
	ck_assert_int_eq(IOUSBHostPipe_IO(scene.out, scene_memory(&scene), 9, &actual, 0),
			 kIOReturnSuccess);
	memset(scene.bytes, 0, 9);
	ck_assert_int_eq(IOUSBHostPipe_IO(scene.in, scene_memory(&scene), 512, &actual, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, 9);
	ck_assert_mem_eq(scene.bytes, "interrupt", 9);
	ck_assert_int_eq(IOUSBHostPipe_CreateMemoryDescriptorRing(scene.out, 4),
			 kIOReturnBadArgument);
	scene_close(&scene);
}
END_TEST

UNIT_MAIN("pipe_isoch", every_frame_keeps_its_place, a_frame_that_fails_halts_nothing,
	  lists_that_are_refused, abort_and_unplug_answer_each_once, interrupt_endpoints)
