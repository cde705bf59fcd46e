/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Termination: from the top down it is announced (unpublished, connections end), from the bottom up
 * services stop: a service's Stop is called when all its user clients and child services are
 * detached.
 *
 * Any thread, the services' own queues included; nothing here blocks.
 */
#include "terminate.h"

#include <stdlib.h>

#include "log.h"

static void
stop_if_alone(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);
	bool stop;

	pthread_mutex_lock(&service_tree);
	stop = ivars->terminating && ivars->children == NULL && !ivars->stop_begun &&
	       ivars->managed && ivars->state != SERVICE_STARTING;
	if (stop)
		ivars->stop_begun = true;
	pthread_mutex_unlock(&service_tree);
	if (stop)
		service_stop(self);
}

void
service_may_stop(IOService *self)
{
	stop_if_alone(self);
}

/* The next child that is not yet terminating, +1, or NULL. */
static IOService *
copy_child(struct IOService_IVars *ivars)
{
	IOService *child;

	pthread_mutex_lock(&service_tree);
	child = ivars->children;
	while (child != NULL && service_ivars(child)->terminating)
		child = service_ivars(child)->next_child;
	OSRetain(child);
	pthread_mutex_unlock(&service_tree);
	return child;
}

void
service_terminate(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);
	void (*on_terminate)(void *context);
	IOService *child;
	bool already;

	OSRetain(self);
	pthread_mutex_lock(&service_tree);
	already = ivars->terminating;
	ivars->terminating = true;
	on_terminate = ivars->on_terminate;
	ivars->on_terminate = NULL;
	pthread_mutex_unlock(&service_tree);
	if (!already) {
		services_unregister(self);
		if (on_terminate != NULL)
			on_terminate(ivars->context);
		while ((child = copy_child(ivars)) != NULL) {
			service_terminate(child);
			OSRelease(child);
		}
		stop_if_alone(self);
	}
	OSRelease(self);
}

bool
service_is_terminating(IOService *self)
{
	bool terminating;

	pthread_mutex_lock(&service_tree);
	terminating = service_ivars(self)->terminating;
	pthread_mutex_unlock(&service_tree);
	return terminating;
}

bool
service_watch(IOService *self, void (*on_terminate)(void *context),
	      void (*on_stopped)(void *context), void *context)
{
	struct IOService_IVars *ivars = service_ivars(self);
	bool alive;

	pthread_mutex_lock(&service_tree);
	alive = !ivars->terminating;
	if (alive) {
		ivars->on_terminate = on_terminate;
		ivars->on_stopped = on_stopped;
		ivars->context = context;
	}
	pthread_mutex_unlock(&service_tree);
	return alive;
}

kern_return_t
IOService_Terminate(IOService *self, uint64_t options)
{
	bool managed;

	if (self == NULL) {
		log_error("IOService_Terminate: self is NULL");
		return kIOReturnBadArgument;
	}
	if (options != 0) {
		log_error("IOService_Terminate: options: 0 expected");
		return kIOReturnUnsupported;
	}
	pthread_mutex_lock(&service_tree);
	managed = service_ivars(self)->managed;
	pthread_mutex_unlock(&service_tree);
	if (!managed) {
		log_error("IOService_Terminate: self: a %s is not this driver's to terminate",
			  OSObject_GetClassName(self));
		return kIOReturnNotPermitted;
	}
	service_terminate(self);
	return kIOReturnSuccess;
}
