/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services of this process that apps can find: ids, and what is told to whoever publishes.
 *
 * A service is in the table from RegisterService (or the end of the Start in which it was called)
 * until its termination begins. The publisher is called with publish_lock held, so that it sees
 * each service's events in their order; it may take no lock of the service layer.
 *
 * Any thread. Lock order: publish_lock, tree, a service's own.
 */
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bound_settings.h"
#include "bounds.h"
#include "bundle.h"
#include "log.h"
#include "status.h"

pthread_mutex_t service_tree = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t publish_lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	struct loop *loop;			    /* [const] */
	const struct services_publisher *publisher; /* [const] */
	uint64_t provider_id;			    /* [const] */
	IOService *table[DEXT_LIMIT_SERVICES_HOST]; /* [tree] +1 each */
} services;

void
services_set(struct loop *loop, const struct services_publisher *publisher, uint64_t provider_id)
{
	services.loop = loop;
	services.publisher = publisher;
	services.provider_id = provider_id;
}

struct loop *
services_loop(void)
{
	return services.loop;
}

IOService *
services_copy(uint64_t id)
{
	IOService *found = NULL;

	pthread_mutex_lock(&service_tree);
	for (size_t i = 0; i < DEXT_LIMIT_SERVICES_HOST && found == NULL; i++)
		if (services.table[i] != NULL && service_ivars(services.table[i])->id == id)
			found = services.table[i];
	OSRetain(found);
	pthread_mutex_unlock(&service_tree);
	return found;
}

static uint64_t
new_id(void)
{
	uint64_t id = 0;

	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			id = 0;
	return id;
}

/* What apps see: the service's own properties and, over them, what it is. */
static OSDictionary *
copy_published(IOService *self, const char *provider_class)
{
	struct IOService_IVars *ivars = service_ivars(self);
	const char *bundle_id = bundle_identifier(ivars->bundle);
	OSDictionary *own = NULL, *all;
	OSString *name = NULL;

	/* The base class's own: an override is driver code, which may want our lock. */
	if (IOService_CopyProperties_Impl(self, &own) != kIOReturnSuccess)
		own = NULL;
	all = service_copy_merged(own, NULL);
	OSRelease(own);
	if (all == NULL || IOService_CopyName(self, &name) != kIOReturnSuccess) {
		OSRelease(all);
		return NULL;
	}
	OSDictionarySetStringValue(all, "IOClass", "IOUserService");
	OSDictionarySetStringValue(all, "IOUserClass", OSObject_GetClassName(self));
	OSDictionarySetValue(all, "IORegistryEntryName", name);
	OSRelease(name);
	if (bundle_id[0] != '\0') {
		OSDictionarySetStringValue(all, "CFBundleIdentifier", bundle_id);
		if (OSDictionaryGetStringValue(all, "IOUserServerName") == NULL)
			OSDictionarySetStringValue(all, "IOUserServerName", bundle_id);
	}
	if (OSDictionaryGetStringValue(all, "IOProviderClass") == NULL)
		OSDictionarySetStringValue(all, "IOProviderClass", provider_class);
	return all;
}

/* What is in force, whether the bundle has said so or not. */
static void
set_limits(OSDictionary *properties)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		OSDictionarySetUInt64Value(properties, limit_settings[i].key,
					   limit_of((enum limit)i));
}

/* [publish_lock] */
static void
publish_locked(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);
	OSDictionary *properties;
	const char *provider_class;
	uint64_t id, provider_id;
	IOService *provider;
	bool known;

	if (services.publisher == NULL)
		return;
	pthread_mutex_lock(&service_tree);
	known = ivars->registered && !ivars->terminating;
	id = ivars->id;
	provider = ivars->provider;
	provider_id = provider == NULL || service_ivars(provider)->id == 0
			      ? services.provider_id
			      : service_ivars(provider)->id;
	provider_class = OSObject_GetClassName(provider);
	pthread_mutex_unlock(&service_tree);
	if (!known)
		return;
	properties = copy_published(self, provider_class);
	if (properties != NULL && provider_id == services.provider_id)
		set_limits(properties);
	if (properties != NULL)
		services.publisher->publish(id, provider_id, properties);
	else
		log_error("%s: not published: no memory", OSObject_GetClassName(self));
	OSRelease(properties);
}

