/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostPipe: the object and its calls. The life of a transfer is in pipe_request.c, its
 * callback in pipe_callback.c; bundled and isochronous ones are in pipe_bundle.c and pipe_isoch.c;
 * what all of them keep is in pipe_private.h.
 *
 * A synchronous abort waits for the callbacks of what was submitted before it, but for those that
 * it is called from; it runs nested those that belong on a queue of its thread.
 */
#include "pipe_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"

static const char complete_async_io[] = "IOUSBHostPipe::CompleteAsyncIO";

static bool init(OSObject *object);
static void finish(OSObject *object);

static const OSObjectMethods pipe_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = finish,
};

const OSMetaClass gIOUSBHostPipeMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOUSBHostPipe",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct IOUSBHostPipe_IVars),
	.object = &pipe_methods,
};

static bool
init(OSObject *object)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars((IOUSBHostPipe *)object);

	if (!OSObject_init_Impl(object))
		return false;
	pthread_mutex_init(&pipe->submitting, NULL);
	pthread_mutex_init(&pipe->lock, NULL);
	pthread_cond_init(&pipe->returned, NULL);
	TAILQ_INIT(&pipe->outstanding);
	TAILQ_INIT(&pipe->ready);
	TAILQ_INIT(&pipe->posted);
	TAILQ_INIT(&pipe->unused);
	pipe->self = (IOUSBHostPipe *)object;
	return true;
}

static void
finish(OSObject *object)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars((IOUSBHostPipe *)object);
	struct pipe_request *request;

	pipe_free_ring(pipe);
	assert(TAILQ_EMPTY(&pipe->outstanding) && TAILQ_EMPTY(&pipe->ready) &&
	       TAILQ_EMPTY(&pipe->posted));
	while ((request = TAILQ_FIRST(&pipe->unused)) != NULL) {
		TAILQ_REMOVE(&pipe->unused, request, link);
		free(request);
	}
	recorder_leave(&pipe->place);
	usb_port_release(pipe->port);
	pthread_cond_destroy(&pipe->returned);
	pthread_mutex_destroy(&pipe->lock);
	pthread_mutex_destroy(&pipe->submitting);
	OSObject_free_Impl(object);
}

IOReturn
pipe_create(struct usb_port *port, uint8_t interface,
	    const IOUSBStandardEndpointDescriptors *descriptors, IOUSBHostPipe **ret_pipe)
{
	IOUSBHostPipe *object = object_create(IOUSBHostPipe);
	struct IOUSBHostPipe_IVars *pipe;

	if (object == NULL)
		return kIOReturnNoMemory;
	pipe = pipe_ivars(object);
	usb_port_retain(port);
	pipe->port = port;
	pipe->interface = interface;
	pipe->transfer_max = port->transfer_max;
	pipe->descriptors = *descriptors;
	pipe->address = IOUSBGetEndpointAddress(&descriptors->descriptor);
	pipe->type = IOUSBGetEndpointType(&descriptors->descriptor);
	*ret_pipe = object;
	return kIOReturnSuccess;
}

uint8_t
pipe_interface(IOUSBHostPipe *pipe)
{
	return pipe_ivars(pipe)->interface;
}

IOReturn
pipe_refuse(const char *what)
{
	log_error("IOUSBHostPipe: %s", what);
	return kIOReturnBadArgument;
}

/* --- transfers --- */

static IOReturn
async_io(IOUSBHostPipe *pipe, IOMemoryDescriptor *memory, uint32_t length, OSAction *action,
	 uint32_t timeout, uint8_t flags)
{
	const struct pipe_io io = {memory, length, action, timeout, flags};
	IOReturn res;

	if (pipe == NULL)
		return pipe_refuse("AsyncIO: pipe is NULL");
	res = action_check(action, complete_async_io);
	if (res != kIOReturnSuccess)
		return res;
	return pipe_begin(pipe, &io, NULL);
}

kern_return_t
IOUSBHostPipe_CreateActionCompleteAsyncIO(OSObject *target,
					  IOUSBHostPipe_CompleteAsyncIO_f function,
					  size_t referenceSize, OSAction **action)
{
	return action_create(target, complete_async_io, (action_function)function, referenceSize,
			     action);
}

kern_return_t
IOUSBHostPipe_AsyncIO(IOUSBHostPipe *pipe, IOMemoryDescriptor *dataBuffer,
		      uint32_t dataBufferLength, OSAction *completion, uint32_t completionTimeoutMs)
{
	return async_io(pipe, dataBuffer, dataBufferLength, completion, completionTimeoutMs, 0);
}

