/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes: each transfer answered exactly once and in order, whatever happens to it. */
#include "usb_scene.h"

#include <sched.h>
#include <sys/stat.h>

static struct scene scene;

START_TEST(stream_in_order)
{
	scene_open(&scene, "sink");
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(scene_send(&scene, i, 0), kIOReturnSuccess);
	for (unsigned i = 0; i < 1000; i++) {
		struct scene_call call = scene_call(&scene, i);

		ck_assert_int_eq(call.status, kIOReturnSuccess);
		ck_assert_uint_eq(call.actual, i);
		ck_assert_ptr_eq(call.action, scene.action);
		ck_assert(i == 0 ||
			  call.timestamp >= person_of(scene.person)->log[i - 1].timestamp);
	}
	ck_assert_uint_eq(scene_state(&scene).out_transfers, 1000);
	ck_assert_uint_eq(scene_state(&scene).out_bytes, 999 * 1000 / 2);
	scene_close(&scene);
}
END_TEST

START_TEST(device_is_given_our_pages)
{
	struct memory_segment segment;
	struct stat file;

	scene_open(&scene, "sink");
	segment = memory_first_segment(scene_memory(&scene));
	ck_assert_int_eq(fstat(segment.fd, &file), 0);
	ck_assert_int_eq(scene_send(&scene, 4096, 0), kIOReturnSuccess);
	scene_call(&scene, 0);
	ck_assert_uint_eq(scene_state(&scene).last_address, (uintptr_t)scene.bytes);
	ck_assert_uint_eq(scene_state(&scene).last_inode, file.st_ino);
	scene_close(&scene);
}
END_TEST

START_TEST(receives_and_loops)
{
	scene_open(&scene, "loopback");
	memcpy(scene.bytes, "to and fro", 10);
	ck_assert_int_eq(scene_send(&scene, 10, 0), kIOReturnSuccess);
	scene_call(&scene, 0);
	memset(scene.bytes, 0, 10);
	ck_assert_int_eq(
		IOUSBHostPipe_AsyncIO(scene.in, scene_memory(&scene), 512, scene.action, 0),
		kIOReturnSuccess);
	ck_assert_uint_eq(scene_call(&scene, 1).actual, 10);
	ck_assert_mem_eq(scene.bytes, "to and fro", 10);
	/* An explicit zero-length transfer, and one that ends with one. */
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(scene.out, NULL, 0, scene.action, 0),
			 kIOReturnSuccess);
	ck_assert_int_eq(
		dext_usb_pipe_async_io_zlp(scene.out, scene_memory(&scene), 512, scene.action, 0),
		kIOReturnSuccess);
	scene_call(&scene, 3);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(IOUSBHostPipe_AsyncIO(scene.in, scene_memory(&scene), 1024,
						       scene.action, 0),
				 kIOReturnSuccess);
	ck_assert_uint_eq(scene_call(&scene, 4).actual, 0);
	ck_assert_uint_eq(scene_call(&scene, 5).actual, 512);
	scene_close(&scene);
}
END_TEST

struct nested {
	pthread_t thread;
	unsigned calls; /* before Abort returned */
};

static void
send_and_abort(void *context)
{
	struct nested *nested = context;

	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	ck_assert_int_eq(
		IOUSBHostPipe_Abort(scene.out, kIOUSBAbortSynchronous, kIOReturnOffline, NULL),
		kIOReturnSuccess);
	nested->thread = pthread_self();
	nested->calls = meter_read(&person_of(scene.person)->calls);
}

START_TEST(abort_on_the_own_queue_delivers_nested)
{
	struct nested nested = {0};

	scene_open(&scene, "sink:nak");
	IODispatchQueue_DispatchSync_f(person_of(scene.person)->queue, &nested, send_and_abort);
	ck_assert_uint_eq(nested.calls, 5);
	for (unsigned i = 0; i < 5; i++) {
		struct scene_call call = scene_call(&scene, i);

		ck_assert_int_eq(call.status, kIOReturnOffline);
		ck_assert_uint_eq(call.actual, 0);
		ck_assert(pthread_equal(call.thread, nested.thread));
	}
	/* An abort does not halt. */
	ck_assert_int_eq(scene_send(&scene, 512, 10), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 5).status, kIOReturnTimeout);
	scene_close(&scene);
}
END_TEST