/* Takes a place in the table. [tree] */
static IOReturn
enter_locked(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);

	for (size_t i = 0; i < DEXT_LIMIT_SERVICES_HOST; i++) {
		if (services.table[i] != NULL)
			continue;
		services.table[i] = self;
		OSRetain(self);
		ivars->id = new_id();
		ivars->registered = true;
		return kIOReturnSuccess;
	}
	return kIOReturnNoResources;
}

IOReturn
services_register(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);
	IOReturn res = kIOReturnSuccess;
	bool publish = false;

	pthread_mutex_lock(&publish_lock);
	pthread_mutex_lock(&service_tree);
	if (!ivars->managed || ivars->state == SERVICE_NEW) {
		res = kIOReturnNotReady;
	} else if (ivars->terminating) {
		res = kIOReturnOffline;
	} else if (ivars->state == SERVICE_STARTING) {
		ivars->register_asked = true;
	} else if (!ivars->registered) {
		res = enter_locked(self);
		publish = res == kIOReturnSuccess;
	}
	pthread_mutex_unlock(&service_tree);
	if (publish)
		publish_locked(self);
	pthread_mutex_unlock(&publish_lock);
	if (res == kIOReturnNoResources)
		log_error("%s: RegisterService: the limit of %u services of a host "
			  "(DEXT_LIMIT_SERVICES_HOST) is reached",
			  OSObject_GetClassName(self), DEXT_LIMIT_SERVICES_HOST);
	else if (res != kIOReturnSuccess)
		log_error("%s: RegisterService: the service %s", OSObject_GetClassName(self),
			  res == kIOReturnOffline ? "is terminating" : "was never started");
	return res;
}

void
services_republish(IOService *self)
{
	bool registered;

	pthread_mutex_lock(&service_tree);
	registered = service_ivars(self)->registered;
	pthread_mutex_unlock(&service_tree);
	if (!registered)
		return;
	pthread_mutex_lock(&publish_lock);
	publish_locked(self);
	pthread_mutex_unlock(&publish_lock);
}

/* [tree] */
static bool
is_below(const IOService *self, const IOService *other)
{
	for (; self != NULL; self = service_ivars(self)->provider)
		if (self == other)
			return true;
	return false;
}

/*
 * Those in the table, +1 each, providers before what is below them: an earlier place in the table
 * may have become free later.
 */
static size_t
copy_all(IOService *found[DEXT_LIMIT_SERVICES_HOST])
{
	size_t count = 0;

	pthread_mutex_lock(&service_tree);
	for (size_t i = 0; i < DEXT_LIMIT_SERVICES_HOST; i++) {
		size_t at = 0;

		if (services.table[i] == NULL)
			continue;
		while (at < count && !is_below(found[at], services.table[i]))
			at++;
		memmove(&found[at + 1], &found[at], (count - at) * sizeof(IOService *));
		found[at] = services.table[i];
		OSRetain(services.table[i]);
		count++;
	}
	pthread_mutex_unlock(&service_tree);
	return count;
}

static void
publish_all(bool list)
{
	IOService *found[DEXT_LIMIT_SERVICES_HOST];
	size_t count;

	pthread_mutex_lock(&publish_lock);
	count = copy_all(found);
	if (list && services.publisher != NULL)
		services.publisher->list(true);
	for (size_t i = 0; i < count; i++)
		publish_locked(found[i]);
	if (list && services.publisher != NULL)
		services.publisher->list(false);
	pthread_mutex_unlock(&publish_lock);
	for (size_t i = 0; i < count; i++)
		OSRelease(found[i]);
}

void
services_publish_all(void)
{
	publish_all(false);
}

void
services_list(void)
{
	publish_all(true);
}

void
services_unregister(IOService *self)
{
	struct IOService_IVars *ivars = service_ivars(self);
	bool known = false;

	pthread_mutex_lock(&publish_lock);
	pthread_mutex_lock(&service_tree);
	for (size_t i = 0; i < DEXT_LIMIT_SERVICES_HOST; i++) {
		if (services.table[i] != self)
			continue;
		services.table[i] = NULL;
		known = true;
	}
	pthread_mutex_unlock(&service_tree);
	if (known && services.publisher != NULL)
		services.publisher->unpublish(ivars->id);
	pthread_mutex_unlock(&publish_lock);
	if (known)
		OSRelease(self);
}
