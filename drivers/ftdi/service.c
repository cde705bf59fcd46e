/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FTDISerial: the service on one USB interface, which is one serial port.
 *
 * Start finds out which chip it is, opens the interface and publishes the service. The pipes stay
 * for as long as the service does; what runs on them belongs to the app that has the port open.
 */
#include "serial.h"

static struct port *
get_port(void *service)
{
	return &OSObjectIVars(FTDISerial, service)->port;
}

/*
 * FTDI tells its chips apart by bcdDevice. An FT232B whose memory for the descriptors is empty says
 * 0x0200, as an AM does, but has no serial number.
 */
static const struct {
	uint16_t first; /* bcdDevice, up to the next row's */
	enum chip chip;
	bool several; /* ports */
	bool wide_index;
	const char *name;
} chips[] = {
	{0x0000, CHIP_SIO, false, false, "FT8U100AX"}, {0x0200, CHIP_AM, false, false, "FT8U232AM"},
	{0x0400, CHIP_BM, false, false, "FT232B"},     {0x0500, CHIP_BM, true, true, "FT2232C"},
	{0x0600, CHIP_BM, false, false, "FT232R"},     {0x0700, CHIP_HIGH, true, true, "FT2232H"},
	{0x0800, CHIP_HIGH, true, true, "FT4232H"},    {0x0900, CHIP_HIGH, false, true, "FT232H"},
	{0x1000, CHIP_BM, false, true, "FT-X"},
};
#define CHIPS (sizeof(chips) / sizeof(chips[0]))

static void
choose_chip(struct port *port, const IOUSBDeviceDescriptor *device, uint8_t interface)
{
	size_t i = CHIPS - 1;

	while (device->bcdDevice < chips[i].first)
		i--;
	if (chips[i].chip == CHIP_AM && device->iSerialNumber == 0)
		i++;
	port->chip = chips[i].chip;
	port->wide_index = chips[i].wide_index;
	port->channel = chips[i].several ? interface + 1 : 0;
	os_log(OS_LOG_DEFAULT, "bcdDevice 0x%04x: %s, port %u", device->bcdDevice, chips[i].name,
	       interface);
}

static kern_return_t
open_pipe(struct port *port, const IOUSBEndpointDescriptor *endpoint, struct pipe *pipe)
{
	uint8_t speed = 0;
	kern_return_t status;

	if (pipe->usb != NULL)
		return kIOReturnSuccess;
	status = IOUSBHostInterface_CopyPipe(port->interface, IOUSBGetEndpointAddress(endpoint),
					     &pipe->usb);
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_GetSpeed(pipe->usb, &speed);
	if (status == kIOReturnSuccess)
		pipe->packet = IOUSBGetEndpointMaxPacketSize(speed, endpoint);
	return status;
}

/* The port has one bulk endpoint for each direction; their addresses differ from port to port. */
static kern_return_t
open_pipes(struct port *port, const IOUSBConfigurationDescriptor *config,
	   const IOUSBInterfaceDescriptor *interface)
{
	const IOUSBEndpointDescriptor *endpoint = NULL;
	kern_return_t status = kIOReturnSuccess;

	while (status == kIOReturnSuccess &&
	       (endpoint = IOUSBGetNextEndpointDescriptor(
			config, interface, (const IOUSBDescriptorHeader *)endpoint)) != NULL) {
		if (IOUSBGetEndpointType(endpoint) != kIOUSBEndpointTypeBulk)
			continue;
		if (IOUSBGetEndpointDirection(endpoint) == kIOUSBEndpointDirectionIn)
			status = open_pipe(port, endpoint, &port->in);
		else
			status = open_pipe(port, endpoint, &port->out);
	}
	if (status == kIOReturnSuccess &&
	    (port->in.usb == NULL || port->out.usb == NULL || port->in.packet <= PACKET_STATUS ||
	     RECEIVE_BYTES % port->in.packet != 0)) {
		os_log_error(OS_LOG_DEFAULT, "this interface is no serial port of an FTDI chip");
		status = kIOReturnUnsupported;
	}
	return status;
}