START_TEST(abort_from_another_thread)
{
	struct nested nested = {0};

	scene_open(&scene, "sink:nak");
	send_and_abort(&nested);
	ck_assert_uint_eq(nested.calls, 5);
	ck_assert_int_eq(scene_call(&scene, 4).status, kIOReturnOffline);
	scene_close(&scene);
}
END_TEST

static void
abort_the_rest(struct ScenePerson_IVars *person, OSAction *action, unsigned index)
{
	unsigned *seen = person->context;

	if (index != 0)
		return;
	ck_assert_int_eq(
		IOUSBHostPipe_Abort(scene.out, kIOUSBAbortSynchronous, kIOReturnAborted, NULL),
		kIOReturnSuccess);
	*seen = person->count;
}

static void
send_four(void *context)
{
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
}

START_TEST(abort_inside_a_callback_waits_for_the_others)
{
	unsigned seen = 0;

	scene_open(&scene, "sink:nak=512");
	person_of(scene.person)->then = abort_the_rest;
	person_of(scene.person)->context = &seen;
	/* On the queue, so that the first callback finds all four. */
	IODispatchQueue_DispatchSync_f(person_of(scene.person)->queue, NULL, send_four);
	scene_call(&scene, 3);
	ck_assert_uint_eq(seen, 4);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnAborted);
	scene_close(&scene);
}
END_TEST

START_TEST(asynchronous_abort)
{
	scene_open(&scene, "sink:nak");
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	ck_assert_int_eq(
		IOUSBHostPipe_Abort(scene.out, kIOUSBAbortAsynchronous, kIOReturnAborted, NULL),
		kIOReturnSuccess);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnAborted);
	scene_close(&scene);
}
END_TEST

static IOReturn
clear_feature(uint16_t endpoint)
{
	return IOUSBHostInterface_DeviceRequest(
		scene.interface, 0x02, kIOUSBDeviceRequestClearFeature,
		kIOUSBEndpointFeatureSelectorStall, endpoint, 0, NULL, NULL, 0);
}

START_TEST(stall_halts_the_pipe)
{
	scene_open(&scene, "sink:stall-every=2:latency=20000");
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(scene_send(&scene, 4096, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 1).status, kUSBHostReturnPipeStalled);
	ck_assert_uint_eq(scene_call(&scene, 1).actual, 2048);
	for (unsigned i = 2; i < 5; i++) {
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnAborted);
		ck_assert_uint_eq(scene_call(&scene, i).actual, 0);
	}
	ck_assert_int_eq(scene_send(&scene, 1, 0), kUSBHostReturnPipeStalled);
	ck_assert_int_eq(IOUSBHostPipe_ClearStall(scene.out, true), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 5).status, kIOReturnSuccess);
	/* In two steps: the host's end alone does not change the device's mind. */
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 6).status, kUSBHostReturnPipeStalled);
	ck_assert_int_eq(IOUSBHostPipe_ClearStall(scene.out, false), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 7).status, kUSBHostReturnPipeStalled);
	ck_assert_int_eq(clear_feature(DEXT_VIRTUAL_ENDPOINT_OUT), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kUSBHostReturnPipeStalled);
	ck_assert_int_eq(IOUSBHostPipe_ClearStall(scene.out, false), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 8).status, kIOReturnSuccess);
	/* Of its own pipes, of which the sink has one. */
	ck_assert_int_eq(clear_feature(DEXT_VIRTUAL_ENDPOINT_IN), kIOReturnNotPermitted);
	ck_assert_int_eq(clear_feature(0x11), kIOReturnNotPermitted);
	ck_assert_int_eq(clear_feature(0x101), kIOReturnNotPermitted);
	scene_close(&scene);
}
END_TEST

