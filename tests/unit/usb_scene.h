/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual device on a loop, opened down to its pipes, and a target on a queue that keeps what its
 * callbacks were told: what tests of the USB objects start with.
 */
#ifndef TESTS_UNIT_USB_SCENE_H
#define TESTS_UNIT_USB_SCENE_H

#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include <USBDriverKit/USBDriverKit.h>
#include <dext_virtual.h>

#include "action.h"
#include "clock.h"
#include "meter.h"
#include "object.h"
#include "objects.h"
#include "pipe.h"
#include "port.h"

#define SCENE_CALLS_MAX 4096

struct scene_call {
	OSAction *action;
	IOReturn status;
	uint32_t actual;
	uint64_t timestamp;
	pthread_t thread;
};

struct ScenePerson_IVars {
	IODispatchQueue *queue;
	pthread_mutex_t lock;
	struct meter calls; /* as many as are in `log` */
	struct scene_call log[SCENE_CALLS_MAX];
	unsigned count;
	void (*then)(struct ScenePerson_IVars *person, OSAction *action, unsigned index);
	void *context;
};
typedef struct ScenePerson ScenePerson;
extern const OSMetaClass gScenePersonMetaClass;

static kern_return_t
scene_copy_queue(OSObject *self, IODispatchQueueName name, IODispatchQueue **queue)
{
	*queue = OSObjectIVars(ScenePerson, self)->queue;
	OSRetain(*queue);
	return kIOReturnSuccess;
}

static void
scene_free(OSObject *self)
{
	OSRelease(OSObjectIVars(ScenePerson, self)->queue);
	OSObject_free_Impl(self);
}

static const OSObjectMethods scene_methods = {
	.size = sizeof(OSObjectMethods),
	.free = scene_free,
	.CopyDispatchQueue = scene_copy_queue,
};

const OSMetaClass gScenePersonMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "ScenePerson",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct ScenePerson_IVars),
	.object = &scene_methods,
};

static struct ScenePerson_IVars *
person_of(ScenePerson *person)
{
	return OSObjectIVars(ScenePerson, person);
}

static ScenePerson *
scene_person(const char *name)
{
	static const struct meter none = METER_INITIALIZER;
	ScenePerson *person = object_create(ScenePerson);

	pthread_mutex_init(&person_of(person)->lock, NULL);
	person_of(person)->calls = none;
	ck_assert_int_eq(queue_create(name, &person_of(person)->queue), kIOReturnSuccess);
	return person;
}

static void
scene_complete(OSObject *target, OSAction *action, IOReturn status, uint32_t actual,
	       uint64_t timestamp)
{
	struct ScenePerson_IVars *person = person_of((ScenePerson *)target);
	unsigned index;

	pthread_mutex_lock(&person->lock);
	ck_assert_uint_lt(person->count, SCENE_CALLS_MAX);
	index = person->count++;
	person->log[index] = (struct scene_call){action, status, actual, timestamp, pthread_self()};
	pthread_mutex_unlock(&person->lock);
	ck_assert(queue_is_mine(person->queue));
	if (person->then != NULL)
		person->then(person, action, index);
	meter_raise(&person->calls);
}

static OSAction *
scene_action(ScenePerson *person)
{
	OSAction *action;

	ck_assert_int_eq(IOUSBHostPipe_CreateActionCompleteAsyncIO((OSObject *)person,
								   scene_complete, 0, &action),
			 kIOReturnSuccess);
	return action;
}

struct scene {
	struct loop *loop;
	struct usb_port *port;
	IOUSBHostDevice *device;
	IOUSBHostInterface *interface; /* borrowed */
	IOService *client;
	IOUSBHostPipe *out, *in; /* NULL: the model has none */
	ScenePerson *person;
	OSAction *action;
	IOBufferMemoryDescriptor *buffer;
	uint8_t *bytes;
	struct meter gone;
};

static void
scene_gone(void *context)
{
	struct scene *scene = context;

	meter_raise(&scene->gone);
}

static void
scene_copy_pipes(struct scene *scene)
{
	scene->out = scene->in = NULL;
	IOUSBHostInterface_CopyPipe(scene->interface, DEXT_VIRTUAL_ENDPOINT_OUT, &scene->out);
	IOUSBHostInterface_CopyPipe(scene->interface, DEXT_VIRTUAL_ENDPOINT_IN, &scene->in);
}

