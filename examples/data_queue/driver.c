/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that measures something a thousand times a second, here the square of a number, and
 * hands the samples to its app through a data queue. An app that is slow loses samples, and sees by
 * their numbers how many.
 */
#include <DriverKit/DriverKit.h>

#include <string.h>
#include <time.h>

#include "sample.h"

#define PERIOD_NSEC 1000000
#define QUEUE_BYTES 8192

static const OSMetaClass gDataQueueMetaClass, gDataQueueUserClientMetaClass;

struct DataQueueUserClient_IVars {
	IODataQueueDispatchSource *queue;
	IOTimerDispatchSource *timer;
	OSAction *tick;
	uint32_t number;
};
#define ivars(self) OSObjectIVars(DataQueueUserClient, self)

static uint64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Entries are not aligned for more than bytes. */
static void
fill(void *context, void *data, size_t size)
{
	memcpy(data, context, size);
}

/* The timer's handler, on the user client's queue. */
static void
on_tick(OSObject *self, OSAction *action, uint64_t time)
{
	uint32_t number = ivars(self)->number++;
	struct sample sample = {.time = time, .number = number, .value = number * number};

	/* In the queue's own memory; tells the app if it had taken everything. */
	if (IODataQueueDispatchSource_Enqueue_f(ivars(self)->queue, sizeof(sample), &sample,
						fill) == kIOReturnOverrun)
		os_log(OS_LOG_DEFAULT, "sample %u is lost: the app is slow", number);
	IOTimerDispatchSource_WakeAtTime(ivars(self)->timer, kIOTimerClockMachAbsoluteTime,
					 time + PERIOD_NSEC, 0);
}

static kern_return_t
DataQueueUserClient_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);
	IODispatchQueue *queue = NULL;

	if (result == kIOReturnSuccess)
		result = OSObject_CopyDispatchQueue((OSObject *)self, kIOServiceDefaultQueueName,
						    &queue);
	/* In the layout that the app's IODataQueue functions have on macOS, too. */
	if (result == kIOReturnSuccess)
		result = dext_data_queue_create(QUEUE_BYTES, queue, &ivars(self)->queue);
	if (result == kIOReturnSuccess)
		result = IOTimerDispatchSource_Create(queue, &ivars(self)->timer);
	if (result == kIOReturnSuccess)
		result = IOTimerDispatchSource_CreateActionTimerOccurred((OSObject *)self, on_tick,
									 0, &ivars(self)->tick);
	if (result == kIOReturnSuccess)
		result = IOTimerDispatchSource_SetHandler(ivars(self)->timer, ivars(self)->tick);
	if (result == kIOReturnSuccess)
		result = IOTimerDispatchSource_WakeAtTime(ivars(self)->timer,
							  kIOTimerClockMachAbsoluteTime, now(), 0);
	OSSafeReleaseNULL(queue);
	return result;
}

static kern_return_t
DataQueueUserClient_Stop(IOService *self, IOService *provider)
{
	if (ivars(self)->timer != NULL)
		IODispatchSource_Cancel_f((IODispatchSource *)ivars(self)->timer, NULL, NULL);
	if (ivars(self)->queue != NULL)
		IODispatchSource_Cancel_f((IODispatchSource *)ivars(self)->queue, NULL, NULL);
	OSSafeReleaseNULL(ivars(self)->tick);
	return IOService_Stop_Impl(self, provider);
}

/* The app called IOConnectMapMemory64: the queue's memory is mapped into it. */
static kern_return_t
DataQueueUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
					    IOMemoryDescriptor **memory)
{
	if (type != SAMPLE_QUEUE)
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	return IODataQueueDispatchSource_CopyMemory(ivars(self)->queue, memory);
}

static void
DataQueueUserClient_free(OSObject *self)
{
	OSSafeReleaseNULL(ivars(self)->queue);
	OSSafeReleaseNULL(ivars(self)->timer);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static kern_return_t
DataQueue_Start(IOService *self, IOService *provider)
{
	kern_return_t result = IOService_Start_Impl(self, provider);

	return result == kIOReturnSuccess ? IOService_RegisterService(self) : result;
}

/* An app called IOServiceOpen. Info.plist says of which class "UserClientProperties" is. */
static kern_return_t
DataQueue_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
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
	.Start = DataQueue_Start,
	.NewUserClient = DataQueue_NewUserClient,
};
static const OSMetaClass gDataQueueMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "DataQueue",
	.superclass = OSTypeID(IOService),
	.service = &service_methods,
};

static const OSObjectMethods client_object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = DataQueueUserClient_free,
};
static const IOServiceMethods client_service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = DataQueueUserClient_Start,
	.Stop = DataQueueUserClient_Stop,
};
static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.CopyClientMemoryForType = DataQueueUserClient_CopyClientMemoryForType,
};
static const OSMetaClass gDataQueueUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "DataQueueUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct DataQueueUserClient_IVars),
	.object = &client_object_methods,
	.service = &client_service_methods,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(DataQueue), OSTypeID(DataQueueUserClient))