START_TEST(a_later_timeout_waits_for_its_turn)
{
	scene_open(&scene, "sink:nak");
	ck_assert_int_eq(scene_send(&scene, 100, 150), kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, 200, 10), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 0).status, kIOReturnTimeout);
	ck_assert_int_eq(scene_call(&scene, 1).status, kIOReturnTimeout);
	/* The second was over first. */
	ck_assert_uint_gt(scene_call(&scene, 0).timestamp, scene_call(&scene, 1).timestamp);
	scene_close(&scene);
}
END_TEST

START_TEST(unplug_answers_each_once)
{
	unsigned submitted = 0, good = 0;

	scene_open(&scene, "sink:unplug-after=1000000");
	for (unsigned i = 0; i < 500; i++) {
		IOReturn res = scene_send(&scene, 4096, 0);

		submitted += res == kIOReturnSuccess;
		ck_assert(res == kIOReturnSuccess || res == kIOReturnNoDevice);
	}
	for (unsigned i = 0; i < submitted; i++) {
		struct scene_call call = scene_call(&scene, i);

		good += call.status == kIOReturnSuccess;
		ck_assert(call.status == kIOReturnSuccess || call.status == kIOReturnNoDevice);
		ck_assert(call.status != kIOReturnSuccess || good == i + 1);
	}
	ck_assert_uint_eq(good, 1000000 / 4096);
	meter_wait(&scene.gone, 1);
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnNoDevice);
	ck_assert_int_eq(
		IOUSBHostInterface_DeviceRequest(scene.interface, 0x80, 8, 0, 0, 0, NULL, NULL, 0),
		kIOReturnNoDevice);
	scene_close(&scene);
	ck_assert_uint_eq(meter_read(&scene.gone), 1);
}
END_TEST

static void
io_from_queue(void *context)
{
	uint32_t actual = 0;

	ck_assert_int_eq(IOUSBHostPipe_IO(scene.out, scene_memory(&scene), 700, &actual, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, 700);
	ck_assert_uint_eq(scene_state(&scene).out_bytes, 700);
}

static void
io_from_callback(struct ScenePerson_IVars *person, OSAction *action, unsigned index)
{
	uint32_t actual = 0;

	ck_assert_int_eq(IOUSBHostPipe_IO(scene.out, scene_memory(&scene), 33, &actual, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, 33);
}

/* However short its time: in some call the device has taken what it takes before it is over. */
static void
io_times_out_in_its_middle(uint32_t length, uint32_t taken)
{
	uint32_t actual = 0;

	for (uint32_t timeout = 10; actual == 0; timeout *= 2)
		ck_assert_int_eq(
			IOUSBHostPipe_IO(scene.out, scene_memory(&scene), length, &actual, timeout),
			kIOReturnTimeout);
	ck_assert_uint_eq(actual, taken);
}

START_TEST(synchronous_io_on_any_queue)
{
	scene_open(&scene, "sink");
	IODispatchQueue_DispatchSync_f(person_of(scene.person)->queue, NULL, io_from_queue);
	person_of(scene.person)->then = io_from_callback;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnSuccess);
	scene_call(&scene, 2);
	ck_assert_uint_eq(scene_state(&scene).out_bytes, 700 + 3 + 3 * 33);
	scene_close(&scene);
	scene_open(&scene, "sink:nak=512");
	io_times_out_in_its_middle(700, 512);
	scene_close(&scene);
}
END_TEST

static void
hold_first(struct ScenePerson_IVars *person, OSAction *action, unsigned index)
{
	if (index == 0)
		meter_wait(person->context, 1);
}

START_TEST(a_blocked_callback_holds_up_nobody_else)
{
	static struct meter gate = METER_INITIALIZER;
	ScenePerson *other;
	OSAction *action;

	scene_open(&scene, "loopback");
	other = scene_person("other");
	action = scene_action(other);
	person_of(scene.person)->then = hold_first;
	person_of(scene.person)->context = &gate;
	for (unsigned i = 0; i < 50; i++)
		ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	/* Other callbacks of the same pipe, and of another, go to another queue. */
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(scene.out, scene_memory(&scene), 512, action, 0),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(scene.in, scene_memory(&scene), 512, action, 0),
			 kIOReturnSuccess);
	meter_wait(&person_of(other)->calls, 2);
	ck_assert_uint_eq(meter_read(&person_of(scene.person)->calls), 0);
	meter_raise(&gate);
	ck_assert_uint_eq(scene_call(&scene, 49).actual, 512);
	OSRelease(action);
	scene_close(&scene);
	OSRelease(other);
}
END_TEST

