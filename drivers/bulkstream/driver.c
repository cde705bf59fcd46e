/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BulkStream: the service on one USB interface. Opens the interface, publishes itself, and knows
 * its apps.
 *
 * The interface stays open, in whatever alternate setting the first app asked for, until the
 * service stops; pipes are made for the endpoints that apps configure. It does not look at what the
 * device is: personalities in Info.plist say which it is for.
 */
#include "stream.h"

#include <string.h>

static struct driver *
get_driver(void *service)
{
	return &OSObjectIVars(BulkStream, service)->driver;
}

static kern_return_t
read_interface(struct driver *driver)
{
	const IOUSBConfigurationDescriptor *config;
	const IOUSBInterfaceDescriptor *interface;
	kern_return_t status = kIOReturnSuccess;

	config = IOUSBHostInterface_CopyConfigurationDescriptor(driver->interface);
	if (config == NULL)
		return kIOReturnNoMemory;
	interface = IOUSBHostInterface_GetInterfaceDescriptor(driver->interface, config);
	if (interface != NULL) {
		driver->interface_number = interface->bInterfaceNumber;
		driver->alternate = interface->bAlternateSetting;
	} else {
		status = kIOReturnNotFound;
	}
	IOUSBHostFreeDescriptor(config);
	return status;
}

static void
read_properties(struct driver *driver)
{
	OSDictionary *properties = NULL;
	OSDictionary *requests;

	if (IOService_CopyProperties((IOService *)driver->service, &properties) != kIOReturnSuccess)
		return;
	requests =
		OSDynamicCast(OSDictionary, OSDictionaryGetValue(properties, "BulkStreamRequests"));
	OSRetain(requests);
	driver->requests = requests;
	OSRelease(properties);
}

static kern_return_t
BulkStream_Start(IOService *self, IOService *provider)
{
	struct driver *driver = get_driver(self);
	kern_return_t status = IOService_Start_Impl(self, provider);

	if (status != kIOReturnSuccess)
		return status;
	driver->service = (BulkStream *)self;
	driver->interface = OSDynamicCast(IOUSBHostInterface, provider);
	if (driver->interface == NULL) {
		os_log_error(OS_LOG_DEFAULT,
			     "the provider is a %s; IOProviderClass in Info.plist must be "
			     "IOUSBHostInterface",
			     OSObject_GetClassName(provider));
		return kIOReturnUnsupported;
	}
	status = IOUSBHostInterface_Open(driver->interface, self, 0, NULL);
	if (status != kIOReturnSuccess) {
		driver->interface = NULL;
		return status;
	}
	OSRetain(driver->interface);
	read_properties(driver);
	status = read_interface(driver);
	if (status == kIOReturnSuccess)
		status = statistics_create(&driver->totals);
	if (status == kIOReturnSuccess)
		status = IOService_RegisterService(self);
	return status;
}

static kern_return_t
BulkStream_Stop(IOService *self, IOService *provider)
{
	struct driver *driver = get_driver(self);

	/* What is still underway comes back, aborted, before Close returns. */
	if (driver->interface != NULL)
		(void)IOUSBHostInterface_Close(driver->interface, self, 0);
	return IOService_Stop_Impl(self, provider);
}

static void
BulkStream_free(OSObject *self)
{
	struct driver *driver = get_driver(self);

	pipe_free_all(driver);
	statistics_free(&driver->totals);
	OSSafeReleaseNULL(driver->requests);
	OSSafeReleaseNULL(driver->interface);
	IOService_free_Impl((IOService *)self);
}

kern_return_t
driver_may_open(struct driver *driver, uint32_t type)
{
	const struct client *first = driver->clients;

	if (type != DEXT_BULKSTREAM_SHARED && type != DEXT_BULKSTREAM_EXCLUSIVE) {
		os_log_error(OS_LOG_DEFAULT,
			     "open with type %u: 0 (shared) or 1 (exclusive) was expected", type);
		return kIOReturnBadArgument;
	}
	if (first == NULL || (type == DEXT_BULKSTREAM_SHARED && !first->exclusive))
		return kIOReturnSuccess;
	os_log_error(OS_LOG_DEFAULT, "open refused: %s",
		     first->exclusive ? "an app has the device exclusively"
				      : "exclusive access was asked for, and other apps have the "
					"device open");
	return kIOReturnExclusiveAccess;
}

static kern_return_t
BulkStream_NewUserClient(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *service = NULL;
	kern_return_t status = driver_may_open(get_driver(self), type);

	if (status != kIOReturnSuccess)
		return status;
	status = IOService_Create(self, self, "UserClientProperties", &service);
	if (status != kIOReturnSuccess)
		return status;
	if (OSDynamicCast(BulkStreamUserClient, service) == NULL) {
		OSRelease(service);
		return kIOReturnBadArgument;
	}
	OSObjectIVars(BulkStreamUserClient, service)->client.exclusive =
		type == DEXT_BULKSTREAM_EXCLUSIVE;
	*userClient = OSDynamicCast(IOUserClient, service);
	return kIOReturnSuccess;
}