kern_return_t
dext_usb_pipe_async_io_zlp(IOUSBHostPipe *pipe, IOMemoryDescriptor *dataBuffer,
			   uint32_t dataBufferLength, OSAction *completion,
			   uint32_t completionTimeoutMs)
{
	return async_io(pipe, dataBuffer, dataBufferLength, completion, completionTimeoutMs,
			USB_TRANSFER_ZLP);
}

kern_return_t
IOUSBHostPipe_IO(IOUSBHostPipe *object, IOMemoryDescriptor *dataBuffer, uint32_t dataBufferLength,
		 uint32_t *bytesTransferred, uint32_t completionTimeoutMs)
{
	const struct pipe_io io = {dataBuffer, dataBufferLength, NULL, completionTimeoutMs};
	struct pipe_request *request;
	IOReturn res;

	if (object == NULL)
		return pipe_refuse("IO: pipe is NULL");
	res = pipe_begin(object, &io, &request);
	if (res != kIOReturnSuccess)
		return res;
	return pipe_await_take(request, bytesTransferred);
}

/* --- ending --- */

struct drain {
	struct IOUSBHostPipe_IVars *pipe;
	uint64_t last; /* number of the last request that is waited for */
};

static bool
has_up_to(const struct pipe_requests *requests, uint64_t last)
{
	const struct pipe_request *request;

	TAILQ_FOREACH(request, requests, link)
	{
		/* Pairs with the store in pipe_deliver. */
		bool mine = atomic_load_explicit(&request->is_running, memory_order_acquire) &&
			    pthread_equal(request->thread, pthread_self());

		/* The callback that we are called from cannot end before we do. */
		if (request->number <= last && !mine)
			return true;
	}
	return false;
}

static bool
is_drained(void *context)
{
	struct drain *drain = context;
	struct IOUSBHostPipe_IVars *pipe = drain->pipe;
	bool drained;

	/* Whoever reaped them may be in a callback that waits for us. */
	pipe_pump(pipe->self, false);
	pthread_mutex_lock(&pipe->lock);
	drained = !has_up_to(&pipe->outstanding, drain->last) &&
		  !has_up_to(&pipe->ready, drain->last) && !has_up_to(&pipe->posted, drain->last);
	pthread_mutex_unlock(&pipe->lock);
	return drained;
}

void
pipe_end(struct IOUSBHostPipe_IVars *pipe, IOReturn status, bool close, bool wait)
{
	struct drain drain = {.pipe = pipe};

	/* A callback of a target without a queue runs here, and may release the driver's. */
	OSRetain(pipe->self);
	pthread_mutex_lock(&pipe->submitting);
	pthread_mutex_lock(&pipe->lock);
	pipe->closed |= close;
	drain.last = pipe->last_number;
	pipe_abort_locked(pipe, status);
	pipe->waiters += wait;
	pthread_mutex_unlock(&pipe->lock);
	pthread_mutex_unlock(&pipe->submitting);
	if (wait) {
		queue_wait(pipe->self, is_drained, &drain);
		pthread_mutex_lock(&pipe->lock);
		pipe->waiters--;
		pthread_mutex_unlock(&pipe->lock);
	} else {
		pipe_pump(pipe->self, false);
	}
	OSRelease(pipe->self);
}

void
pipe_close(IOUSBHostPipe *pipe)
{
	pipe_end(pipe_ivars(pipe), kIOReturnAborted, true, true);
}

void
pipe_abandon(IOUSBHostPipe *pipe)
{
	pipe_end(pipe_ivars(pipe), kIOReturnAborted, true, false);
}

void
pipe_gone(IOUSBHostPipe *object)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	struct pipe_request *request;

	pthread_mutex_lock(&pipe->submitting);
	pthread_mutex_lock(&pipe->lock);
	TAILQ_FOREACH(request, &pipe->outstanding, link)
	{
		if (request->state == PIPE_WAITING)
			pipe_drop_locked(pipe, request, kIOReturnNoDevice);
	}
	pipe_settle_locked(pipe);
	pthread_mutex_unlock(&pipe->lock);
	pthread_mutex_unlock(&pipe->submitting);
	usb_port_pump_later(pipe->port, usb_endpoint_index(pipe->address));
}

