/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver at the other end of the bench's calls: it copies 16 scalars, and has one buffer, and a
 * ring whose entries it checks.
 */
#include <DriverKit/DriverKit.h>

#include <stdlib.h>
#include <string.h>

#include "../peers/ring_entry.h"
#include "bench.h"

#define BUFFER_SIZE (UINT64_C(64) << 20)

struct Bench_IVars {
	uint64_t unused;
};

struct BenchUserClient_IVars {
	IOBufferMemoryDescriptor *memory;
	DextRingDispatchSource *ring; /* NULL: nobody has asked for it */
	OSAction *ready;
	uint64_t expected;
	struct ring_entry batch[RING_BATCH_MAX];
};
#define ivars(self) OSObjectIVars(BenchUserClient, self)

extern const OSMetaClass gBenchMetaClass, gBenchUserClientMetaClass;

static kern_return_t
bench_start(IOService *self, IOService *provider)
{
	kern_return_t status = IOService_Start_Impl(self, provider);

	return status == kIOReturnSuccess ? IOService_RegisterService(self) : status;
}

static kern_return_t
bench_new_user_client(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t status = IOService_Create(self, self, "UserClientProperties", &client);

	if (status == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return status;
}

static const IOServiceMethods bench_service = {
	.size = sizeof(IOServiceMethods),
	.Start = bench_start,
	.NewUserClient = bench_new_user_client,
};

const OSMetaClass gBenchMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Bench",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Bench_IVars),
	.service = &bench_service,
};

static kern_return_t
echo(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	memcpy(arguments->scalarOutput, arguments->scalarInput, 16 * sizeof(uint64_t));
	return kIOReturnSuccess;
}

static const IOUserClientMethodDispatch methods[] = {
	{echo, 0, 16, 0, 16, 0},
};

static kern_return_t
client_method(IOUserClient *self, uint64_t selector, IOUserClientMethodArguments *arguments,
	      const IOUserClientMethodDispatch *dispatch, OSObject *target, void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0]))
		return kIOReturnUnsupported;
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, reference);
}

/* The ring's handler: all that there is, as many at once as may come. */
static void
on_ready(OSObject *self, OSAction *action)
{
	struct BenchUserClient_IVars *own = ivars(self);
	uint32_t count;

	while (DextRingDispatchSource_Pop(own->ring, own->batch, RING_BATCH_MAX, &count) ==
	       kIOReturnSuccess)
		for (uint32_t i = 0; i < count; i++)
			if (!ring_entry_is(&own->batch[i], own->expected++))
				abort();
}

/* Only for the client that asks, so that the others have none to be looked at. */
static kern_return_t
make_ring(IOUserClient *self)
{
	IODispatchQueue *queue = NULL;
	kern_return_t status =
		OSObject_CopyDispatchQueue((OSObject *)self, kIOServiceDefaultQueueName, &queue);

	if (status == kIOReturnSuccess)
		status = DextRingDispatchSource_Create(sizeof(struct ring_entry), RING_CAPACITY,
						       RING_CAPACITY, queue, &ivars(self)->ring);
	if (status == kIOReturnSuccess)
		status = DextRingDispatchSource_CreateActionReady((OSObject *)self, on_ready, 0,
								  &ivars(self)->ready);
	if (status == kIOReturnSuccess)
		status = DextRingDispatchSource_SetReadyHandler(ivars(self)->ring,
								ivars(self)->ready);
	OSSafeReleaseNULL(queue);
	return status;
}

static kern_return_t
client_memory(IOUserClient *self, uint64_t type, uint64_t *options, IOMemoryDescriptor **memory)
{
	kern_return_t status = kIOReturnSuccess;

	if (type == BENCH_RING) {
		if (ivars(self)->ring == NULL)
			status = make_ring(self);
		return status == kIOReturnSuccess
			       ? DextRingDispatchSource_CopyMemory(ivars(self)->ring, memory)
			       : status;
	}
	if (type != BENCH_BUFFER)
		return kIOReturnBadArgument;
	if (ivars(self)->memory == NULL)
		status = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, BUFFER_SIZE, 0,
							 &ivars(self)->memory);
	if (status != kIOReturnSuccess)
		return status;
	OSRetain(ivars(self)->memory);
	*memory = (IOMemoryDescriptor *)ivars(self)->memory;
	return kIOReturnSuccess;
}

static kern_return_t
client_stop(IOService *self, IOService *provider)
{
	if (ivars(self)->ring != NULL)
		IODispatchSource_Cancel_f((IODispatchSource *)ivars(self)->ring, NULL, NULL);
	OSSafeReleaseNULL(ivars(self)->ready);
	return IOService_Stop_Impl(self, provider);
}

static void
client_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->memory);
	OSSafeReleaseNULL(ivars(self)->ring);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods client_object = {
	.size = sizeof(OSObjectMethods),
	.free = client_free,
};

static const IOServiceMethods client_service = {
	.size = sizeof(IOServiceMethods),
	.Stop = client_stop,
};

static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = client_method,
	.CopyClientMemoryForType = client_memory,
};

const OSMetaClass gBenchUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "BenchUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct BenchUserClient_IVars),
	.object = &client_object,
	.service = &client_service,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Bench), OSTypeID(BenchUserClient))
