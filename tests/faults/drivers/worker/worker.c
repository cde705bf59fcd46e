/* SPDX-License-Identifier: Apache-2.0 */
/* The service, and the user client with its memory. */
#include "work.h"

#include <dext_virtual.h>

#include <unistd.h>

struct WorkerUserClient_IVars {
	Worker *worker;
	IOMemoryDescriptor *shown; /* to be read only */
};

/* --- the service --- */

static kern_return_t
open_interface(Worker *self)
{
	struct Worker_IVars *worker = ivars(self);
	kern_return_t status =
		IOUSBHostInterface_Open(worker->interface, (IOService *)self, 0, NULL);

	OSSafeReleaseNULL(worker->out);
	OSSafeReleaseNULL(worker->in);
	if (status == kIOReturnSuccess)
		status = IOUSBHostInterface_CopyPipe(worker->interface, DEXT_VIRTUAL_ENDPOINT_IN,
						     &worker->in);
	/* A source has none. */
	if (status == kIOReturnSuccess)
		IOUSBHostInterface_CopyPipe(worker->interface, DEXT_VIRTUAL_ENDPOINT_OUT,
					    &worker->out);
	return status;
}

static kern_return_t
Worker_Start(IOService *self, IOService *provider)
{
	struct Worker_IVars *worker = ivars(self);
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status != kIOReturnSuccess)
		return status;
	worker->interface = OSRequiredCast(IOUSBHostInterface, provider);
	status = open_interface((Worker *)self);
	return status == kIOReturnSuccess ? IOService_RegisterService(self) : status;
}

static kern_return_t
Worker_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->interface != NULL && ivars(self)->left == NULL)
		IOUSBHostInterface_Close(ivars(self)->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

static kern_return_t
Worker_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t status = IOService_Create(self, self, "UserClientProperties", &client);

	if (status == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return status;
}

static void
Worker_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->out);
	OSSafeReleaseNULL(ivars(self)->in);
	OSSafeReleaseNULL(ivars(self)->left);
	IOService_free_Impl((IOService *)self);
}

static const OSObjectMethods worker_object = {
	.size = sizeof(OSObjectMethods),
	.free = Worker_free,
};
static const IOServiceMethods worker_service = {
	.size = sizeof(IOServiceMethods),
	.Start = Worker_Start,
	.Stop = Worker_Stop,
	.NewUserClient = Worker_NewUserClient,
};
const OSMetaClass gWorkerMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = WORKER_SERVICE,
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Worker_IVars),
	.object = &worker_object,
	.service = &worker_service,
};

/* --- the user client --- */

/* Its methods wait for completions, which come on the service's queue, so it needs another one. */
static kern_return_t
client_start(IOService *self, IOService *provider)
{
	IODispatchQueue *queue = NULL;
	kern_return_t status = IOService_Start_Impl(self, provider);

	OSObjectIVars(WorkerUserClient, self)->worker = (Worker *)provider;
	if (status == kIOReturnSuccess)
		status = IODispatchQueue_Create("client", 0, 0, &queue);
	if (status == kIOReturnSuccess)
		status = OSObject_SetDispatchQueue((OSObject *)self, kIOServiceDefaultQueueName,
						   queue);
	OSSafeReleaseNULL(queue);
	return status;
}

/* --- memory --- */

static kern_return_t
make_pages(unsigned count, IOMemoryDescriptor **ret_memory)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	IOBufferMemoryDescriptor *buffer = NULL;
	IOAddressSegment range = {0};
	kern_return_t status = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut,
							       count * page, page, &buffer);

	if (status != kIOReturnSuccess)
		return status;
	status = IOBufferMemoryDescriptor_GetAddressRange(buffer, &range);
	for (unsigned i = 0; i < count && status == kIOReturnSuccess; i++)
		((uint8_t *)(uintptr_t)range.address)[i * page] = WORKER_BYTE;
	*ret_memory = (IOMemoryDescriptor *)buffer;
	return status;
}