bool
pipe_is_busy(IOUSBHostPipe *object)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	bool busy;

	pthread_mutex_lock(&pipe->lock);
	busy = pipe->submitted > 0;
	pthread_mutex_unlock(&pipe->lock);
	return busy;
}

kern_return_t
IOUSBHostPipe_Abort(IOUSBHostPipe *pipe, uint32_t options, IOReturn withError, IOService *forClient)
{
	(void)forClient;
	if (pipe == NULL)
		return pipe_refuse("Abort: pipe is NULL");
	if (options > kIOUSBAbortSynchronous)
		return pipe_refuse("Abort: options has unknown bits");
	if (withError == kIOReturnSuccess)
		return pipe_refuse("Abort: withError is a success status");
	pipe_end(pipe_ivars(pipe), withError, false, options == kIOUSBAbortSynchronous);
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostPipe_ClearStall(IOUSBHostPipe *object, bool withRequest)
{
	struct IOUSBHostPipe_IVars *pipe;
	struct usb_port *port;
	IOReturn res = kIOReturnNotOpen;

	if (object == NULL)
		return pipe_refuse("ClearStall: pipe is NULL");
	pipe = pipe_ivars(object);
	port = pipe->port;
	pipe_end(pipe, kIOReturnAborted, false, true);
	loop_will_wait(port->loop);
	pthread_mutex_lock(&pipe->submitting);
	if (!pipe->closed && withRequest)
		res = usb_port_clear_halt(port, pipe->address);
	else if (!pipe->closed)
		res = port->backend->reset_endpoint(port->device, pipe->address);
	pthread_mutex_lock(&pipe->lock);
	if (res == kIOReturnSuccess)
		pipe->halted = false;
	pthread_mutex_unlock(&pipe->lock);
	pthread_mutex_unlock(&pipe->submitting);
	loop_did_block(port->loop);
	return res;
}

/* --- the rest --- */

kern_return_t
IOUSBHostPipe_GetDescriptors(IOUSBHostPipe *pipe, IOUSBStandardEndpointDescriptors *descriptors,
			     uint8_t getType)
{
	if (pipe == NULL || descriptors == NULL)
		return pipe_refuse("GetDescriptors: an argument is NULL");
	if (getType > kIOUSBGetEndpointDescriptorCurrent)
		return pipe_refuse("GetDescriptors: unknown getType");
	*descriptors = pipe_ivars(pipe)->descriptors;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostPipe_AdjustPipe(IOUSBHostPipe *pipe, const IOUSBStandardEndpointDescriptors *descriptors)
{
	if (pipe == NULL || descriptors == NULL)
		return pipe_refuse("AdjustPipe: an argument is NULL");
	return memcmp(descriptors, &pipe_ivars(pipe)->descriptors, sizeof(*descriptors)) == 0
		       ? kIOReturnSuccess
		       : kIOReturnUnsupported;
}

kern_return_t
IOUSBHostPipe_SetIdlePolicy(IOUSBHostPipe *pipe, uint32_t deviceIdleTimeout)
{
	(void)deviceIdleTimeout;
	if (pipe == NULL)
		return pipe_refuse("SetIdlePolicy: pipe is NULL");
	return kIOReturnUnsupported;
}

kern_return_t
IOUSBHostPipe_GetIdlePolicy(IOUSBHostPipe *pipe, uint32_t *deviceIdleTimeout)
{
	if (pipe == NULL || deviceIdleTimeout == NULL)
		return pipe_refuse("GetIdlePolicy: an argument is NULL");
	return kIOReturnUnsupported;
}

kern_return_t
IOUSBHostPipe_GetDeviceAddress(IOUSBHostPipe *pipe, uint8_t *address)
{
	if (pipe == NULL || address == NULL)
		return pipe_refuse("GetDeviceAddress: an argument is NULL");
	*address = pipe_ivars(pipe)->port->address;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostPipe_GetSpeed(IOUSBHostPipe *pipe, uint8_t *speed)
{
	if (pipe == NULL || speed == NULL)
		return pipe_refuse("GetSpeed: an argument is NULL");
	*speed = pipe_ivars(pipe)->port->speed;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostPipe_CreateIOBuffer(IOUSBHostPipe *pipe, uint64_t options, uint64_t capacity,
			     IOBufferMemoryDescriptor **buffer)
{
	if (pipe == NULL)
		return pipe_refuse("CreateIOBuffer: pipe is NULL");
	return IOBufferMemoryDescriptor_Create(options, capacity, 0, buffer);
}
