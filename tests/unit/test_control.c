/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous control requests. A device with a latency keeps one for as long as a test wants to
 * look at it; the latency is far longer than a test may take.
 */
#include "usb_scene.h"

#define SLOW "loopback:latency=60000000"

static struct scene scene;
static OSAction *request_action;

static void
ended(OSObject *target, OSAction *action, IOReturn status, uint16_t actual)
{
	scene_complete(target, action, status, actual, 0);
}

static void
open_scene(const char *spec)
{
	scene_open(&scene, spec);
	ck_assert_int_eq(IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(
				 (OSObject *)scene.person, ended, 0, &request_action),
			 kIOReturnSuccess);
}

static void
close_scene(void)
{
	OSSafeReleaseNULL(request_action);
	scene_close(&scene);
}

static IOReturn
ask(uint8_t request, uint16_t length, uint32_t timeout)
{
	return IOUSBHostInterface_AsyncDeviceRequest(scene.interface, 0xc0, request, 0, 0, length,
						     scene_memory(&scene), request_action, timeout);
}

START_TEST(each_is_answered_once_in_order)
{
	struct dext_virtual_state state;

	open_scene("loopback");
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, sizeof(state), 0), kIOReturnSuccess);
	ck_assert_int_eq(ask(99, 0, 0), kIOReturnSuccess);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 8, 1000), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnSuccess);
	ck_assert_uint_eq(scene_call(&scene, 0).actual, sizeof(state));
	ck_assert_int_eq(scene_call(&scene, 1).status, kUSBHostReturnPipeStalled);
	ck_assert_uint_eq(scene_call(&scene, 1).actual, 0);
	ck_assert_int_eq(scene_call(&scene, 2).status, kIOReturnSuccess);
	ck_assert_uint_eq(scene_call(&scene, 2).actual, 8);
	close_scene();
}
END_TEST

START_TEST(what_is_not_accepted_is_not_answered)
{
	OSAction *other;

	open_scene("loopback");
	ck_assert_int_eq(ask(1, 64, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_AsyncDeviceRequest(scene.interface, 0x00, 9, 1, 0, 0,
							       NULL, request_action, 0),
			 kIOReturnNotPermitted);
	ck_assert_int_eq(IOUSBHostInterface_AsyncDeviceRequest(scene.interface, 0xc0, 1, 0, 0, 8,
							       NULL, request_action, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostInterface_AsyncDeviceRequest(scene.interface, 0xc0, 1, 0, 0, 8,
							       scene_memory(&scene), scene.action,
							       0),
			 kIOReturnBadArgument);
	/* The device's type is another one, and its session, too. */
	ck_assert_int_eq(IOUSBHostDevice_CreateActionCompleteAsyncDeviceRequest(
				 (OSObject *)scene.person, ended, 0, &other),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_AsyncDeviceRequest(scene.interface, 0xc0, 1, 0, 0, 8,
							       scene_memory(&scene), other, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostDevice_AsyncDeviceRequest(scene.device, NULL, 0xc0, 1, 0, 0, 8,
							    scene_memory(&scene), other, 0),
			 kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostDevice_AsyncDeviceRequest(scene.device, scene.client, 0xc0, 1, 0,
							    0, 8, scene_memory(&scene), other, 0),
			 kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnSuccess);
	OSRelease(other);
	close_scene();
}
END_TEST

START_TEST(a_synchronous_abort_returns_after_the_callbacks)
{
	open_scene(SLOW);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_AbortDeviceRequests(
				 scene.interface, kIOUSBAbortSynchronous, kIOReturnNoPower),
			 kIOReturnSuccess);
	ck_assert_uint_eq(person_of(scene.person)->count, 3);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnNoPower);
	ck_assert_int_eq(
		IOUSBHostInterface_AbortDeviceRequests(scene.interface, 2, kIOReturnAborted),
		kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostInterface_AbortDeviceRequests(scene.interface, 0, 0),
			 kIOReturnBadArgument);
	close_scene();
}
END_TEST

START_TEST(close_ends_them_and_time_does)
{
	open_scene(SLOW);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 1), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnTimeout);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, scene.client, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(person_of(scene.person)->count, 2);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnAborted);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 0), kIOReturnNotOpen);
	close_scene();
}
END_TEST

static void
abort_from_inside(struct ScenePerson_IVars *person, OSAction *action, unsigned index)
{
	if (index > 0)
		return;
	ck_assert_int_eq(IOUSBHostInterface_AbortDeviceRequests(
				 scene.interface, kIOUSBAbortSynchronous, kIOReturnAborted),
			 kIOReturnSuccess);
	/* The others have been called, nested; this one is still underway. */
	ck_assert_uint_eq(person->count, 3);
}

START_TEST(an_abort_in_a_callback_waits_for_the_others)
{
	open_scene(SLOW);
	person_of(scene.person)->then = abort_from_inside;
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 0), kIOReturnSuccess);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 0), kIOReturnSuccess);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 1), kIOReturnSuccess);
	meter_wait(&person_of(scene.person)->calls, 3);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnTimeout);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnAborted);
	ck_assert_int_eq(scene_call(&scene, 2).status, kIOReturnAborted);
	close_scene();
}
END_TEST

/* A backend without room for control requests until it is said to have some. */
static struct usb_backend crowded;
static _Atomic bool has_room;

static IOReturn
submit_if_room(struct usb_device *device, struct usb_transfer *transfer)
{
	if (transfer->endpoint == 0 && !has_room)
		return kIOReturnNotReady;
	return usb_backend_virtual.submit(device, transfer);
}

START_TEST(without_room_they_wait_their_turn)
{
	crowded = usb_backend_virtual;
	crowded.submit = submit_if_room;
	scene_open_with(&scene, &crowded, "loopback");
	ck_assert_int_eq(IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(
				 (OSObject *)scene.person, ended, 0, &request_action),
			 kIOReturnSuccess);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 8, 0), kIOReturnSuccess);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 16, 0), kIOReturnSuccess);
	has_room = true;
	ck_assert_uint_eq(scene_call(&scene, 0).actual, 8);
	ck_assert_uint_eq(scene_call(&scene, 1).actual, 16);
	/* One that waits can be ended, too. */
	has_room = false;
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 8, 0), kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_AbortDeviceRequests(
				 scene.interface, kIOUSBAbortSynchronous, kIOReturnAborted),
			 kIOReturnSuccess);
	ck_assert_uint_eq(person_of(scene.person)->count, 3);
	ck_assert_int_eq(scene_call(&scene, 2).status, kIOReturnAborted);
	close_scene();
}
END_TEST

START_TEST(the_port_shuts_with_some_underway)
{
	open_scene(SLOW);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 0), kIOReturnSuccess);
	usb_port_shut(scene.port);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnAborted);
	ck_assert_int_eq(ask(DEXT_VIRTUAL_REQUEST_STATE, 64, 0), kIOReturnNoDevice);
}
END_TEST

UNIT_MAIN("control", each_is_answered_once_in_order, what_is_not_accepted_is_not_answered,
	  a_synchronous_abort_returns_after_the_callbacks, close_ends_them_and_time_does,
	  an_abort_in_a_callback_waits_for_the_others, without_room_they_wait_their_turn,
	  the_port_shuts_with_some_underway)
