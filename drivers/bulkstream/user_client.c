/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BulkStreamUserClient: the protocol of bulkstream.h as a DriverKit class. Everything that a
 * selector means is in client.c and receive.c; here are the tables.
 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#define ANY kIOUserClientVariableStructureSize

static struct client *
get_client(void *service)
{
	return &OSObjectIVars(BulkStreamUserClient, service)->client;
}

/* Gives as many outputs as the app made room for. */
static void
answer(IOUserClientMethodArguments *arguments, const uint64_t *values, uint32_t count)
{
	if (arguments->scalarOutputCount < count)
		count = arguments->scalarOutputCount;
	for (uint32_t i = 0; i < count; i++)
		arguments->scalarOutput[i] = values[i];
	arguments->scalarOutputCount = count;
}

static void
answer_configuration(const struct client *client, IOUserClientMethodArguments *arguments)
{
	const struct pipe *out = client->streams[DEXT_BULKSTREAM_OUT].pipe;
	const struct pipe *in = client->streams[DEXT_BULKSTREAM_IN].pipe;
	uint64_t values[5] = {
		out != NULL ? out->packet_size : 0,
		in != NULL ? in->packet_size : 0,
		out != NULL ? out->address : 0,
		in != NULL ? in->address : 0,
		ring_entries(client),
	};

	answer(arguments, values, 5);
}

static kern_return_t
configure(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct client *client = get_client(target);
	kern_return_t status = client_configure(client, arguments->scalarInput);

	if (status == kIOReturnSuccess)
		answer_configuration(client, arguments);
	return status;
}

static kern_return_t
query(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct client *client = get_client(target);

	if (client->buffer_count == 0)
		return kIOReturnNotReady;
	answer_configuration(client, arguments);
	return kIOReturnSuccess;
}

static kern_return_t
register_completion(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct client *client = get_client(target);

	OSRetain(arguments->completion);
	OSSafeReleaseNULL(client->completion);
	client->completion = arguments->completion;
	return kIOReturnSuccess;
}

static kern_return_t
send(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	const uint64_t *input = arguments->scalarInput;
	const struct transfer_request request = {input[0], input[1], input[2],
						 input[3], false,    false};
	uint64_t sequence = 0;
	kern_return_t status = client_send(get_client(target), &request, &sequence);

	if (status == kIOReturnSuccess)
		answer(arguments, &sequence, 1);
	return status;
}

static kern_return_t
receive(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	const uint64_t *input = arguments->scalarInput;
	const struct transfer_request request = {.index = input[0], .length = input[1]};
	uint64_t sequence = 0;
	kern_return_t status = client_receive(get_client(target), &request, &sequence);

	if (status == kIOReturnSuccess)
		answer(arguments, &sequence, 1);
	return status;
}

static kern_return_t
control(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return client_control(get_client(target), arguments->scalarInput, arguments->completion);
}

static kern_return_t
start_receive(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	const uint64_t *input = arguments->scalarInput;
	uint32_t count = arguments->scalarInputCount;

	if (count != 4 && count != 5) {
		os_log_error(OS_LOG_DEFAULT, "RECEIVE_START: %u scalars; 4 or 5 expected", count);
		return kIOReturnBadArgument;
	}
	return receive_start(get_client(target), input, count == 5 ? input[4] : 0);
}

static kern_return_t
give_back(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return receive_give_back(get_client(target), arguments->scalarInput[0]);
}

static kern_return_t
stop_receive(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return receive_stop(get_client(target));
}

static kern_return_t
abort_direction(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return client_abort(get_client(target), arguments->scalarInput[0]);
}

static kern_return_t
clear_stall(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return client_clear_stall(get_client(target), arguments->scalarInput[0]);
}

/* Columns: completion, scalars in, structure in, scalars out, structure out. */
static const IOUserClientMethodDispatch methods[] = {
	[DEXT_BULKSTREAM_CONFIGURE] = {configure, 0, 6, 0, ANY, 0},
	[DEXT_BULKSTREAM_REGISTER] = {register_completion, 1, 0, 0, ANY, 0},
	[DEXT_BULKSTREAM_SEND] = {send, 0, 4, 0, ANY, 0},
	[DEXT_BULKSTREAM_RECEIVE] = {receive, 0, 2, 0, ANY, 0},
	[DEXT_BULKSTREAM_CONTROL] = {control, 1, 6, 0, 0, 0},
	[DEXT_BULKSTREAM_RECEIVE_START] = {start_receive, 0, ANY, 0, 0, 0},
	[DEXT_BULKSTREAM_GIVE_BACK] = {give_back, 0, 1, 0, 0, 0},
	[DEXT_BULKSTREAM_RECEIVE_STOP] = {stop_receive, 0, 0, 0, 0, 0},
	[DEXT_BULKSTREAM_ABORT] = {abort_direction, 0, 1, 0, 0, 0},
	[DEXT_BULKSTREAM_CLEAR_STALL] = {clear_stall, 0, 1, 0, 0, 0},
	[DEXT_BULKSTREAM_QUERY] = {query, 0, 0, 0, ANY, 0},
};

