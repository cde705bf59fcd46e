/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostPipe: transfers of one endpoint, in order, each answered exactly once.
 *
 * A request is the record of one transfer. It is in one list at a time:
 *
 *	outstanding	in order of submission: waiting for room, with the backend, or finished
 *			behind one that is not
 *	ready		finished, and all before it too: its callback may be posted
 *	posted		its callback is on its queue, or runs
 *	unused		kept for the next transfer, so that a stream allocates nothing
 *
 * From `outstanding` on a request holds a reference on the pipe, the action and the memory.
 *
 * Posting keeps the order although several threads reap: one at a time posts (`posting`), and takes
 * along what others add meanwhile. A callback that may run inline could keep that thread for long,
 * so the callback, once it has its queue, goes on with the posting itself before it calls the
 * driver (`entering`): what it appends comes behind it.
 *
 * After a request has failed for other reasons than its time or an abort, the pipe is halted: all
 * that is behind it is cancelled, and nothing is accepted until ClearStall.
 *
 * Threads: any. The lock is held for submit and cancel of the backend, never for a callback.
 */
#include "pipe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "clock.h"
#include "log.h"
#include "object.h"

static const char complete_async_io[] = "IOUSBHostPipe::CompleteAsyncIO";

enum state { WAITING, SUBMITTED, FINISHED, RETURNED };

struct request {
	struct usb_transfer transfer; /* first: done() casts */
	struct action_call call;
	TAILQ_ENTRY(request) link; /* [pipe] */
	IOUSBHostPipe *pipe;
	OSAction *action; /* NULL: somebody waits for it in IO */
	IOMemoryDescriptor *memory;
	uint64_t number;       /* in order of submission, from 1 */
	enum state state;      /* [pipe] */
	IOReturn abort_status; /* [pipe] with which it was aborted; 0: it was not */
	pthread_t thread;      /* [pipe] that runs the callback, if is_running */
	bool is_running;       /* [pipe] */
};

TAILQ_HEAD(requests, request);

struct IOUSBHostPipe_IVars {
	struct usb_port *port;			      /* [const] */
	IOUSBStandardEndpointDescriptors descriptors; /* [const] */
	uint8_t address;			      /* [const] */
	uint8_t type;				      /* [const] */
	uint8_t interface;			      /* [const] */
	IOUSBHostPipe *self;			      /* [const] */
	pthread_mutex_t lock;
	pthread_cond_t returned;			    /* [lock] a request of IO has ended */
	struct requests outstanding, ready, posted, unused; /* [lock] */
	uint64_t last_number;				    /* [lock] */
	uint64_t entering;  /* [lock] number of the one whose callback may be running inline; 0 */
	unsigned waiting;   /* [lock] outstanding ones that the backend had no room for */
	unsigned submitted; /* [lock] those that the backend has */
	unsigned waiters;   /* [lock] threads in a synchronous abort */
	bool posting;	    /* [lock] */
	bool halted;	    /* [lock] */
	bool closed;	    /* [lock] */
};

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

static struct IOUSBHostPipe_IVars *
ivars(IOUSBHostPipe *pipe)
{
	return OSObjectIVars(IOUSBHostPipe, pipe);
}

static bool
init(OSObject *object)
{
	struct IOUSBHostPipe_IVars *pipe = ivars((IOUSBHostPipe *)object);

	if (!OSObject_init_Impl(object))
		return false;
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
	struct IOUSBHostPipe_IVars *pipe = ivars((IOUSBHostPipe *)object);
	struct request *request;

	assert(TAILQ_EMPTY(&pipe->outstanding) && TAILQ_EMPTY(&pipe->ready) &&
	       TAILQ_EMPTY(&pipe->posted));
	while ((request = TAILQ_FIRST(&pipe->unused)) != NULL) {
		TAILQ_REMOVE(&pipe->unused, request, link);
		free(request);
	}
	usb_port_release(pipe->port);
	pthread_cond_destroy(&pipe->returned);
	pthread_mutex_destroy(&pipe->lock);
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
	pipe = ivars(object);
	usb_port_retain(port);
	pipe->port = port;
	pipe->interface = interface;
	pipe->descriptors = *descriptors;
	pipe->address = IOUSBGetEndpointAddress(&descriptors->descriptor);
	pipe->type = IOUSBGetEndpointType(&descriptors->descriptor);
	*ret_pipe = object;
	return kIOReturnSuccess;
}

