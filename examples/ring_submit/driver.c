/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that squares what comes through its rings, in batches, and gives it back. What finds no
 * room on the way back is kept, and nothing is taken until it has gone.
 */
#include <DriverKit/DriverKit.h>

#include "squares.h"

#define BATCH 64

static const OSMetaClass gRingSubmitMetaClass, gRingSubmitUserClientMetaClass;

struct RingSubmitUserClient_IVars {
	DextRingDispatchSource *ring;
	OSAction *ready;
	struct square batch[BATCH];
	uint32_t first, count; /* of the batch, not given back yet */
};
#define ivars(self) OSObjectIVars(RingSubmitUserClient, self)

/* The rings' handler, on the user client's queue: there are entries, or there is room again. */
static void
on_ready(OSObject *self, OSAction *action)
{
	struct RingSubmitUserClient_IVars *client = ivars(self);

	for (;;) {
		uint32_t pushed;

		if (client->count == 0) {
			client->first = 0;
			if (DextRingDispatchSource_Pop(client->ring, client->batch, BATCH,
						       &client->count) != kIOReturnSuccess)
				return;
			for (uint32_t i = 0; i < client->count; i++)
				client->batch[i].square =
					client->batch[i].number * client->batch[i].number;
		}
		DextRingDispatchSource_Push(client->ring, &client->batch[client->first],
					    client->count, &pushed);
		client->first += pushed;
		client->count -= pushed;
		/* It is called again when there is room. */
		if (client->count > 0)
			return;
	}
}

static kern_return_t
RingSubmitUserClient_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);
	IODispatchQueue *queue = NULL;

	if (result == kIOReturnSuccess)
		result = OSObject_CopyDispatchQueue((OSObject *)self, kIOServiceDefaultQueueName,
						    &queue);
	if (result == kIOReturnSuccess)
		result = DextRingDispatchSource_Create(sizeof(struct square), SQUARES_ENTRIES,
						       SQUARES_ENTRIES, queue, &ivars(self)->ring);
	if (result == kIOReturnSuccess)
		result = DextRingDispatchSource_CreateActionReady((OSObject *)self, on_ready, 0,
								  &ivars(self)->ready);
	if (result == kIOReturnSuccess)
		result = DextRingDispatchSource_SetReadyHandler(ivars(self)->ring,
								ivars(self)->ready);
	OSSafeReleaseNULL(queue);
	return result;
}

static kern_return_t
RingSubmitUserClient_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->ring != NULL)
		IODispatchSource_Cancel_f((IODispatchSource *)ivars(self)->ring, NULL, NULL);
	OSSafeReleaseNULL(ivars(self)->ready);
	return IOService_Stop_Impl(self, provider);
}

/* The app called dext_ring_create: the rings' memory is mapped into it. */
static kern_return_t
RingSubmitUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
					     IOMemoryDescriptor **memory)
{
	if (type != SQUARES_RINGS)
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	return DextRingDispatchSource_CopyMemory(ivars(self)->ring, memory);
}

static void
RingSubmitUserClient_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->ring);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static kern_return_t
RingSubmit_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	return result == kIOReturnSuccess ? IOService_RegisterService(self) : result;
}

/* An app called IOServiceOpen. Info.plist says of which class "UserClientProperties" is. */
static kern_return_t
RingSubmit_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t result = IOService_Create(self, self, "UserClientProperties", &client);

	if (result == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return result;
}

/* A class is data: a name, a superclass, and tables of the methods that it overrides. */

static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = RingSubmit_Start,
	.NewUserClient = RingSubmit_NewUserClient,
};
static const OSMetaClass gRingSubmitMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "RingSubmit",
	.superclass = OSTypeID(IOService),
	.service = &service_methods,
};

static const OSObjectMethods client_object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = RingSubmitUserClient_free,
};
static const IOServiceMethods client_service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = RingSubmitUserClient_Start,
	.Stop = RingSubmitUserClient_Stop,
};
static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.CopyClientMemoryForType = RingSubmitUserClient_CopyClientMemoryForType,
};
static const OSMetaClass gRingSubmitUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "RingSubmitUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct RingSubmitUserClient_IVars),
	.object = &client_object_methods,
	.service = &client_service_methods,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(RingSubmit), OSTypeID(RingSubmitUserClient))
