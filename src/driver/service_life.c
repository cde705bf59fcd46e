/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a service: made and attached, started, stopped, detached. Termination, which decides
 * when to stop, is in terminate.c.
 *
 * Start and Stop run on the service's own queue, so they never overlap its methods. Start may
 * change that queue, so Stop is put on it only when Start has returned. Stop is called at most
 * once, whoever calls it: some drivers call their own Stop from a failing Start. Some never reach
 * IOService_Stop_Impl, or reach it from a cancel handler long after their Stop has returned; the
 * end waits for both, but for the base implementation only so long.
 */
#include "terminate.h"

#include <assert.h>

#include "clock.h"
#include "hang.h"
#include "log.h"
#include "object.h"
#include "witness.h"

struct start {
	IOService *service;
	IOService *provider;
	kern_return_t res;
};

/* False: the provider is terminating, and must get no more children. */
static bool
attach(IOService *self, IOService *provider)
{
	struct IOService_IVars *ivars = service_ivars(self);
	bool alive;

	pthread_mutex_lock(&service_tree);
	alive = provider == NULL || !service_ivars(provider)->terminating;
	if (alive) {
		OSRetain(provider);
		OSRetain(self);
		ivars->provider = provider;
		ivars->managed = true;
	}
	if (alive && provider != NULL) {
		ivars->next_child = service_ivars(provider)->children;
		service_ivars(provider)->children = self;
	}
	pthread_mutex_unlock(&service_tree);
	return alive;
}

IOReturn
service_create(const OSMetaClass *metaclass, IOService *provider, OSDictionary *properties,
	       const struct bundle *bundle, IODispatchQueue *queue, IOService **ret_service)
{
	IOService *self = (IOService *)OSMetaClass_alloc(metaclass);
	struct IOService_IVars *ivars;

	if (self == NULL)
		return kIOReturnNoMemory;
	ivars = service_ivars(self);
	ivars->self = self;
	OSRetain(queue);
	ivars->queue = queue;
	OSRetain(properties);
	ivars->properties = properties;
	ivars->bundle = bundle;
	if (!OSObject_init((OSObject *)self)) {
		log_error("%s: init returned false", OSObject_GetClassName(self));
		OSRelease(self);
		return kIOReturnError;
	}
	/* The class may have a method of its own, of which nobody tells when its answer changes. */
	if (METHOD(self, object, OSObjectMethods, CopyDispatchQueue) ==
	    gIOServiceMetaClass.object->CopyDispatchQueue)
		((OSObject *)self)->marks |= OBJECT_KEEPS_QUEUES;
	if (!attach(self, provider)) {
		OSRelease(self);
		return kIOReturnOffline;
	}
	*ret_service = self;
	return kIOReturnSuccess;
}

static void
run_start(void *context)
{
	struct start *start = context;

	struct hang_mark mark =
		hang_begin(OSObject_GetClassName(start->service), "Start", HANG_NO_SELECTOR);

	start->res = IOService_Start(start->service, start->provider);
	hang_end(mark);
}

/* False: it was terminated before, and Stop, which would undo this Start, will not come. */
static bool
begin_start(IOService *self, IOService **ret_provider)
{
	struct IOService_IVars *ivars = service_ivars(self);
	bool go;

	pthread_mutex_lock(&service_tree);
	assert(ivars->state == SERVICE_NEW);
	go = !ivars->terminating;
	if (go) {
		ivars->state = SERVICE_STARTING;
		*ret_provider = ivars->provider;
		OSRetain(ivars->provider);
	}
	pthread_mutex_unlock(&service_tree);
	return go;
}

IOReturn
service_start(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);
	struct start start = {.service = self, .res = kIOReturnOffline};
	IODispatchQueue *queue;
	bool asked, reached;

	if (!begin_start(self, &start.provider))
		return kIOReturnOffline;
	queue = service_copy_queue(self, false);
	if (queue == NULL)
		run_start(&start);
	else if (!queue_call(queue, &start, run_start))
		log_error("%s: not started: its queue was cancelled", OSObject_GetClassName(self));
	OSRelease(queue);
	OSRelease(start.provider);

	pthread_mutex_lock(&service_tree);
	ivars->state = SERVICE_STARTED;
	asked = ivars->register_asked;
	reached = ivars->super_started;
	pthread_mutex_unlock(&service_tree);
	if (start.res == kIOReturnSuccess && !reached) {
		log_error("%s: Start never reached IOService_Start_Impl; an override calls it "
			  "first",
			  OSObject_GetClassName(self));
		witness_no_super(OSObject_GetClassName(self));
	}
	if (start.res != kIOReturnSuccess)
		service_terminate(self);
	else if (asked)
		services_register(self);
	service_may_stop(self);
	return start.res;
}

/* Not left to free, which a driver's override may forget to pass on to this class. */
static void
give_up(struct IOService_IVars *ivars)
{
	IODispatchQueue *queue, *method_queue;
	OSDictionary *properties;

	pthread_mutex_lock(&ivars->lock);
	queue = ivars->queue;
	method_queue = ivars->method_queue;
	properties = ivars->properties;
	ivars->queue = ivars->method_queue = NULL;
	ivars->properties = NULL;
	pthread_mutex_unlock(&ivars->lock);
	OSRelease(queue);
	OSRelease(method_queue);
	OSRelease(properties);
}