uint8_t
pipe_interface(IOUSBHostPipe *pipe)
{
	return ivars(pipe)->interface;
}

/* -- the end of a request ------------------------------------------------------------------------
 */

/* Finished ones at the front of `outstanding` may be answered. */
static void
settle_locked(struct IOUSBHostPipe_IVars *pipe)
{
	struct request *request;

	while ((request = TAILQ_FIRST(&pipe->outstanding)) != NULL && request->state == FINISHED) {
		TAILQ_REMOVE(&pipe->outstanding, request, link);
		request->state = RETURNED;
		if (request->action != NULL)
			TAILQ_INSERT_TAIL(&pipe->ready, request, link);
		else
			pthread_cond_broadcast(&pipe->returned);
	}
}

/* Ends one that never reached the backend. */
static void
drop_locked(struct IOUSBHostPipe_IVars *pipe, struct request *request, IOReturn status)
{
	pipe->waiting--;
	request->state = FINISHED;
	request->transfer.status = status;
	request->transfer.actual = 0;
	request->transfer.timestamp = clock_now();
}

/*
 * Asks for the end of all that is outstanding. The newest first: an older one that ends must not
 * let a newer one begin.
 */
static void
abort_locked(struct IOUSBHostPipe_IVars *pipe, IOReturn status)
{
	struct usb_port *port = pipe->port;
	struct request *request;

	TAILQ_FOREACH_REVERSE(request, &pipe->outstanding, requests, link)
	{
		if (request->state == FINISHED || request->abort_status != 0)
			continue;
		request->abort_status = status;
		if (request->state == WAITING)
			drop_locked(pipe, request, status);
		else
			port->backend->cancel(port->device, &request->transfer);
	}
	settle_locked(pipe);
}

/* What the driver is told, and whether the pipe halts. */
static void
judge_locked(struct IOUSBHostPipe_IVars *pipe, struct request *request)
{
	struct usb_transfer *transfer = &request->transfer;

	switch (transfer->status) {
	case kIOReturnSuccess:
	case kIOReturnTimeout:
	case kIOReturnNoDevice:
		return;
	case kIOReturnAborted:
		if (request->abort_status != 0)
			transfer->status = request->abort_status;
		return;
	default:
		/* Behind the one that failed the device answers the same: not news. */
		if (pipe->halted)
			transfer->status = kIOReturnAborted;
		pipe->halted = true;
		abort_locked(pipe, kIOReturnAborted);
	}
}

static bool
wants_wake_locked(struct IOUSBHostPipe_IVars *pipe)
{
	return pipe->waiters > 0;
}

/* The backend has finished it; from reap. */
static void
done(struct usb_transfer *transfer)
{
	struct request *request = (struct request *)transfer;
	struct IOUSBHostPipe_IVars *pipe = ivars(request->pipe);
	bool ready, wake;

	pthread_mutex_lock(&pipe->lock);
	pipe->submitted--;
	request->state = FINISHED;
	judge_locked(pipe, request);
	settle_locked(pipe);
	ready = !TAILQ_EMPTY(&pipe->ready);
	wake = wants_wake_locked(pipe);
	/* With the lock: once it is posted the request, and with it the pipe, may go. */
	if (ready)
		usb_port_pump_later(pipe->port, usb_endpoint_index(pipe->address));
	if (wake)
		queue_wake(pipe->self);
	pthread_mutex_unlock(&pipe->lock);
}

/* -- callbacks ------------------------------------------------------------------------------------
 */

