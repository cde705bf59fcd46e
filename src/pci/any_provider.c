/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which provider the driver gets: a USB device or interface, or a PCI device, if START names one,
 * else a plain IOService (IOUserResources, a driver without hardware).
 */
#include "any_provider.h"

#include "pci_provider.h"
#include "provider.h"

#include <string.h>

static IOReturn
create_resources(IOService **ret_provider)
{
	IOService *provider = OSTypeAlloc(IOService);

	if (provider == NULL)
		return kIOReturnNoMemory;
	if (!OSObject_init((OSObject *)provider)) {
		OSRelease(provider);
		return kIOReturnNoMemory;
	}
	*ret_provider = provider;
	return kIOReturnSuccess;
}

static const struct host_provider *
methods_of(const IOService *provider)
{
	return OSDynamicCast(IOPCIDevice, provider) != NULL ? &pci_host_provider
							    : &usb_host_provider;
}

static bool
is_plain(IOService *provider)
{
	return strcmp(OSObject_GetClassName(provider), "IOService") == 0;
}

static IOReturn
create(OSDictionary *start, struct fd_list *files, struct loop *loop, IOService **ret_provider)
{
	const OSDictionary *device =
		OSDynamicCast(OSDictionary, OSDictionaryGetValue(start, "Device"));
	const char *backend = device != NULL ? OSDictionaryGetStringValue(device, "Backend") : NULL;

	if (OSDictionaryGetValue(start, "Device") == NULL)
		return create_resources(ret_provider);
	if (backend != NULL && strcmp(backend, "pci") == 0)
		return pci_host_provider.create(start, files, loop, ret_provider);
	return usb_host_provider.create(start, files, loop, ret_provider);
}

static void
close_provider(IOService *provider)
{
	if (!is_plain(provider))
		methods_of(provider)->close(provider);
}

static void
unplug(IOService *provider)
{
	if (!is_plain(provider))
		methods_of(provider)->unplug(provider);
}

const struct host_provider any_host_provider = {
	.create = create,
	.close = close_provider,
	.unplug = unplug,
};
