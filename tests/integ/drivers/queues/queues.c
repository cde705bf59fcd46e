/* SPDX-License-Identifier: Apache-2.0 */
/* A driver without a device that sends and receives numbered entries through data queues. */
#include "queues.h"

#include <DriverKit/DriverKit.h>
#include <time.h>

#define RETRY_NSEC 1000000 /* where nobody tells of room */

struct lane {
	IODataQueueDispatchSource *queue;
	OSAction *available, *serviced;
	uint64_t left; /* to be produced */
	uint64_t done, wrong, calls;
};

struct Queues_IVars {
	IODataQueueDispatchSource *shared;
};

struct QueuesUserClient_IVars {
	struct lane lanes[QUEUES_TYPES];
	IOTimerDispatchSource *retry;
	OSAction *retried;
	IODataQueueDispatchSource *shared;
};

extern const OSMetaClass gQueuesMetaClass, gQueuesUserClientMetaClass;

/* --- the service --- */

static kern_return_t
Queues_Start(IOService *self, IOService *provider)
{
	kern_return_t status = IOService_Start_Impl(self, provider);
	IODispatchQueue *queue = NULL;

	if (status == kIOReturnSuccess)
		status = OSObject_CopyDispatchQueue((OSObject *)self, "Default", &queue);
	if (status == kIOReturnSuccess)
		status = IODataQueueDispatchSource_Create(QUEUES_BYTES, queue,
							  &OSObjectIVars(Queues, self)->shared);
	OSSafeReleaseNULL(queue);
	return status == kIOReturnSuccess ? IOService_RegisterService(self) : status;
}

static void
Queues_free(OSObject *self)
{
	OSSafeReleaseNULL(OSObjectIVars(Queues, self)->shared);
	IOService_free_Impl((IOService *)self);
}

static kern_return_t
Queues_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t status = IOService_Create(self, self, "UserClientProperties", &client);

	if (status == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return status;
}

static const OSObjectMethods queues_object = {
	.size = sizeof(OSObjectMethods),
	.free = Queues_free,
};

static const IOServiceMethods queues_service = {
	.size = sizeof(IOServiceMethods),
	.Start = Queues_Start,
	.NewUserClient = Queues_NewUserClient,
};

const OSMetaClass gQueuesMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Queues",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Queues_IVars),
	.object = &queues_object,
	.service = &queues_service,
};

/* --- producing and consuming --- */

static uint64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static struct QueuesUserClient_IVars *
ivars(const void *self)
{
	return OSObjectIVars(QueuesUserClient, self);
}

static void
fill(void *context, void *data, size_t size)
{
	queues_fill(data, (uint32_t)((struct lane *)context)->done);
}

static void
produce(struct QueuesUserClient_IVars *client, struct lane *lane)
{
	kern_return_t status = kIOReturnSuccess;

	while (lane->left > 0 && status == kIOReturnSuccess) {
		status = IODataQueueDispatchSource_Enqueue_f(
			lane->queue, queues_size((uint32_t)lane->done), lane, fill);
		if (status == kIOReturnSuccess) {
			lane->left--;
			lane->done++;
		}
	}
	if (status != kIOReturnSuccess && status != kIOReturnOverrun)
		lane->wrong++;
	if (status == kIOReturnOverrun && lane == &client->lanes[QUEUES_CLASSIC_OUT])
		IOTimerDispatchSource_WakeAtTime(client->retry, kIOTimerClockMachAbsoluteTime,
						 now() + RETRY_NSEC, 0);
}

static void
on_retry(OSObject *target, OSAction *action, uint64_t time)
{
	struct QueuesUserClient_IVars *client = ivars(target);

	if (time > now())
		client->lanes[QUEUES_CLASSIC_OUT].wrong++;
	produce(client, &client->lanes[QUEUES_CLASSIC_OUT]);
}

static void
on_room(OSObject *target, OSAction *action)
{
	struct lane *lane = *(struct lane **)OSAction_GetReference(action);

	lane->calls++;
	produce(ivars(target), lane);
}

static void
take(void *context, const void *data, size_t size)
{
	struct lane *lane = context;

	if (!queues_is(data, size, (uint32_t)lane->done))
		lane->wrong++;
	lane->done++;
}

static void
on_data(OSObject *target, OSAction *action)
{
	struct lane *lane = *(struct lane **)OSAction_GetReference(action);
	kern_return_t status;

	lane->calls++;
	do
		status = IODataQueueDispatchSource_Dequeue_f(lane->queue, lane, take);
	while (status == kIOReturnSuccess);
	if (status != kIOReturnUnderrun)
		lane->wrong++;
}

/* --- the user client --- */

static kern_return_t
make_lane(IOService *self, IODispatchQueue *queue, unsigned type)
{
	struct lane *lane = &ivars(self)->lanes[type];
	kern_return_t status;

	if (type < QUEUES_DISPATCH_OUT)
		status = dext_data_queue_create(QUEUES_BYTES, queue, &lane->queue);
	else
		status = IODataQueueDispatchSource_Create(QUEUES_BYTES, queue, &lane->queue);
	if (status == kIOReturnSuccess)
		status = IODataQueueDispatchSource_CreateActionDataAvailable(
			(OSObject *)self, on_data, sizeof(lane), &lane->available);
	if (status == kIOReturnSuccess)
		status = IODataQueueDispatchSource_CreateActionDataServiced(
			(OSObject *)self, on_room, sizeof(lane), &lane->serviced);
	if (status != kIOReturnSuccess)
		return status;
	*(struct lane **)OSAction_GetReference(lane->available) = lane;
	*(struct lane **)OSAction_GetReference(lane->serviced) = lane;
	if (type == QUEUES_CLASSIC_IN || type == QUEUES_DISPATCH_IN)
		return IODataQueueDispatchSource_SetDataAvailableHandler(lane->queue,
									 lane->available);
	return IODataQueueDispatchSource_SetDataServicedHandler(lane->queue, lane->serviced);
}

