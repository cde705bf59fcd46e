/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOService_Create: an object from a dictionary of the service's properties. It belongs to the
 * service from then on: it is terminated with it, also when the driver drops its reference.
 *
 * Runs where the driver calls it, usually inside NewUserClient; the new object shares the queue and
 * so starts right there, nested.
 */
#include "service.h"

#include <string.h>

#include "bundle.h"
#include "log.h"
#include "object.h"

#include <DriverKit/IOUserClient.h>

/* Borrowed from `properties`; NULL and a log line without one. */
static OSDictionary *
find(IOService *self, OSDictionary *properties, const char *key)
{
	OSObject *value = OSDictionaryGetValue(properties, key);
	OSDictionary *found = OSDynamicCast(OSDictionary, value);

	if (found == NULL)
		log_error("%s: Create: propertiesKey: %s '%s' among the service's properties",
			  OSObject_GetClassName(self),
			  value == NULL ? "there is no" : "it is no dictionary what is at", key);
	return found;
}

/* Which class the dictionary asks for. */
static IOReturn
choose(IOService *self, const char *key, const OSDictionary *description,
       const OSMetaClass **ret_metaclass)
{
	const char *kind = OSDictionaryGetStringValue(description, "IOClass");
	const char *name = OSDictionaryGetStringValue(description, "IOUserClass");
	const OSMetaClass *metaclass, *expected;

	if (kind == NULL || name == NULL) {
		log_error("%s: Create: '%s' has no string %s", OSObject_GetClassName(self), key,
			  kind == NULL ? "IOClass" : "IOUserClass");
		return kIOReturnBadArgument;
	}
	if (strcmp(kind, "IOUserUserClient") == 0) {
		expected = OSTypeID(IOUserClient);
	} else if (strcmp(kind, "IOUserService") == 0) {
		expected = OSTypeID(IOService);
	} else {
		log_error("%s: Create: '%s': IOClass is '%s', IOUserUserClient or IOUserService "
			  "expected",
			  OSObject_GetClassName(self), key, kind);
		return kIOReturnUnsupported;
	}
	metaclass = bundle_find_class(service_ivars(self)->bundle, name);
	if (metaclass == NULL)
		return kIOReturnBadArgument;
	for (const OSMetaClass *at = metaclass; at != expected; at = at->superclass) {
		if (at != NULL)
			continue;
		log_error("%s: Create: '%s': %s is no subclass of %s", OSObject_GetClassName(self),
			  key, name, expected->name);
		return kIOReturnBadArgument;
	}
	*ret_metaclass = metaclass;
	return kIOReturnSuccess;
}

static IOReturn
create(IOService *self, const char *key, OSDictionary *description, IOService **result)
{
	const OSMetaClass *metaclass = NULL;
	IOService *made = NULL;
	IOReturn res = choose(self, key, description, &metaclass);

	if (res != kIOReturnSuccess)
		return res;
	res = service_create(metaclass, self, description, service_ivars(self)->bundle, NULL,
			     &made);
	if (res != kIOReturnSuccess)
		return res;
	res = service_start(made);
	if (res != kIOReturnSuccess) {
		OSRelease(made);
		return res;
	}
	*result = made;
	return kIOReturnSuccess;
}

kern_return_t
IOService_Create(IOService *self, IOService *provider, const char *propertiesKey,
		 IOService **result)
{
	OSDictionary *properties = NULL, *description;
	kern_return_t res;

	if (self == NULL || propertiesKey == NULL || result == NULL) {
		log_error("IOService_Create: %s is NULL", self == NULL	   ? "self"
							  : result == NULL ? "result"
									   : "propertiesKey");
		return kIOReturnBadArgument;
	}
	if (provider != self) {
		log_error("%s: Create: provider: the object itself expected",
			  OSObject_GetClassName(self));
		return kIOReturnUnsupported;
	}
	if (service_is_terminating(self))
		return kIOReturnOffline;
	res = IOService_CopyProperties_Impl(self, &properties);
	if (res != kIOReturnSuccess)
		return res;
	description = find(self, properties, propertiesKey);
	res = description == NULL ? kIOReturnBadArgument
				  : create(self, propertiesKey, description, result);
	OSRelease(properties);
	return res;
}