/* Posts what is ready; the caller has set `posting`. Unlocks. */
static void
post_unlock(struct IOUSBHostPipe_IVars *pipe, bool inline_ok)
{
	IOUSBHostPipe *self = pipe->self;
	struct request *request;

	while ((request = TAILQ_FIRST(&pipe->ready)) != NULL) {
		OSAction *action = request->action;
		uint64_t number = request->number;

		TAILQ_REMOVE(&pipe->ready, request, link);
		TAILQ_INSERT_TAIL(&pipe->posted, request, link);
		if (inline_ok)
			pipe->entering = number;
		pthread_mutex_unlock(&pipe->lock);
		/* The request may be gone after this; the action is retained for the call. */
		action_post(action, &request->call, self, inline_ok);
		OSRelease(action);
		pthread_mutex_lock(&pipe->lock);
		if (inline_ok && pipe->entering != number) {
			pthread_mutex_unlock(&pipe->lock);
			return; /* the callback took the posting over */
		}
		pipe->entering = 0;
		inline_ok = false;
	}
	pipe->posting = false;
	pthread_mutex_unlock(&pipe->lock);
}

void
pipe_pump(IOUSBHostPipe *object, bool inline_ok)
{
	struct IOUSBHostPipe_IVars *pipe = ivars(object);

	/* Callbacks release what the requests hold, perhaps the last reference. */
	OSRetain(object);
	pthread_mutex_lock(&pipe->lock);
	if (pipe->posting || TAILQ_EMPTY(&pipe->ready)) {
		pthread_mutex_unlock(&pipe->lock);
	} else {
		pipe->posting = true;
		post_unlock(pipe, inline_ok);
	}
	OSRelease(object);
}

static struct request *
request_of(struct action_call *call)
{
	return (struct request *)((char *)call - offsetof(struct request, call));
}

static void
deliver(struct action_call *call, OSObject *target, action_function function)
{
	struct request *request = request_of(call);
	struct IOUSBHostPipe_IVars *pipe = ivars(request->pipe);

	pthread_mutex_lock(&pipe->lock);
	request->thread = pthread_self();
	request->is_running = true;
	if (pipe->entering == request->number) {
		pipe->entering = 0;
		post_unlock(pipe, false);
	} else {
		pthread_mutex_unlock(&pipe->lock);
	}
	((IOUSBHostPipe_CompleteAsyncIO_f)function)(target, call->action, request->transfer.status,
						    request->transfer.actual,
						    request->transfer.timestamp);
}

/* The callback has run, or never will. */
static void
called(struct action_call *call)
{
	struct request *request = request_of(call);
	IOUSBHostPipe *object = request->pipe;
	struct IOUSBHostPipe_IVars *pipe = ivars(object);
	IOMemoryDescriptor *memory = request->memory;

	if (memory != NULL)
		memory_io_end(memory);
	pthread_mutex_lock(&pipe->lock);
	request->is_running = false;
	TAILQ_REMOVE(&pipe->posted, request, link);
	TAILQ_INSERT_HEAD(&pipe->unused, request, link);
	if (wants_wake_locked(pipe))
		queue_wake(object);
	pthread_mutex_unlock(&pipe->lock);
	OSRelease(object);
}

/* -- submission
 * ------------------------------------------------------------------------------------ */

static IOReturn
refuse(const char *what)
{
	log_error("IOUSBHostPipe: %s", what);
	return kIOReturnBadArgument;
}

static IOReturn
check(struct IOUSBHostPipe_IVars *pipe, IOMemoryDescriptor *memory, uint32_t length,
      uint32_t timeout, uint8_t flags)
{
	bool is_in = (pipe->address & kIOUSBEndpointDescriptorDirectionIn) != 0;

	if (memory == NULL && length > 0)
		return refuse("dataBuffer is NULL, but dataBufferLength is not 0");
	if (memory != NULL && length > memory_length(memory))
		return refuse("dataBufferLength is more than the descriptor's length");
	if (timeout != 0 && pipe->type == kIOUSBEndpointTypeInterrupt)
		return refuse("completionTimeoutMs must be 0 on an interrupt pipe");
	if (is_in && (flags & USB_TRANSFER_ZLP) != 0)
		return refuse("a zero-length packet can only end an OUT transfer");
	if (is_in && length > 0 && memory_direction(memory) == kIOMemoryDirectionOut) {
		log_error("IOUSBHostPipe: an IN transfer into memory that may only be read");
		return kIOReturnNotPermitted;
	}
	return kIOReturnSuccess;
}

