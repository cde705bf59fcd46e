/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext-host: the process of one driver instance. The registry starts it with the control socket as
 * a descriptor; it is not meant to be started by hand. It is linked to the same libdriverkit that
 * the driver's shared object is, so that there is one copy of every class.
 *
 * Which provider the driver gets is decided here: a USB device or interface, or a PCI device, if
 * START names one, else a plain IOService (IOUserResources, a driver without hardware).
 */
#include "host.h"
#include "pci_provider.h"
#include "provider.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static const struct host_provider provider = {
	.create = create,
	.close = close_provider,
	.unplug = unplug,
};

int
main(int argc, char **argv)
{
	char *end = NULL;
	long control;

	if (argc != 3 || strcmp(argv[1], "--control") != 0) {
		fprintf(stderr,
			"dext-host: this program is started by the registry (dext run), with "
			"--control FD\n");
		return 2;
	}
	errno = 0;
	control = strtol(argv[2], &end, 10);
	if (errno != 0 || *end != '\0' || control < 0 ||
	    fcntl((int)control, F_SETFD, FD_CLOEXEC) < 0) {
		fprintf(stderr, "dext-host: --control %s: an open descriptor was expected\n",
			argv[2]);
		return 2;
	}
	return host_run_take((int)control, &provider);
}