START_TEST(close_ends_all_and_opens_again)
{
	IOUSBHostPipe *old;

	scene_open(&scene, "loopback:latency=1000");
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(
			IOUSBHostPipe_AsyncIO(scene.in, scene_memory(&scene), 512, scene.action, 0),
			kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_Close(scene.interface, scene.client, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&person_of(scene.person)->calls), 20);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnAborted);
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnNotOpen);
	ck_assert_int_eq(IOUSBHostPipe_ClearStall(scene.out, true), kIOReturnNotOpen);
	old = scene.out;
	OSRelease(scene.in);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene.interface, scene.client, 0, NULL),
			 kIOReturnSuccess);
	scene_copy_pipes(&scene);
	ck_assert_ptr_ne(scene.out, old);
	OSRelease(old);
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 20).status, kIOReturnSuccess);
	scene_close(&scene);
}
END_TEST

/* A backend with room for three transfers. */
static _Atomic unsigned inside, refused;
static void (*_Atomic inner_done)(struct usb_transfer *transfer);

static void
leave(struct usb_transfer *transfer)
{
	/* A call through the variable itself would read it as if it were not atomic. */
	void (*inner)(struct usb_transfer * transfer) = inner_done;

	for (struct usb_transfer *each = transfer; each != NULL; each = each->next) {
		atomic_fetch_sub(&inside, 1);
		each->done = inner;
	}
	inner(transfer);
}

static IOReturn
submit_if_room(struct usb_device *device, struct usb_transfer *transfer)
{
	IOReturn res;

	if (transfer->endpoint == 0)
		return usb_backend_virtual.submit(device, transfer);
	if (atomic_fetch_add(&inside, 1) >= 3) {
		atomic_fetch_sub(&inside, 1);
		atomic_fetch_add(&refused, 1);
		return kIOReturnNotReady;
	}
	inner_done = transfer->done;
	transfer->done = leave;
	res = usb_backend_virtual.submit(device, transfer);
	if (res != kIOReturnSuccess) {
		transfer->done = inner_done;
		atomic_fetch_sub(&inside, 1);
	}
	return res;
}

START_TEST(no_room_is_back_pressure)
{
	struct usb_backend limited = usb_backend_virtual;

	limited.submit = submit_if_room;
	scene_open_with(&scene, &limited, "sink:latency=100");
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(scene_send(&scene, i, 0), kIOReturnSuccess);
	for (unsigned i = 0; i < 200; i++)
		ck_assert_uint_eq(scene_call(&scene, i).actual, i);
	ck_assert_uint_gt(atomic_load(&refused), 0);
	/* Room that nobody tells of. */
	atomic_store(&inside, 3);
	ck_assert_int_eq(scene_send(&scene, 7, 0), kIOReturnSuccess);
	atomic_store(&inside, 0);
	ck_assert_uint_eq(scene_call(&scene, 200).actual, 7);
	/* What waits can be aborted. */
	atomic_store(&inside, 3);
	ck_assert_int_eq(scene_send(&scene, 7, 0), kIOReturnSuccess);
	ck_assert_int_eq(
		IOUSBHostPipe_Abort(scene.out, kIOUSBAbortSynchronous, kIOReturnAborted, NULL),
		kIOReturnSuccess);
	ck_assert_int_eq(scene_call(&scene, 201).status, kIOReturnAborted);
	scene_close(&scene);
}
END_TEST