void
driver_add_client(struct driver *driver, struct client *client)
{
	OSRetain(client->service); /* until it has finished its Stop: client_finish_stop */
	client->next = driver->clients;
	driver->clients = client;
	driver->client_count++;
	statistics_add(client, clients, 1);
	for (struct client *each = driver->clients; each != NULL; each = each->next)
		statistics_store(&each->statistics.values->clients, driver->client_count);
}

void
driver_remove_client(struct driver *driver, struct client *client)
{
	struct client **link = &driver->clients;

	while (*link != NULL && *link != client)
		link = &(*link)->next;
	if (*link == NULL)
		return;
	*link = client->next;
	driver->client_count--;
	statistics_add(client, clients, -1);
	for (struct client *each = driver->clients; each != NULL; each = each->next)
		statistics_store(&each->statistics.values->clients, driver->client_count);
}

void
driver_finish_stops(struct driver *driver)
{
	struct client *next;

	for (struct client *client = driver->clients; client != NULL; client = next) {
		next = client->next;
		client_finish_stop(client);
	}
}

kern_return_t
driver_select_alternate(struct driver *driver, struct client *client, uint8_t alternate)
{
	kern_return_t status;

	if (alternate == driver->alternate)
		return kIOReturnSuccess;
	for (struct client *other = driver->clients; other != NULL; other = other->next) {
		if (other != client && other->buffer_count != 0) {
			os_log_error(OS_LOG_DEFAULT,
				     "alternate setting %u refused: another app uses setting %u",
				     alternate, driver->alternate);
			return kIOReturnBusy;
		}
	}
	pipe_free_all(driver);
	status = IOUSBHostInterface_SelectAlternateSetting(driver->interface, alternate);
	if (status == kIOReturnSuccess)
		driver->alternate = alternate;
	return status;
}

static bool
is_bulk(const IOUSBEndpointDescriptor *endpoint, unsigned direction)
{
	unsigned wanted = direction == DEXT_BULKSTREAM_IN ? kIOUSBEndpointDirectionIn
							  : kIOUSBEndpointDirectionOut;

	return IOUSBGetEndpointType(endpoint) == kIOUSBEndpointTypeBulk &&
	       IOUSBGetEndpointDirection(endpoint) == wanted;
}

kern_return_t
driver_find_endpoint(struct driver *driver, uint64_t wanted, unsigned direction,
		     uint8_t *ret_address)
{
	const IOUSBConfigurationDescriptor *config =
		IOUSBHostInterface_CopyConfigurationDescriptor(driver->interface);
	const IOUSBInterfaceDescriptor *interface;
	const IOUSBEndpointDescriptor *endpoint = NULL;
	kern_return_t status = wanted == DEXT_BULKSTREAM_ANY ? kIOReturnSuccess : kIOReturnNotFound;
	uint8_t address = 0;

	if (config == NULL)
		return kIOReturnNoMemory;
	interface = IOUSBHostInterface_GetInterfaceDescriptor(driver->interface, config);
	while (address == 0 && interface != NULL &&
	       (endpoint = IOUSBGetNextEndpointDescriptor(
			config, interface, (const IOUSBDescriptorHeader *)endpoint)) != NULL) {
		bool named = IOUSBGetEndpointAddress(endpoint) == wanted;

		if (is_bulk(endpoint, direction) && (named || wanted == DEXT_BULKSTREAM_ANY)) {
			address = IOUSBGetEndpointAddress(endpoint);
			status = kIOReturnSuccess;
		} else if (named) {
			status = kIOReturnBadArgument;
		}
	}
	IOUSBHostFreeDescriptor(config);
	if (status == kIOReturnSuccess)
		*ret_address = address;
	else
		os_log_error(OS_LOG_DEFAULT, "CONFIGURE: 0x%02llx is no bulk %s endpoint",
			     (unsigned long long)wanted,
			     direction == DEXT_BULKSTREAM_IN ? "IN" : "OUT");
	return status;
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = BulkStream_free,
};

static const IOServiceMethods service_methods = {
	.size = sizeof(IOServiceMethods),
	.Start = BulkStream_Start,
	.Stop = BulkStream_Stop,
	.NewUserClient = BulkStream_NewUserClient,
};

const OSMetaClass gBulkStreamMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "BulkStream",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct BulkStream_IVars),
	.object = &object_methods,
	.service = &service_methods,
};

DEXT_BUNDLE(OSTypeID(BulkStream), OSTypeID(BulkStreamUserClient))
