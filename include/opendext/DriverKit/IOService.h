/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOService: what a driver is, and what it drives. The host makes the object named by IOUserClass
 * in the bundle's Info.plist, gives it a Default queue and calls Start with the provider; the
 * driver calls RegisterService when apps may find it, and NewUserClient is asked for an object for
 * each app that opens it.
 *
 * Start, Stop, NewUserClient and the methods of user clients run on the object's Default queue,
 * which a user client shares with the driver that made it: they never overlap.
 */
#ifndef OPENDEXT_DRIVERKIT_IOSERVICE_H
#define OPENDEXT_DRIVERKIT_IOSERVICE_H

#include <DriverKit/OSAction.h>
#include <DriverKit/OSCollections.h>

DEXT_BEGIN_DECLS

typedef struct IOService IOService;
typedef struct IOUserClient IOUserClient;

typedef struct IOServiceMethods {
	size_t size; /* sizeof(IOServiceMethods) */
	/* An override calls IOService_Start_Impl first. Failure: the object is stopped and
	 * released. */
	kern_return_t (*Start)(IOService *self, IOService *provider);
	/*
	 * The provider has gone, Terminate was called, or (a user client) the app closed. An
	 * override ends with IOService_Stop_Impl; it may do so later, from the last of its cancel
	 * handlers.
	 */
	kern_return_t (*Stop)(IOService *self, IOService *provider);
	/* An app opens the service with `type`; usually one call of IOService_Create. */
	kern_return_t (*NewUserClient)(IOService *self, uint32_t type, IOUserClient **userClient);
	/* The merged properties; the caller releases them. */
	kern_return_t (*CopyProperties)(IOService *self, OSDictionary **properties);
	kern_return_t (*SetProperties)(IOService *self, OSDictionary *properties);
} IOServiceMethods;

extern const OSMetaClass gIOServiceMetaClass;

/* What a subclass's init starts with and its free ends with. */
bool IOService_init_Impl(IOService *self);
void IOService_free_Impl(IOService *self);

/*
 * Calls the override of the object's class, or the base implementation, which is success. Called
 * by the framework, on the Default queue of the service; blocks for as long as the override does.
 */
kern_return_t IOService_Start(IOService *self, IOService *provider);
kern_return_t IOService_Start_Impl(IOService *self, IOService *provider);
kern_return_t IOService_Stop(IOService *self, IOService *provider);
kern_return_t IOService_Stop_Impl(IOService *self, IOService *provider);
/* The base implementation returns kIOReturnError: the service cannot be opened. */
kern_return_t IOService_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient);
kern_return_t IOService_NewUserClient_Impl(IOService *self, uint32_t type,
					   IOUserClient **userClient);

/*
 * Lets apps find the service. Called inside Start it takes effect when Start has succeeded. A
 * second call is success and changes nothing.
 */
kern_return_t IOService_RegisterService(IOService *self);
/*
 * Begins the end of the service: apps are told, user clients are stopped, then Stop is called;
 * returns at once. options must be 0, else kIOReturnUnsupported. kIOReturnNotPermitted for a
 * device's own service.
 */
kern_return_t IOService_Terminate(IOService *self, uint64_t options);

/*
 * Makes the object that the dictionary under `propertiesKey` of this service's properties
 * describes: its IOClass says what kind (IOUserUserClient: a user client; IOUserService: a child
 * service), its IOUserClass names the class. The object's init and Start (with this service as
 * provider) have run when Create returns. The caller releases the object. provider must be self,
 * else kIOReturnUnsupported. kIOReturnBadArgument: no such dictionary, no IOClass in it, or no
 * class of that name in the bundle (the log says which). Otherwise what Start returned.
 */
kern_return_t IOService_Create(IOService *self, IOService *provider, const char *propertiesKey,
			       IOService **result);

/* Random, unique, never reused; 0 before the registry knows the service. */
kern_return_t IOService_GetRegistryEntryID(IOService *self, uint64_t *registryEntryID);
/* Borrowed; NULL before Start. */
IOService *IOService_GetProvider(const IOService *self);
/* The name by which apps match; by default the class's name. At most 127 bytes. Before
 * RegisterService. */
kern_return_t IOService_SetName(IOService *self, const char *name);
kern_return_t IOService_CopyName(IOService *self, OSString **name);
/* The personality's properties and those that SetProperties merged. The caller releases them. */
kern_return_t IOService_CopyProperties(IOService *self, OSDictionary **properties);
kern_return_t IOService_CopyProperties_Impl(IOService *self, OSDictionary **properties);
/*
 * Merges the dictionary into the service's properties, where apps see it. What an app sets reaches
 * an override only: without one the app gets kIOReturnUnsupported. An override that accepts calls
 * the _Impl.
 */
kern_return_t IOService_SetProperties(IOService *self, OSDictionary *properties);
kern_return_t IOService_SetProperties_Impl(IOService *self, OSDictionary *properties);

DEXT_END_DECLS

#endif