static kern_return_t
join(IOMemoryDescriptor **ret_memory)
{
	IOMemoryDescriptor *parts[2] = {NULL};
	kern_return_t status = make_pages(1, &parts[0]);

	if (status == kIOReturnSuccess)
		status = make_pages(1, &parts[1]);
	if (status == kIOReturnSuccess)
		status = IOMemoryDescriptor_CreateWithMemoryDescriptors(kIOMemoryDirectionInOut, 2,
									parts, ret_memory);
	OSSafeReleaseNULL(parts[0]);
	OSSafeReleaseNULL(parts[1]);
	return status;
}

static kern_return_t
take_part(IOMemoryDescriptor **ret_memory)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	IOMemoryDescriptor *whole = NULL;
	kern_return_t status = make_pages(4, &whole);

	if (status == kIOReturnSuccess)
		status = IOMemoryDescriptor_CreateSubMemoryDescriptor(kIOMemoryDirectionInOut, page,
								      2 * page, whole, ret_memory);
	OSSafeReleaseNULL(whole);
	return status;
}

static kern_return_t
copy_memory(IOUserClient *self, uint64_t type, uint64_t *options, IOMemoryDescriptor **memory)
{
	struct WorkerUserClient_IVars *client = OSObjectIVars(WorkerUserClient, self);
	kern_return_t status;

	if (type == WORKER_PART)
		return take_part(memory);
	if (type == WORKER_JOINED)
		return join(memory);
	if (type != WORKER_READ_ONLY)
		return kIOReturnBadArgument;
	*options = kIOUserClientMemoryReadOnly;
	status = make_pages(2, memory);
	if (status == kIOReturnSuccess) {
		OSSafeReleaseNULL(client->shown);
		client->shown = *memory;
		OSRetain(*memory);
	}
	return status;
}

/* What the app may only read the driver can still write, through another mapping, too. */
static kern_return_t
map_again(struct WorkerUserClient_IVars *client)
{
	IOMemoryMap *map = NULL;
	kern_return_t status;

	if (client->shown == NULL)
		return kIOReturnNotReady;
	status = IOMemoryDescriptor_CreateMapping(client->shown, 0, 0, 0, 0, 0, &map);
	if (status == kIOReturnSuccess) {
		IOMemoryMap *over = NULL;
		uint64_t taken = IOMemoryMap_GetAddress(map);

		*(uint8_t *)(uintptr_t)taken = WORKER_BYTE;
		/* Something is there. */
		if (IOMemoryDescriptor_CreateMapping(client->shown, kIOMemoryMapFixedAddress, taken,
						     0, 0, 0, &over) == kIOReturnSuccess)
			status = kIOReturnBadMedia;
		OSSafeReleaseNULL(over);
	}
	OSSafeReleaseNULL(map);
	return status;
}

static kern_return_t
external_method(IOUserClient *self, uint64_t selector, IOUserClientMethodArguments *arguments,
		const IOUserClientMethodDispatch *dispatch, OSObject *target, void *reference)
{
	if (selector == WORKER_REMAP)
		return map_again(OSObjectIVars(WorkerUserClient, self));
	return worker_do(OSObjectIVars(WorkerUserClient, self)->worker, selector);
}

static void
client_free(OSObject *self)
{
	OSSafeReleaseNULL(OSObjectIVars(WorkerUserClient, self)->shown);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods client_object = {
	.size = sizeof(OSObjectMethods),
	.free = client_free,
};
static const IOServiceMethods client_service = {
	.size = sizeof(IOServiceMethods),
	.Start = client_start,
};
static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = external_method,
	.CopyClientMemoryForType = copy_memory,
};
const OSMetaClass gWorkerUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "WorkerUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct WorkerUserClient_IVars),
	.object = &client_object,
	.service = &client_service,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Worker), OSTypeID(WorkerUserClient))
