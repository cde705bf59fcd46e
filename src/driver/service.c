/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOService, the class: its queues, properties and name, and the public functions around them. The
 * life cycle is in service_life.c, the registered services in services.c.
 *
 * A driver's init may go straight to OSObject_init_Impl, and its free to OSObject_free_Impl, so
 * everything here is valid from zeroed memory, and what the service holds is given up when it is
 * detached; free is only the second chance.
 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "object.h"
#include "user_client.h"

struct IOService_IVars *
service_ivars(const IOService *self)
{
	return OSObjectIVars(IOService, self);
}

IODispatchQueue *
service_copy_queue(IOService *self, bool method)
{
	IODispatchQueue *queue = NULL;

	OSRetain(self);
	while (self != NULL && queue == NULL) {
		struct IOService_IVars *ivars = service_ivars(self);
		IOService *provider;

		pthread_mutex_lock(&ivars->lock);
		queue = method && ivars->method_queue != NULL ? ivars->method_queue : ivars->queue;
		OSRetain(queue);
		pthread_mutex_unlock(&ivars->lock);
		pthread_mutex_lock(&service_tree);
		provider = ivars->provider;
		OSRetain(provider);
		pthread_mutex_unlock(&service_tree);
		OSRelease(self);
		self = provider;
		method = false;
	}
	OSRelease(self);
	return queue;
}

static kern_return_t
copy_queue(OSObject *object, IODispatchQueueName name, IODispatchQueue **queue)
{
	IOService *self = (IOService *)object;
	struct IOService_IVars *ivars = service_ivars(self);
	IODispatchQueue *found = NULL;
	IOService *provider;
	kern_return_t res;
	bool stopped;

	pthread_mutex_lock(&service_tree);
	stopped = ivars->stopped;
	provider = ivars->provider;
	OSRetain(provider);
	pthread_mutex_unlock(&service_tree);
	if (stopped) {
		OSRelease(provider);
		return kIOReturnError;
	}
	pthread_mutex_lock(&ivars->lock);
	if (strcmp(name, kIOServiceDefaultQueueName) == 0)
		found = ivars->queue;
	else if (strcmp(name, kIOUserClientQueueNameExternalMethod) == 0)
		found = ivars->method_queue;
	OSRetain(found);
	pthread_mutex_unlock(&ivars->lock);
	if (found != NULL) {
		*queue = found;
		res = kIOReturnSuccess;
	} else if (provider != NULL) {
		res = OSObject_CopyDispatchQueue((OSObject *)provider, name, queue);
		/* Not to be kept, then. */
		if ((((OSObject *)provider)->marks & OBJECT_KEEPS_QUEUES) == 0)
			queues_changed();
	} else {
		res = kIOReturnNotFound;
	}
	OSRelease(provider);
	return res;
}

static kern_return_t
set_queue(OSObject *object, IODispatchQueueName name, IODispatchQueue *queue)
{
	struct IOService_IVars *ivars = service_ivars((IOService *)object);
	IODispatchQueue **place, *old;

	if (strcmp(name, kIOServiceDefaultQueueName) == 0) {
		place = &ivars->queue;
	} else if (strcmp(name, kIOUserClientQueueNameExternalMethod) == 0 &&
		   OSDynamicCast(IOUserClient, object) != NULL) {
		place = &ivars->method_queue;
	} else {
		log_error("%s: SetDispatchQueue: the class has no methods on queue '%s'",
			  OSObject_GetClassName(object), name);
		return kIOReturnBadArgument;
	}
	OSRetain(queue);
	pthread_mutex_lock(&ivars->lock);
	old = *place;
	*place = queue;
	pthread_mutex_unlock(&ivars->lock);
	queues_changed();
	OSRelease(old);
	return kIOReturnSuccess;
}

bool
IOService_init_Impl(IOService *self)
{
	return OSObject_init_Impl((OSObject *)self);
}

void
IOService_free_Impl(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);

	OSSafeReleaseNULL(ivars->queue);
	OSSafeReleaseNULL(ivars->method_queue);
	OSSafeReleaseNULL(ivars->properties);
	OSSafeReleaseNULL(ivars->provider);
	OSObject_free_Impl((OSObject *)self);
}

static bool
init(OSObject *self)
{
	return IOService_init_Impl((IOService *)self);
}

static void
deinit(OSObject *self)
{
	IOService_free_Impl((IOService *)self);
}

static bool
put(void *context, const char *key, OSObject *value)
{
	OSDictionarySetValue(context, key, value);
	return false;
}

/* A new dictionary of both, either may be NULL; NULL without memory. */
OSDictionary *
service_copy_merged(OSDictionary *properties, OSDictionary *over)
{
	OSDictionary *merged = OSDictionaryCreate(16);

	if (merged == NULL)
		return NULL;
	if (properties != NULL)
		OSDictionaryApply_f(properties, merged, put);
	if (over != NULL)
		OSDictionaryApply_f(over, merged, put);
	return merged;
}

kern_return_t
IOService_CopyProperties(IOService *self, OSDictionary **properties)
{
	if (self == NULL || properties == NULL) {
		log_error("IOService_CopyProperties: %s is NULL",
			  self == NULL ? "self" : "properties");
		return kIOReturnBadArgument;
	}
	return METHOD(self, service, IOServiceMethods, CopyProperties)(self, properties);
}