START_TEST(no_room_and_unplugged)
{
	struct usb_backend limited = usb_backend_virtual;
	unsigned submitted = 0;

	limited.submit = submit_if_room;
	scene_open_with(&scene, &limited, "sink:unplug-after=4096:latency=1000");
	for (unsigned i = 0; i < 50; i++)
		submitted += scene_send(&scene, 1024, 0) == kIOReturnSuccess;
	for (unsigned i = 0; i < submitted; i++)
		ck_assert_int_eq(scene_call(&scene, i).status,
				 i < 4 ? kIOReturnSuccess : kIOReturnNoDevice);
	meter_wait(&scene.gone, 1);
	scene_close(&scene);
}
END_TEST

/* A backend whose submission takes longer than the transfer and its callback. */
static IOReturn
submit_slowly(struct usb_device *device, struct usb_transfer *transfer)
{
	unsigned calls = meter_read(&person_of(scene.person)->calls);
	IOReturn res = usb_backend_virtual.submit(device, transfer);

	if (transfer->endpoint != 0)
		meter_wait(&person_of(scene.person)->calls, calls + 1);
	return res;
}

START_TEST(over_before_its_submission)
{
	struct usb_backend slow = usb_backend_virtual;

	slow.submit = submit_slowly;
	scene_open_with(&scene, &slow, "sink");
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(scene_send(&scene, i, 0), kIOReturnSuccess);
		ck_assert_uint_eq(meter_read(&person_of(scene.person)->calls), i + 1);
		ck_assert_uint_eq(scene_call(&scene, i).actual, i);
	}
	scene_close(&scene);
}
END_TEST

/* A real device's kind of backend, of which no thread is asked for help. */
static _Atomic pthread_t reaper;
static _Atomic bool word_left;

static bool
reap_and_note(struct usb_device *device)
{
	atomic_store(&reaper, pthread_self());
	return usb_backend_virtual.reap(device);
}

/* Returns when somebody was woken for the transfer, and either has left word or has reaped it. */
static IOReturn
submit_until_woken(struct usb_device *device, struct usb_transfer *transfer)
{
	unsigned calls = meter_read(&person_of(scene.person)->calls);
	bool is_control = transfer->endpoint == 0, left = false;
	IOReturn res = usb_backend_virtual.submit(device, transfer);

	while (!is_control && !left && meter_read(&person_of(scene.person)->calls) == calls) {
		left = atomic_load(&scene.port->reaper.state) == TOKEN_AGAIN;
		sched_yield();
	}
	atomic_store(&word_left, left);
	return res;
}

START_TEST(events_wait_for_a_submission)
{
	struct usb_backend slow = usb_backend_virtual;
	unsigned waited = 0;

	slow.work = NULL;
	slow.submit = submit_until_woken;
	slow.reap = reap_and_note;
	scene_open_with(&scene, &slow, "sink");
	/* Not if somebody still reaps for an earlier one. */
	for (unsigned i = 0; waited < 20; i++) {
		ck_assert_uint_lt(i, 1000);
		ck_assert_int_eq(scene_send(&scene, i, 0), kIOReturnSuccess);
		waited += atomic_load(&word_left) &&
			  pthread_equal(atomic_load(&reaper), pthread_self());
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnSuccess);
		/* On the queue, not in the submission. */
		ck_assert(!pthread_equal(scene_call(&scene, i).thread, pthread_self()));
	}
	scene_close(&scene);
}
END_TEST

/* How often the thread that submits has reaped, and whether another one has since. */
static pthread_t submitter;
static unsigned submitter_reaps;
static _Atomic bool others_reap;