/* A record that is not in use, or NULL without memory. */
static struct request *
take_request(struct IOUSBHostPipe_IVars *pipe)
{
	struct request *request;

	pthread_mutex_lock(&pipe->lock);
	request = TAILQ_FIRST(&pipe->unused);
	if (request != NULL)
		TAILQ_REMOVE(&pipe->unused, request, link);
	pthread_mutex_unlock(&pipe->lock);
	return request != NULL ? request : malloc(sizeof(*request));
}

static void
give_back(struct IOUSBHostPipe_IVars *pipe, struct request *request)
{
	pthread_mutex_lock(&pipe->lock);
	TAILQ_INSERT_HEAD(&pipe->unused, request, link);
	pthread_mutex_unlock(&pipe->lock);
}

static IOReturn
fill(struct IOUSBHostPipe_IVars *pipe, struct request *request, IOMemoryDescriptor *memory,
     uint32_t length)
{
	memset(request, 0, sizeof(*request));
	request->pipe = pipe->self;
	request->memory = memory;
	request->call.deliver = deliver;
	request->call.done = called;
	request->transfer.endpoint = pipe->address;
	request->transfer.length = length;
	request->transfer.done = done;
	request->transfer.memory.fd = -1;
	if (memory == NULL)
		return kIOReturnSuccess;
	request->transfer.data = memory_address(memory);
	if (request->transfer.data == NULL)
		return kIOReturnNoMemory;
	request->transfer.memory = memory_first_segment(memory);
	return kIOReturnSuccess;
}

static IOReturn
state_locked(const struct IOUSBHostPipe_IVars *pipe)
{
	if (pipe->closed)
		return kIOReturnNotOpen;
	return pipe->halted ? kUSBHostReturnPipeStalled : kIOReturnSuccess;
}

/* Gives it to the backend, or lets it wait for room; behind those that wait already. */
static IOReturn
submit_locked(struct IOUSBHostPipe_IVars *pipe, struct request *request)
{
	struct usb_port *port = pipe->port;
	IOReturn res = kIOReturnNotReady;

	if (pipe->waiting == 0)
		res = port->backend->submit(port->device, &request->transfer);
	if (res == kIOReturnSuccess) {
		request->state = SUBMITTED;
		pipe->submitted++;
	} else if (res == kIOReturnNotReady) {
		request->state = WAITING;
		pipe->waiting++;
		usb_port_wait_for_room(port, usb_endpoint_index(pipe->address));
		res = kIOReturnSuccess;
	}
	return res;
}

/* What a request holds is taken before it can finish. */
static void
hold(const struct request *request)
{
	OSRetain(request->pipe);
	OSRetain(request->action);
	if (request->memory != NULL)
		memory_io_begin(request->memory);
}

static void
let_go(const struct request *request)
{
	if (request->memory != NULL)
		memory_io_end(request->memory);
	OSRelease(request->action);
	OSRelease(request->pipe);
}

static IOReturn
start(struct IOUSBHostPipe_IVars *pipe, struct request *request)
{
	IOReturn res;

	hold(request);
	pthread_mutex_lock(&pipe->lock);
	res = state_locked(pipe);
	if (res == kIOReturnSuccess) {
		request->number = ++pipe->last_number;
		TAILQ_INSERT_TAIL(&pipe->outstanding, request, link);
		res = submit_locked(pipe, request);
		if (res != kIOReturnSuccess)
			TAILQ_REMOVE(&pipe->outstanding, request, link);
	}
	pthread_mutex_unlock(&pipe->lock);
	if (res != kIOReturnSuccess)
		let_go(request);
	return res;
}