static kern_return_t
set_up(struct port *port)
{
	const IOUSBConfigurationDescriptor *config =
		IOUSBHostInterface_CopyConfigurationDescriptor(port->interface);
	const IOUSBDeviceDescriptor *descriptor = NULL;
	const IOUSBInterfaceDescriptor *interface = NULL;
	IOUSBHostDevice *device = NULL;
	kern_return_t status = IOUSBHostInterface_CopyDevice(port->interface, &device);

	if (status == kIOReturnSuccess)
		descriptor = IOUSBHostDevice_CopyDeviceDescriptor(device);
	if (config != NULL)
		interface = IOUSBHostInterface_GetInterfaceDescriptor(port->interface, config);
	if (descriptor == NULL || interface == NULL) {
		status = kIOReturnNoMemory;
	} else {
		choose_chip(port, descriptor, interface->bInterfaceNumber);
		status = open_pipes(port, config, interface);
	}
	if (descriptor != NULL)
		IOUSBHostFreeDescriptor(descriptor);
	if (config != NULL)
		IOUSBHostFreeDescriptor(config);
	OSSafeReleaseNULL(device);
	return status;
}

static kern_return_t
FTDISerial_Start(IOService *self, IOService *provider)
{
	struct port *port = get_port(self);
	IOUSBHostInterface *interface = OSDynamicCast(IOUSBHostInterface, provider);
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status != kIOReturnSuccess)
		return status;
	if (interface == NULL) {
		os_log_error(OS_LOG_DEFAULT,
			     "IOProviderClass in Info.plist must be IOUSBHostInterface");
		return kIOReturnUnsupported;
	}
	port->service = (FTDISerial *)self;
	status = IOUSBHostInterface_Open(interface, self, 0, NULL);
	if (status != kIOReturnSuccess)
		return status;
	OSRetain(interface);
	port->interface = interface;
	status = set_up(port);
	if (status == kIOReturnSuccess)
		status = buffer_create(&port->answer, PACKET_STATUS);
	/* From here on apps find it. */
	if (status == kIOReturnSuccess)
		status = IOService_RegisterService(self);
	return status;
}

static kern_return_t
FTDISerial_Stop(IOService *self, IOService *provider)
{
	struct port *port = get_port(self);

	if (port->interface != NULL)
		(void)IOUSBHostInterface_Close(port->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

static void
FTDISerial_free(OSObject *self)
{
	struct port *port = get_port(self);

	OSSafeReleaseNULL(port->in.usb);
	OSSafeReleaseNULL(port->out.usb);
	OSSafeReleaseNULL(port->interface);
	buffer_free(&port->answer);
	IOService_free_Impl((IOService *)self);
}

/* An app called IOServiceOpen. */
static kern_return_t
FTDISerial_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t status;

	if (type != 0) {
		os_log_error(OS_LOG_DEFAULT, "open with type %u: 0 was expected", type);
		return kIOReturnBadArgument;
	}
	if (get_port(self)->client != NULL) {
		os_log_error(OS_LOG_DEFAULT, "open refused: another app has the port open");
		return kIOReturnExclusiveAccess;
	}
	/* Info.plist says of which class "UserClientProperties" is. */
	status = IOService_Create(self, self, "UserClientProperties", &client);
	if (status == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return status;
}

kern_return_t
pipe_clear(struct pipe *pipe)
{
	kern_return_t status = kIOReturnSuccess;

	if (pipe->halted)
		status = IOUSBHostPipe_ClearStall(pipe->usb, true);
	pipe->halted &= status != kIOReturnSuccess;
	return status;
}

kern_return_t
buffer_create(struct buffer *buffer, uint64_t size)
{
	IOAddressSegment range = {0};
	kern_return_t status =
		IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, size, 0, &buffer->memory);

	if (status == kIOReturnSuccess)
		status = IOBufferMemoryDescriptor_GetAddressRange(buffer->memory, &range);
	if (status == kIOReturnSuccess)
		buffer->bytes = (uint8_t *)(uintptr_t)range.address;
	return status;
}

void
buffer_free(struct buffer *buffer)
{
	buffer->bytes = NULL;
	OSSafeReleaseNULL(buffer->memory);
}

/* A class is data: a name, a superclass, and tables of the methods that it overrides. */

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = FTDISerial_free,
};

static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = FTDISerial_Start,
	.Stop = FTDISerial_Stop,
	.NewUserClient = FTDISerial_NewUserClient,
};

const OSMetaClass gFTDISerialMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "FTDISerial",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct FTDISerial_IVars),
	.object = &object_methods,
	.service = &service_methods,
};

DEXT_BUNDLE(OSTypeID(FTDISerial), OSTypeID(FTDISerialUserClient))