/* As a thread that comes for an event while another one reaps. */
static void
leave_word(void)
{
	uint32_t state = TOKEN_TAKEN;

	atomic_compare_exchange_strong(&scene.port->reaper.state, &state, TOKEN_AGAIN);
}

/* While the one that submits reaps, more comes. */
static bool
reap_and_leave_word(struct usb_device *device)
{
	if (!pthread_equal(pthread_self(), submitter)) {
		atomic_store(&others_reap, true);
	} else if (submitter_reaps < 1000) {
		submitter_reaps++;
		leave_word();
	}
	return usb_backend_virtual.reap(device);
}

static IOReturn
submit_and_leave_word(struct usb_device *device, struct usb_transfer *transfer)
{
	IOReturn res = usb_backend_virtual.submit(device, transfer);

	if (transfer->endpoint != 0 && submitter_reaps == 0)
		leave_word();
	return res;
}

START_TEST(what_comes_again_and_again_keeps_no_submission)
{
	struct usb_backend busy = usb_backend_virtual;

	busy.work = NULL;
	busy.submit = submit_and_leave_word;
	busy.reap = reap_and_leave_word;
	submitter = pthread_self();
	scene_open_with(&scene, &busy, "sink");
	for (unsigned i = 0; submitter_reaps == 0; i++) {
		ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnSuccess);
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnSuccess);
	}
	ck_assert_uint_lt(submitter_reaps, 100);
	while (!atomic_load(&others_reap))
		sched_yield();
	/* And all is as before. */
	while (atomic_load(&scene.port->reaper.state) != TOKEN_NOBODYS)
		sched_yield();
	scene_close(&scene);
}
END_TEST

/* A backend that puts one look at the device off, and is not told of it by any event. */
static struct meter reaps = METER_INITIALIZER;
static _Atomic bool puts_off;
static _Atomic unsigned put_off_at;

static bool
reap_and_count(struct usb_device *device)
{
	meter_raise(&reaps);
	return usb_backend_virtual.reap(device);
}

static bool
owes_one_look(struct usb_device *device)
{
	bool owes = atomic_exchange(&puts_off, false);

	if (owes)
		atomic_store(&put_off_at, meter_read(&reaps));
	return owes;
}

START_TEST(a_look_that_was_put_off_comes_by_itself)
{
	struct usb_backend lazy = usb_backend_virtual;
	unsigned count;

	lazy.reap = reap_and_count;
	lazy.owes_look = owes_one_look;
	lazy.unplug = NULL;
	scene_open_with(&scene, &lazy, "sink");
	for (unsigned i = 0; i < 3; i++) {
		atomic_store(&puts_off, true);
		ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnSuccess);
		scene_call(&scene, i);
		ck_assert(!atomic_load(&puts_off));
		while (atomic_load(&scene.port->look_owed) != 0)
			sched_yield();
		meter_wait(&reaps, atomic_load(&put_off_at) + 1);
	}
	/* And when somebody else knows that the device has gone. */
	count = meter_read(&reaps);
	usb_port_unplug(scene.port);
	meter_wait(&reaps, count + 1);
	scene_close(&scene);
}
END_TEST

static uint32_t due_meanwhile;
static bool refuses;

static IOReturn
submit_meanwhile(struct usb_device *device, struct usb_transfer *transfer)
{
	if (transfer->endpoint == 0)
		return usb_backend_virtual.submit(device, transfer);
	if (due_meanwhile != 0)
		atomic_store(&scene.port->look_owed, due_meanwhile);
	return refuses ? kIOReturnNoDevice : usb_backend_virtual.submit(device, transfer);
}