static IOReturn
begin(IOUSBHostPipe *object, IOMemoryDescriptor *memory, uint32_t length, OSAction *action,
      uint32_t timeout, uint8_t flags, struct request **ret_request)
{
	struct IOUSBHostPipe_IVars *pipe = ivars(object);
	struct request *request;
	IOReturn res = check(pipe, memory, length, timeout, flags);

	if (res != kIOReturnSuccess)
		return res;
	request = take_request(pipe);
	if (request == NULL)
		return kIOReturnNoMemory;
	res = fill(pipe, request, memory, length);
	request->action = action;
	request->transfer.timeout = timeout;
	request->transfer.flags = flags;
	if (res == kIOReturnSuccess)
		res = start(pipe, request);
	if (res != kIOReturnSuccess)
		give_back(pipe, request);
	else if (ret_request != NULL)
		*ret_request = request;
	return res;
}

static IOReturn
async_io(IOUSBHostPipe *pipe, IOMemoryDescriptor *memory, uint32_t length, OSAction *action,
	 uint32_t timeout, uint8_t flags)
{
	IOReturn res;

	if (pipe == NULL)
		return refuse("AsyncIO: pipe is NULL");
	res = action_check(action, complete_async_io);
	if (res != kIOReturnSuccess)
		return res;
	return begin(pipe, memory, length, action, timeout, flags, NULL);
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
	struct IOUSBHostPipe_IVars *pipe;
	struct request *request;
	IOReturn res;

	if (object == NULL)
		return refuse("IO: pipe is NULL");
	res = begin(object, dataBuffer, dataBufferLength, NULL, completionTimeoutMs, 0, &request);
	if (res != kIOReturnSuccess)
		return res;
	pipe = ivars(object);
	loop_will_block(pipe->port->loop);
	pthread_mutex_lock(&pipe->lock);
	while (request->state != RETURNED)
		pthread_cond_wait(&pipe->returned, &pipe->lock);
	pthread_mutex_unlock(&pipe->lock);
	loop_did_block(pipe->port->loop);
	res = request->transfer.status;
	if (bytesTransferred != NULL)
		*bytesTransferred = request->transfer.actual;
	if (request->memory != NULL)
		memory_io_end(request->memory);
	give_back(pipe, request);
	OSRelease(object);
	return res;
}

void
pipe_kick(IOUSBHostPipe *object)
{
	struct IOUSBHostPipe_IVars *pipe = ivars(object);
	struct usb_port *port = pipe->port;
	struct request *request;
	bool ready;

	pthread_mutex_lock(&pipe->lock);
	TAILQ_FOREACH(request, &pipe->outstanding, link)
	{
		IOReturn res;

		if (request->state != WAITING)
			continue;
		res = port->backend->submit(port->device, &request->transfer);
		if (res == kIOReturnNotReady) {
			usb_port_wait_for_room(port, usb_endpoint_index(pipe->address));
			break;
		}
		if (res != kIOReturnSuccess) {
			drop_locked(pipe, request, res);
			continue;
		}
		pipe->waiting--;
		pipe->submitted++;
		request->state = SUBMITTED;
	}
	settle_locked(pipe);
	ready = !TAILQ_EMPTY(&pipe->ready);
	pthread_mutex_unlock(&pipe->lock);
	if (ready)
		usb_port_pump_later(port, usb_endpoint_index(pipe->address));
}

/* -- ending
 * ---------------------------------------------------------------------------------------- */

struct drain {
	struct IOUSBHostPipe_IVars *pipe;
	uint64_t last; /* number of the last request that is waited for */
};

