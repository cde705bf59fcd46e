/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FTDISerialUserClient: an open port. Start sets the adapter up and begins to receive; Stop, when
 * the app has closed the port or died, or the adapter was pulled out, ends all that is underway.
 * Between them are the selectors of <ftdi_serial.h>.
 */
#include "serial.h"

static struct client *
get_client(void *service)
{
	return &OSObjectIVars(FTDISerialUserClient, service)->client;
}

static kern_return_t
set_line(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return line_set(get_client(target)->port, arguments->scalarInput,
			&arguments->scalarOutput[0]);
}

static kern_return_t
set_modem(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return line_set_modem(get_client(target)->port, arguments->scalarInput[0],
			      arguments->scalarInput[1]);
}

static kern_return_t
set_break(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return line_set_break(get_client(target)->port, arguments->scalarInput[0]);
}

static kern_return_t
set_latency(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return line_set_latency(get_client(target)->port, arguments->scalarInput[0]);
}

static kern_return_t
purge(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return line_purge(get_client(target)->port, arguments->scalarInput[0]);
}

static kern_return_t
get_status(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct client *client = get_client(target);
	uint64_t *output = arguments->scalarOutput;
	uint8_t lines = 0;
	bool empty = false;
	kern_return_t status = line_get(client->port, &lines, &empty);

	if (status != kIOReturnSuccess)
		return status;
	output[FTDI_STATUS_LINES] = lines;
	output[FTDI_STATUS_EMPTY] = empty;
	output[FTDI_STATUS_RECEIVED] = client->receive.received;
	output[FTDI_STATUS_SENT] = client->transmit.sent;
	output[FTDI_STATUS_OVERRUNS] = client->receive.overruns;
	output[FTDI_STATUS_PARITIES] = client->receive.parities;
	output[FTDI_STATUS_FRAMINGS] = client->receive.framings;
	output[FTDI_STATUS_BREAKS] = client->receive.breaks;
	return kIOReturnSuccess;
}

static kern_return_t
listen_to(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return receive_listen(&get_client(target)->receive, arguments->completion);
}

static kern_return_t
take(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	struct receive *receive = &get_client(target)->receive;
	kern_return_t status = receive_take(receive, arguments->scalarInput[0]);

	if (status == kIOReturnSuccess)
		arguments->scalarOutput[0] = receive->received;
	return status;
}

static kern_return_t
send(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return transmit_send(&get_client(target)->transmit, arguments->scalarInput[0],
			     arguments->scalarInput[1], arguments->completion);
}

static kern_return_t
abort_send(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	return transmit_abort(&get_client(target)->transmit);
}

/* Columns: completion, scalars in, structure in, scalars out, structure out. */
static const IOUserClientMethodDispatch methods[] = {
	[FTDI_SET_LINE] = {set_line, 0, 5, 0, 1, 0},
	[FTDI_SET_MODEM] = {set_modem, 0, 2, 0, 0, 0},
	[FTDI_SET_BREAK] = {set_break, 0, 1, 0, 0, 0},
	[FTDI_SET_LATENCY] = {set_latency, 0, 1, 0, 0, 0},
	[FTDI_PURGE] = {purge, 0, 1, 0, 0, 0},
	[FTDI_GET_STATUS] = {get_status, 0, 0, 0, FTDI_STATUS_COUNT, 0},
	[FTDI_LISTEN] = {listen_to, 1, 0, 0, 0, 0},
	[FTDI_TAKE] = {take, 0, 1, 0, 1, 0},
	[FTDI_SEND] = {send, 1, 2, 0, 0, 0},
	[FTDI_ABORT_SEND] = {abort_send, 0, 0, 0, 0, 0},
};

static kern_return_t
FTDISerialUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
				    IOUserClientMethodArguments *arguments,
				    const IOUserClientMethodDispatch *dispatch, OSObject *target,
				    void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0])) {
		os_log_error(OS_LOG_DEFAULT, "there is no selector %llu",
			     (unsigned long long)selector);
		return kIOReturnUnsupported;
	}
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, NULL);
}

/* The app called IOConnectMapMemory64. */
static kern_return_t
FTDISerialUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
					     IOMemoryDescriptor **memory)
{
	struct client *client = get_client(self);
	IOBufferMemoryDescriptor *found;

	if (type == FTDI_MEMORY_RECEIVE) {
		found = client->receive.ring.memory;
		*options = kIOUserClientMemoryReadOnly;
	} else if (type - FTDI_MEMORY_SEND < FTDI_SEND_BUFFERS) {
		found = client->transmit.transfers[type - FTDI_MEMORY_SEND].buffer.memory;
	} else {
		return IOUserClient_CopyClientMemoryForType_Impl(self, type, options, memory);
	}
	OSRetain(found);
	*memory = (IOMemoryDescriptor *)found;
	return kIOReturnSuccess;
}

static kern_return_t
open_port(struct client *client)
{
	struct port *port = client->port;
	uint8_t lines = 0;
	bool empty;
	kern_return_t status = receive_create(&client->receive, client);

	if (status == kIOReturnSuccess)
		status = transmit_create(&client->transmit, client);
	/* The app before this one may have left them halted. */
	if (status == kIOReturnSuccess)
		status = pipe_clear(&port->in);
	if (status == kIOReturnSuccess)
		status = pipe_clear(&port->out);
	if (status == kIOReturnSuccess)
		status = line_open(port);
	if (status == kIOReturnSuccess)
		status = line_get(port, &lines, &empty);
	if (status == kIOReturnSuccess)
		receive_start(&client->receive, lines);
	return status;
}

static kern_return_t
FTDISerialUserClient_Start(IOService *self, IOService *provider)
{
	struct client *client = get_client(self);
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status != kIOReturnSuccess)
		return status;
	if (OSDynamicCast(FTDISerial, provider) == NULL)
		return kIOReturnBadArgument;
	client->service = (FTDISerialUserClient *)self;
	client->port = &OSObjectIVars(FTDISerial, provider)->port;
	status = open_port(client);
	if (status == kIOReturnSuccess)
		client->port->client = client;
	return status;
}

static kern_return_t
FTDISerialUserClient_Stop(IOService *self, IOService *provider)
{
	struct client *client = get_client(self);
	struct port *port = client->port;

	if (port != NULL && port->client == client) {
		/* The last completions come before these return: the memory may go after that. */
		receive_stop(&client->receive);
		(void)transmit_abort(&client->transmit);
		line_close(port);
		port->client = NULL;
	}
	return IOService_Stop_Impl(self, provider);
}

static void
FTDISerialUserClient_free(OSObject *self)
{
	struct client *client = get_client(self);

	receive_free(&client->receive);
	transmit_free(&client->transmit);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = FTDISerialUserClient_free,
};

static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = FTDISerialUserClient_Start,
	.Stop = FTDISerialUserClient_Stop,
};

static const IOUserClientMethods user_client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = FTDISerialUserClient_ExternalMethod,
	.CopyClientMemoryForType = FTDISerialUserClient_CopyClientMemoryForType,
};

const OSMetaClass gFTDISerialUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "FTDISerialUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct FTDISerialUserClient_IVars),
	.object = &object_methods,
	.service = &service_methods,
	.user_client = &user_client_methods,
};