static void
scene_open_device(struct scene *scene, const struct usb_backend *backend, const char *spec, int fd,
		  uint8_t interface)
{
	static const struct meter none = METER_INITIALIZER;
	IOAddressSegment range;

	memset(scene, 0, sizeof(*scene));
	scene->gone = none;
	ck_assert_int_eq(loop_create(&scene->loop), kIOReturnSuccess);
	queue_set_loop(scene->loop);
	ck_assert_int_eq(loop_start(scene->loop, 2), kIOReturnSuccess);
	ck_assert_int_eq(usb_port_open_take(backend, spec, fd, scene->loop, &scene->port),
			 kIOReturnSuccess);
	usb_port_watch_gone(scene->port, scene_gone, scene);
	ck_assert_int_eq(device_create(scene->port, &scene->device), kIOReturnSuccess);
	scene->interface = device_interface(scene->device, interface);
	ck_assert_ptr_nonnull(scene->interface);
	scene->client = object_create(IOService);
	ck_assert_int_eq(IOUSBHostInterface_Open(scene->interface, scene->client, 0, NULL),
			 kIOReturnSuccess);
	scene_copy_pipes(scene);
	scene->person = scene_person("person");
	scene->action = scene_action(scene->person);
	ck_assert_int_eq(IOUSBHostInterface_CreateIOBuffer(scene->interface,
							   kIOMemoryDirectionInOut, 1 << 20,
							   &scene->buffer),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOBufferMemoryDescriptor_GetAddressRange(scene->buffer, &range),
			 kIOReturnSuccess);
	scene->bytes = (uint8_t *)(uintptr_t)range.address;
}

__attribute__((unused)) static void
scene_open_with(struct scene *scene, const struct usb_backend *backend, const char *spec)
{
	scene_open_device(scene, backend, spec, -1, 0);
}

__attribute__((unused)) static void
scene_open(struct scene *scene, const char *spec)
{
	scene_open_with(scene, &usb_backend_virtual, spec);
}

static IOMemoryDescriptor *
scene_memory(struct scene *scene)
{
	return (IOMemoryDescriptor *)scene->buffer;
}

__attribute__((unused)) static IOReturn
scene_send(struct scene *scene, uint32_t length, uint32_t timeout)
{
	return IOUSBHostPipe_AsyncIO(scene->out, scene_memory(scene), length, scene->action,
				     timeout);
}

/* The n-th callback of the scene's person, from 0. */
__attribute__((unused)) static struct scene_call
scene_call(struct scene *scene, unsigned index)
{
	struct ScenePerson_IVars *person = person_of(scene->person);

	meter_wait(&person->calls, index + 1);
	return person->log[index];
}

__attribute__((unused)) static struct dext_virtual_state
scene_state(struct scene *scene)
{
	struct dext_virtual_state state;
	IOBufferMemoryDescriptor *buffer;
	IOAddressSegment range;
	uint16_t actual = 0;

	ck_assert_int_eq(
		IOBufferMemoryDescriptor_Create(kIOMemoryDirectionIn, sizeof(state), 0, &buffer),
		kIOReturnSuccess);
	ck_assert_int_eq(IOUSBHostInterface_DeviceRequest(
				 scene->interface, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, 0, 0,
				 sizeof(state), (IOMemoryDescriptor *)buffer, &actual, 0),
			 kIOReturnSuccess);
	ck_assert_uint_eq(actual, sizeof(state));
	IOBufferMemoryDescriptor_GetAddressRange(buffer, &range);
	memcpy(&state, (void *)(uintptr_t)range.address, sizeof(state));
	OSRelease(buffer);
	return state;
}

__attribute__((unused)) static void
scene_close(struct scene *scene)
{
	OSSafeReleaseNULL(scene->out);
	OSSafeReleaseNULL(scene->in);
	IOUSBHostInterface_Close(scene->interface, scene->client, 0);
	usb_port_shut(scene->port);
	device_disband(scene->device);
	loop_destroy(scene->loop);
	/* The device object's and ours: nothing else was left behind. */
	ck_assert_uint_eq(atomic_load(&scene->port->references), 2);
	OSSafeReleaseNULL(scene->device);
	usb_port_release(scene->port);
	OSSafeReleaseNULL(scene->buffer);
	OSSafeReleaseNULL(scene->action);
	OSSafeReleaseNULL(scene->person);
	OSSafeReleaseNULL(scene->client);
}

#endif