kern_return_t
IOService_CopyProperties_Impl(IOService *self, OSDictionary **properties)
{
	struct IOService_IVars *ivars = service_ivars(self);
	OSDictionary *held, *merged;

	pthread_mutex_lock(&ivars->lock);
	held = ivars->properties;
	OSRetain(held);
	pthread_mutex_unlock(&ivars->lock);
	merged = service_copy_merged(held, NULL);
	OSRelease(held);
	if (merged == NULL)
		return kIOReturnNoMemory;
	*properties = merged;
	return kIOReturnSuccess;
}

kern_return_t
IOService_SetProperties(IOService *self, OSDictionary *properties)
{
	if (self == NULL || properties == NULL) {
		log_error("IOService_SetProperties: %s is NULL",
			  self == NULL ? "self" : "properties");
		return kIOReturnBadArgument;
	}
	return METHOD(self, service, IOServiceMethods, SetProperties)(self, properties);
}

kern_return_t
IOService_SetProperties_Impl(IOService *self, OSDictionary *properties)
{
	struct IOService_IVars *ivars = service_ivars(self);
	OSDictionary *old, *merged;

	/* The merge runs under the lock so that two of them do not lose each other's keys. */
	pthread_mutex_lock(&ivars->lock);
	merged = service_copy_merged(ivars->properties, properties);
	old = ivars->properties;
	if (merged != NULL)
		ivars->properties = merged;
	pthread_mutex_unlock(&ivars->lock);
	if (merged == NULL)
		return kIOReturnNoMemory;
	OSRelease(old);
	services_republish(self);
	return kIOReturnSuccess;
}

kern_return_t
IOService_SetName(IOService *self, const char *name)
{
	struct IOService_IVars *ivars;
	size_t length = self == NULL || name == NULL ? 0 : strlen(name);

	if (length == 0 || length >= SERVICE_NAME_MAX) {
		log_error("IOService_SetName: name: 1 to %d bytes expected", SERVICE_NAME_MAX - 1);
		return kIOReturnBadArgument;
	}
	ivars = service_ivars(self);
	pthread_mutex_lock(&ivars->lock);
	snprintf(ivars->name, sizeof(ivars->name), "%s", name);
	pthread_mutex_unlock(&ivars->lock);
	services_republish(self);
	return kIOReturnSuccess;
}

kern_return_t
IOService_CopyName(IOService *self, OSString **name)
{
	struct IOService_IVars *ivars;
	OSString *copy;

	if (self == NULL || name == NULL) {
		log_error("IOService_CopyName: %s is NULL", self == NULL ? "self" : "name");
		return kIOReturnBadArgument;
	}
	ivars = service_ivars(self);
	pthread_mutex_lock(&ivars->lock);
	copy = OSStringCreateWithCString(ivars->name[0] != '\0' ? ivars->name
								: OSObject_GetClassName(self));
	pthread_mutex_unlock(&ivars->lock);
	if (copy == NULL)
		return kIOReturnNoMemory;
	*name = copy;
	return kIOReturnSuccess;
}

IOService *
IOService_GetProvider(const IOService *self)
{
	struct IOService_IVars *ivars;
	IOService *provider;

	if (self == NULL)
		return NULL;
	ivars = service_ivars(self);
	pthread_mutex_lock(&service_tree);
	provider = ivars->provider;
	pthread_mutex_unlock(&service_tree);
	return provider;
}

kern_return_t
IOService_GetRegistryEntryID(IOService *self, uint64_t *registryEntryID)
{
	if (self == NULL || registryEntryID == NULL) {
		log_error("IOService_GetRegistryEntryID: %s is NULL",
			  self == NULL ? "self" : "registryEntryID");
		return kIOReturnBadArgument;
	}
	pthread_mutex_lock(&service_tree);
	*registryEntryID = service_ivars(self)->id;
	pthread_mutex_unlock(&service_tree);
	return kIOReturnSuccess;
}

kern_return_t
IOService_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	if (self == NULL || userClient == NULL) {
		log_error("IOService_NewUserClient: %s is NULL",
			  self == NULL ? "self" : "userClient");
		return kIOReturnBadArgument;
	}
	return METHOD(self, service, IOServiceMethods, NewUserClient)(self, type, userClient);
}

kern_return_t
IOService_NewUserClient_Impl(IOService *self, uint32_t type, IOUserClient **userClient)
{
	log_error("%s: opened with type %u, and the class has no NewUserClient",
		  OSObject_GetClassName(self), type);
	return kIOReturnError;
}

kern_return_t
IOService_RegisterService(IOService *self)
{
	if (self == NULL) {
		log_error("IOService_RegisterService: self is NULL");
		return kIOReturnBadArgument;
	}
	return services_register(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = deinit,
	.SetDispatchQueue = set_queue,
	.CopyDispatchQueue = copy_queue,
};

static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = IOService_Start_Impl,
	.Stop = IOService_Stop_Impl,
	.NewUserClient = IOService_NewUserClient_Impl,
	.CopyProperties = IOService_CopyProperties_Impl,
	.SetProperties = IOService_SetProperties_Impl,
};

const OSMetaClass gIOServiceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOService",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct IOService_IVars),
	.object = &object_methods,
	.service = &service_methods,
};