static kern_return_t
BulkStreamUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
				    IOUserClientMethodArguments *arguments,
				    const IOUserClientMethodDispatch *dispatch, OSObject *target,
				    void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0])) {
		os_log_error(OS_LOG_DEFAULT, "there is no selector %llu",
			     (unsigned long long)selector);
		return kIOReturnUnsupported;
	}
	if (get_client(self)->stopping)
		return kIOReturnOffline;
	ring_take(get_client(self));
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, NULL);
}

static kern_return_t
BulkStreamUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
					     IOMemoryDescriptor **memory)
{
	struct client *client = get_client(self);
	IOBufferMemoryDescriptor *found;
	kern_return_t status;

	if (type == DEXT_BULKSTREAM_MEMORY_STATISTICS || type == DEXT_BULKSTREAM_MEMORY_TOTALS) {
		found = type == DEXT_BULKSTREAM_MEMORY_TOTALS ? client->driver->totals.memory
							      : client->statistics.memory;
		*options = kIOUserClientMemoryReadOnly;
	} else if (type == DEXT_BULKSTREAM_MEMORY_RING && !client->stopping) {
		return ring_copy_memory(client, memory);
	} else if (type < client->buffer_count && !client->stopping) {
		status = buffer_prepare(&client->buffers[type]);
		if (status != kIOReturnSuccess)
			return status;
		found = client->buffers[type].memory;
	} else {
		os_log_error(OS_LOG_DEFAULT, "there is no memory type %llu: %u buffers",
			     (unsigned long long)type, client->buffer_count);
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	}
	OSRetain(found);
	*memory = (IOMemoryDescriptor *)found;
	return kIOReturnSuccess;
}

static kern_return_t
BulkStreamUserClient_Start(IOService *self, IOService *provider)
{
	struct client *client = get_client(self);
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status != kIOReturnSuccess)
		return status;
	if (OSDynamicCast(BulkStream, provider) == NULL)
		return kIOReturnBadArgument;
	client->service = (BulkStreamUserClient *)self;
	client->driver = &OSObjectIVars(BulkStream, provider)->driver;
	for (unsigned way = 0; way < 2; way++) {
		client->streams[way].client = client;
		client->streams[way].direction = way;
		client->streams[way].failure = kIOReturnAborted;
	}
	status = statistics_create(&client->statistics);
	if (status == kIOReturnSuccess)
		driver_add_client(client->driver, client);
	return status;
}

static kern_return_t
BulkStreamUserClient_Stop(IOService *self, IOService *provider)
{
	struct client *client = get_client(self);

	if (client->driver == NULL || client->statistics.values == NULL)
		return IOService_Stop_Impl(self, provider); /* Start had failed */
	if (client->stopping)
		return kIOReturnSuccess;
	OSRetain(provider);
	client->provider = provider;
	client->stopping = true;
	client->pool.ending = true;
	pipe_abort(&client->streams[DEXT_BULKSTREAM_OUT]);
	pipe_abort(&client->streams[DEXT_BULKSTREAM_IN]);
	client_finish_stop(client);
	return kIOReturnSuccess;
}

static void
BulkStreamUserClient_free(OSObject *self)
{
	struct client *client = get_client(self);

	ring_free(client);
	statistics_free(&client->statistics);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = BulkStreamUserClient_free,
};

static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = BulkStreamUserClient_Start,
	.Stop = BulkStreamUserClient_Stop,
};

static const IOUserClientMethods user_client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = BulkStreamUserClient_ExternalMethod,
	.CopyClientMemoryForType = BulkStreamUserClient_CopyClientMemoryForType,
};

const OSMetaClass gBulkStreamUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "BulkStreamUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct BulkStreamUserClient_IVars),
	.object = &object_methods,
	.service = &service_methods,
	.user_client = &user_client_methods,
};