START_TEST(a_submission_makes_up_for_a_look)
{
	struct usb_backend lazy = usb_backend_virtual;

	lazy.submit = submit_meanwhile;
	scene_open_with(&scene, &lazy, "sink");
	atomic_store(&scene.port->look_owed, 7);
	refuses = true;
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnNoDevice);
	ck_assert_uint_eq(atomic_load(&scene.port->look_owed), 7);
	refuses = false;
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnSuccess);
	ck_assert_uint_eq(atomic_load(&scene.port->look_owed), 0);
	/* But not for one that is due since it began. */
	atomic_store(&scene.port->look_owed, 7);
	due_meanwhile = 8;
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnSuccess);
	ck_assert_uint_eq(atomic_load(&scene.port->look_owed), 8);
	atomic_store(&scene.port->look_owed, 0);
	ck_assert_int_eq(scene_send(&scene, 1, 0), kIOReturnSuccess);
	ck_assert_uint_eq(atomic_load(&scene.port->look_owed), 8);
	scene_close(&scene);
}
END_TEST

static void *
send_many(void *context)
{
	_Atomic bool *over = context;

	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(scene_send(&scene, 512, 0), kIOReturnSuccess);
	atomic_store(over, true);
	return NULL;
}

START_TEST(aborts_beside_submissions)
{
	_Atomic bool over = false;
	pthread_t sender;
	bool last;

	scene_open(&scene, "sink:nak");
	ck_assert_int_eq(pthread_create(&sender, NULL, send_many, &over), 0);
	do {
		last = atomic_load(&over);
		ck_assert_int_eq(IOUSBHostPipe_Abort(scene.out, kIOUSBAbortSynchronous,
						     kIOReturnOffline, NULL),
				 kIOReturnSuccess);
	} while (!last);
	pthread_join(sender, NULL);
	/* The last one has waited for all of them. */
	ck_assert_uint_eq(meter_read(&person_of(scene.person)->calls), 1000);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(scene_call(&scene, i).status, kIOReturnOffline);
	scene_close(&scene);
}
END_TEST

START_TEST(mistakes_are_refused)
{
	IOMemoryDescriptor *readable;
	OSAction *wrong;

	scene_open(&scene, "loopback");
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(kIOMemoryDirectionOut, 4096, 0,
							 (IOBufferMemoryDescriptor **)&readable),
			 kIOReturnSuccess);
	ck_assert_int_eq(action_create((OSObject *)scene.person, "Other::Type",
				       (action_function)scene_complete, 0, &wrong),
			 kIOReturnSuccess);
	ck_assert_int_eq(scene_send(&scene, (1 << 20) + 1, 0), kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(scene.out, NULL, 1, scene.action, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(NULL, NULL, 0, scene.action, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(scene.out, scene_memory(&scene), 1, NULL, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(scene.out, scene_memory(&scene), 1, wrong, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(
		dext_usb_pipe_async_io_zlp(scene.in, scene_memory(&scene), 512, scene.action, 0),
		kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostPipe_AsyncIO(scene.in, readable, 512, scene.action, 0),
			 kIOReturnNotPermitted);
	ck_assert_int_eq(IOUSBHostPipe_Abort(scene.out, 2, kIOReturnAborted, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUSBHostPipe_Abort(scene.out, 0, kIOReturnSuccess, NULL),
			 kIOReturnBadArgument);
	ck_assert_uint_eq(meter_read(&person_of(scene.person)->calls), 0);
	OSRelease(wrong);
	OSRelease(readable);
	scene_close(&scene);
}
END_TEST

UNIT_MAIN("pipe", stream_in_order, device_is_given_our_pages, receives_and_loops,
	  abort_on_the_own_queue_delivers_nested, abort_from_another_thread,
	  abort_inside_a_callback_waits_for_the_others, asynchronous_abort, stall_halts_the_pipe,
	  a_later_timeout_waits_for_its_turn, unplug_answers_each_once, synchronous_io_on_any_queue,
	  a_blocked_callback_holds_up_nobody_else, close_ends_all_and_opens_again,
	  no_room_is_back_pressure, no_room_and_unplugged, over_before_its_submission,
	  events_wait_for_a_submission, what_comes_again_and_again_keeps_no_submission,
	  a_look_that_was_put_off_comes_by_itself, a_submission_makes_up_for_a_look,
	  aborts_beside_submissions, mistakes_are_refused)