static bool
has_up_to(const struct requests *requests, uint64_t last)
{
	const struct request *request;

	TAILQ_FOREACH(request, requests, link)
	{
		bool mine = request->is_running && pthread_equal(request->thread, pthread_self());

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

static void
end(struct IOUSBHostPipe_IVars *pipe, IOReturn status, bool close, bool wait)
{
	struct drain drain = {.pipe = pipe};

	pthread_mutex_lock(&pipe->lock);
	pipe->closed |= close;
	drain.last = pipe->last_number;
	abort_locked(pipe, status);
	pipe->waiters += wait;
	pthread_mutex_unlock(&pipe->lock);
	if (!wait) {
		pipe_pump(pipe->self, false);
		return;
	}
	queue_wait(pipe->self, is_drained, &drain);
	pthread_mutex_lock(&pipe->lock);
	pipe->waiters--;
	pthread_mutex_unlock(&pipe->lock);
}

void
pipe_close(IOUSBHostPipe *pipe)
{
	end(ivars(pipe), kIOReturnAborted, true, true);
}

void
pipe_abandon(IOUSBHostPipe *pipe)
{
	end(ivars(pipe), kIOReturnAborted, true, false);
}

void
pipe_gone(IOUSBHostPipe *object)
{
	struct IOUSBHostPipe_IVars *pipe = ivars(object);
	struct request *request;

	pthread_mutex_lock(&pipe->lock);
	TAILQ_FOREACH(request, &pipe->outstanding, link)
	{
		if (request->state == WAITING)
			drop_locked(pipe, request, kIOReturnNoDevice);
	}
	settle_locked(pipe);
	pthread_mutex_unlock(&pipe->lock);
	usb_port_pump_later(pipe->port, usb_endpoint_index(pipe->address));
}

bool
pipe_is_busy(IOUSBHostPipe *object)
{
	struct IOUSBHostPipe_IVars *pipe = ivars(object);
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
		return refuse("Abort: pipe is NULL");
	if (options > kIOUSBAbortSynchronous)
		return refuse("Abort: options has unknown bits");
	if (withError == kIOReturnSuccess)
		return refuse("Abort: withError is a success status");
	end(ivars(pipe), withError, false, options == kIOUSBAbortSynchronous);
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostPipe_ClearStall(IOUSBHostPipe *object, bool withRequest)
{
	struct IOUSBHostPipe_IVars *pipe;
	struct usb_port *port;
	IOReturn res = kIOReturnNotOpen;

	if (object == NULL)
		return refuse("ClearStall: pipe is NULL");
	if (!withRequest)
		return kIOReturnUnsupported;
	pipe = ivars(object);
	port = pipe->port;
	end(pipe, kIOReturnAborted, false, true);
	loop_will_block(port->loop);
	pthread_mutex_lock(&pipe->lock);
	if (!pipe->closed)
		res = port->backend->clear_halt(port->device, pipe->address);
	if (res == kIOReturnSuccess)
		pipe->halted = false;
	pthread_mutex_unlock(&pipe->lock);
	loop_did_block(port->loop);
	return res;
}

/* -- the rest
 * -------------------------------------------------------------------------------------- */

kern_return_t
IOUSBHostPipe_GetDescriptors(IOUSBHostPipe *pipe, IOUSBStandardEndpointDescriptors *descriptors,
			     uint8_t getType)
{
	if (pipe == NULL || descriptors == NULL)
		return refuse("GetDescriptors: an argument is NULL");
	if (getType > kIOUSBGetEndpointDescriptorCurrent)
		return refuse("GetDescriptors: unknown getType");
	*descriptors = ivars(pipe)->descriptors;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostPipe_GetSpeed(IOUSBHostPipe *pipe, uint8_t *speed)
{
	if (pipe == NULL || speed == NULL)
		return refuse("GetSpeed: an argument is NULL");
	*speed = ivars(pipe)->port->speed;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostPipe_CreateIOBuffer(IOUSBHostPipe *pipe, uint64_t options, uint64_t capacity,
			     IOBufferMemoryDescriptor **buffer)
{
	if (pipe == NULL)
		return refuse("CreateIOBuffer: pipe is NULL");
	return IOBufferMemoryDescriptor_Create(options, capacity, 0, buffer);
}
