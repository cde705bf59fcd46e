/* SPDX-License-Identifier: Apache-2.0 */
/* A host without a device: the process that test_host_control speaks to. Argument: the socket. */
#include "host.h"

#include <stdlib.h>

static IOReturn
create(OSDictionary *start, struct fd_list *files, struct loop *loop, IOService **ret_provider)
{
	IOService *provider = OSTypeAlloc(IOService);

	if (OSDictionaryGetValue(start, "Device") != NULL) {
		OSRelease(provider);
		return kIOReturnNoDevice;
	}
	if (!OSObject_init((OSObject *)provider))
		return kIOReturnNoMemory;
	*ret_provider = provider;
	return kIOReturnSuccess;
}

static void
close_provider(IOService *provider)
{
}

static void
unplug(IOService *provider)
{
	host_provider_gone(provider);
}

int
main(int argc, char **argv)
{
	static const struct host_provider provider = {create, close_provider, unplug};

	return argc == 2 ? host_run_take(atoi(argv[1]), &provider) : 2;
}