/* Gives up what the service holds of others, and what others hold of it. */
static void
detach(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);
	IOService *provider, **place;
	void (*on_stopped)(void *context);

	pthread_mutex_lock(&service_tree);
	ivars->stopped = true;
	provider = ivars->provider;
	ivars->provider = NULL;
	on_stopped = ivars->on_stopped;
	ivars->on_stopped = NULL;
	if (provider != NULL) {
		place = &service_ivars(provider)->children;
		while (*place != self)
			place = &service_ivars(*place)->next_child;
		*place = ivars->next_child;
	}
	pthread_mutex_unlock(&service_tree);

	queues_changed();
	if (on_stopped != NULL)
		on_stopped(ivars->context);
	give_up(ivars);
	if (provider != NULL)
		service_may_stop(provider);
	OSRelease(provider);
	/* The reference of attach. */
	OSRelease(self);
}

/* Whether it is the caller who ends the service; only one ever is. [tree] */
static bool
may_finish_locked(struct IOService_IVars *ivars, bool late)
{
	if (ivars->finish_begun || !ivars->stop_begun || !ivars->stop_returned ||
	    !(ivars->super_stopped || late))
		return false;
	ivars->finish_begun = true;
	return true;
}

static void
run_finish(struct work *work)
{
	struct IOService_IVars *ivars =
		(void *)((char *)work - offsetof(struct IOService_IVars, finish_work));

	detach(ivars->self);
}

static void
late(struct loop_timer *timer)
{
	struct IOService_IVars *ivars =
		(void *)((char *)timer - offsetof(struct IOService_IVars, grace));
	IOService *self = ivars->self;
	bool finish;

	pthread_mutex_lock(&service_tree);
	finish = may_finish_locked(ivars, true);
	pthread_mutex_unlock(&service_tree);
	if (finish) {
		log_info("%s: Stop never reached IOService_Stop_Impl; going on without it",
			 OSObject_GetClassName(self));
		detach(self);
	}
	OSRelease(self);
}

/* After Stop has returned, or where there was none to call. */
static void
await_super(IOService *self, bool none)
{
	struct IOService_IVars *ivars = service_ivars(self);
	struct loop *loop = services_loop();
	bool finish;

	pthread_mutex_lock(&service_tree);
	ivars->stop_returned = true;
	finish = may_finish_locked(ivars, none || loop == NULL);
	if (!finish && !ivars->finish_begun) {
		/* Under the lock, so that nobody finishes before the timer has its reference. */
		OSRetain(self);
		ivars->grace.fired = late;
		loop_timer_arm(loop, &ivars->grace, clock_now() + SERVICE_STOP_GRACE);
	}
	pthread_mutex_unlock(&service_tree);
	if (finish)
		detach(self);
}

static void
run_stop(struct work *work)
{
	struct IOService_IVars *ivars =
		(void *)((char *)work - offsetof(struct IOService_IVars, stop_work));
	IOService *self = ivars->self;
	bool none;

	OSRetain(self);
	pthread_mutex_lock(&service_tree);
	none = ivars->state == SERVICE_NEW;
	pthread_mutex_unlock(&service_tree);
	if (!none) {
		struct hang_mark mark =
			hang_begin(OSObject_GetClassName(self), "Stop", HANG_NO_SELECTOR);

		IOService_Stop(self, ivars->provider);
		hang_end(mark);
	}
	await_super(self, none);
	OSRelease(self);
}

void
service_stop(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);
	IODispatchQueue *queue = service_copy_queue(self, false);

	/* A driver may have cancelled its own queue: Stop comes all the same. */
	ivars->stop_work = (struct work){.run = run_stop, .dropped = run_stop};
	ivars->finish_work = (struct work){.run = run_finish, .dropped = run_finish};
	if (queue != NULL)
		queue_post(queue, &ivars->stop_work);
	else
		run_stop(&ivars->stop_work);
	OSRelease(queue);
}

kern_return_t
IOService_Start(IOService *self, IOService *provider)
{
	if (self == NULL) {
		log_error("IOService_Start: self is NULL");
		return kIOReturnBadArgument;
	}
	return METHOD(self, service, IOServiceMethods, Start)(self, provider);
}

kern_return_t
IOService_Start_Impl(IOService *self, IOService *provider)
{
	if (self == NULL)
		return kIOReturnBadArgument;
	pthread_mutex_lock(&service_tree);
	service_ivars(self)->super_started = true;
	pthread_mutex_unlock(&service_tree);
	return kIOReturnSuccess;
}

kern_return_t
IOService_Stop(IOService *self, IOService *provider)
{
	struct IOService_IVars *ivars;
	bool called;

	if (self == NULL) {
		log_error("IOService_Stop: self is NULL");
		return kIOReturnBadArgument;
	}
	ivars = service_ivars(self);
	pthread_mutex_lock(&service_tree);
	called = ivars->stop_called;
	ivars->stop_called = true;
	pthread_mutex_unlock(&service_tree);
	if (called)
		return kIOReturnSuccess;
	return METHOD(self, service, IOServiceMethods, Stop)(self, provider);
}

kern_return_t
IOService_Stop_Impl(IOService *self, IOService *provider)
{
	struct IOService_IVars *ivars = service_ivars(self);
	struct loop *loop = services_loop();
	IODispatchQueue *queue;
	bool finish;

	pthread_mutex_lock(&service_tree);
	ivars->super_stopped = true;
	finish = may_finish_locked(ivars, false);
	pthread_mutex_unlock(&service_tree);
	if (!finish)
		return kIOReturnSuccess;
	if (loop != NULL && loop_timer_cancel(loop, &ivars->grace))
		OSRelease(self);
	/* Not from inside the driver's own function, which may go on to use the object. */
	queue = service_copy_queue(self, false);
	if (queue != NULL)
		queue_post(queue, &ivars->finish_work);
	else
		run_finish(&ivars->finish_work);
	OSRelease(queue);
	return kIOReturnSuccess;
}