static kern_return_t
client_start(IOService *self, IOService *provider)
{
	struct QueuesUserClient_IVars *client = ivars(self);
	kern_return_t status = IOService_Start_Impl(self, provider);
	IODispatchQueue *queue = NULL;

	if (status == kIOReturnSuccess)
		status = OSObject_CopyDispatchQueue((OSObject *)self, "Default", &queue);
	for (unsigned type = 0; type < QUEUES_TYPES && status == kIOReturnSuccess; type++)
		status = make_lane(self, queue, type);
	if (status == kIOReturnSuccess)
		status = IOTimerDispatchSource_Create(queue, &client->retry);
	if (status == kIOReturnSuccess)
		status = IOTimerDispatchSource_CreateActionTimerOccurred((OSObject *)self, on_retry,
									 0, &client->retried);
	if (status == kIOReturnSuccess)
		status = IOTimerDispatchSource_SetHandler(client->retry, client->retried);
	client->shared = OSObjectIVars(Queues, provider)->shared;
	OSRetain(client->shared);
	OSSafeReleaseNULL(queue);
	return status;
}

static kern_return_t
client_stop(IOService *self, IOService *provider)
{
	struct QueuesUserClient_IVars *client = ivars(self);

	for (unsigned type = 0; type < QUEUES_TYPES; type++)
		if (client->lanes[type].queue != NULL)
			IODispatchSource_Cancel_f((IODispatchSource *)client->lanes[type].queue,
						  NULL, NULL);
	if (client->retry != NULL)
		IODispatchSource_Cancel_f((IODispatchSource *)client->retry, NULL, NULL);
	/* They hold this object. */
	for (unsigned type = 0; type < QUEUES_TYPES; type++) {
		OSSafeReleaseNULL(client->lanes[type].available);
		OSSafeReleaseNULL(client->lanes[type].serviced);
	}
	OSSafeReleaseNULL(client->retried);
	return IOService_Stop_Impl(self, provider);
}

static void
client_free(OSObject *self)
{
	for (unsigned type = 0; type < QUEUES_TYPES; type++)
		OSSafeReleaseNULL(ivars(self)->lanes[type].queue);
	OSSafeReleaseNULL(ivars(self)->retry);
	OSSafeReleaseNULL(ivars(self)->shared);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static kern_return_t
start_producing(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct lane *lane;

	if (arguments->scalarInput[0] >= QUEUES_TYPES)
		return kIOReturnBadArgument;
	lane = &ivars(target)->lanes[arguments->scalarInput[0]];
	lane->left += arguments->scalarInput[1];
	produce(ivars(target), lane);
	return kIOReturnSuccess;
}

static kern_return_t
get_status(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	const struct lane *lane;

	if (arguments->scalarInput[0] >= QUEUES_TYPES)
		return kIOReturnBadArgument;
	lane = &ivars(target)->lanes[arguments->scalarInput[0]];
	arguments->scalarOutput[0] = lane->done;
	arguments->scalarOutput[1] = lane->wrong;
	arguments->scalarOutput[2] = lane->calls;
	return kIOReturnSuccess;
}

static const IOUserClientMethodDispatch methods[] = {
	[QUEUES_PRODUCE] = {start_producing, 0, 2, 0, 0, 0},
	[QUEUES_STATUS] = {get_status, 0, 1, 0, 3, 0},
};

static kern_return_t
external_method(IOUserClient *self, uint64_t selector, IOUserClientMethodArguments *arguments,
		const IOUserClientMethodDispatch *dispatch, OSObject *target, void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0]))
		return kIOReturnUnsupported;
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, NULL);
}

static kern_return_t
copy_memory(IOUserClient *self, uint64_t type, uint64_t *options, IOMemoryDescriptor **memory)
{
	IODataQueueDispatchSource *queue = NULL;

	if (type < QUEUES_TYPES)
		queue = ivars(self)->lanes[type].queue;
	else if (type == QUEUES_SHARED)
		queue = ivars(self)->shared;
	if (queue == NULL)
		return kIOReturnBadArgument;
	return IODataQueueDispatchSource_CopyMemory(queue, memory);
}

static const OSObjectMethods client_object = {
	.size = sizeof(OSObjectMethods),
	.free = client_free,
};

static const IOServiceMethods client_service = {
	.size = sizeof(IOServiceMethods),
	.Start = client_start,
	.Stop = client_stop,
};

static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = external_method,
	.CopyClientMemoryForType = copy_memory,
};

const OSMetaClass gQueuesUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "QueuesUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct QueuesUserClient_IVars),
	.object = &client_object,
	.service = &client_service,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Queues), OSTypeID(QueuesUserClient))
