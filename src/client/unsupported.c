/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of IOKitLib that have nothing to stand for here: traps into a kernel's driver, the
 * kernel's catalogue, clients of clients, matching again on demand. Each says so in the log and
 * returns kIOReturnUnsupported; none succeeds silently.
 */
#include "log.h"

#include <IOKit/IOKitLib.h>

static kern_return_t
refuse(const char *function)
{
	log_error("%s is not supported", function);
	return kIOReturnUnsupported;
}

kern_return_t
IOConnectTrap0(io_connect_t connect, uint32_t index)
{
	return refuse("IOConnectTrap0");
}

kern_return_t
IOConnectTrap1(io_connect_t connect, uint32_t index, uintptr_t p1)
{
	return refuse("IOConnectTrap1");
}

kern_return_t
IOConnectTrap2(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2)
{
	return refuse("IOConnectTrap2");
}

kern_return_t
IOConnectTrap3(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2, uintptr_t p3)
{
	return refuse("IOConnectTrap3");
}

kern_return_t
IOConnectTrap4(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2, uintptr_t p3,
	       uintptr_t p4)
{
	return refuse("IOConnectTrap4");
}

kern_return_t
IOConnectTrap5(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2, uintptr_t p3,
	       uintptr_t p4, uintptr_t p5)
{
	return refuse("IOConnectTrap5");
}

kern_return_t
IOConnectTrap6(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2, uintptr_t p3,
	       uintptr_t p4, uintptr_t p5, uintptr_t p6)
{
	return refuse("IOConnectTrap6");
}

kern_return_t
IOConnectAddClient(io_connect_t connect, io_connect_t client)
{
	return refuse("IOConnectAddClient");
}

kern_return_t
IORegistryDisposeEnumerator(io_enumerator_t enumerator)
{
	return refuse("IORegistryDisposeEnumerator");
}

kern_return_t
IOServiceRequestProbe(io_service_t service, uint32_t options)
{
	return refuse("IOServiceRequestProbe");
}

kern_return_t
IOServiceAuthorize(io_service_t service, uint32_t options)
{
	return refuse("IOServiceAuthorize");
}

int
IOServiceOpenAsFileDescriptor(io_service_t service, int oflag)
{
	refuse("IOServiceOpenAsFileDescriptor");
	return -1;
}

kern_return_t
IOServiceOFPathToBSDName(mach_port_t main_port, const char *path, io_name_t bsd_name)
{
	return refuse("IOServiceOFPathToBSDName");
}

kern_return_t
IONotificationPortSetImportanceReceiver(IONotificationPortRef notify)
{
	return refuse("IONotificationPortSetImportanceReceiver");
}

kern_return_t
IOCatalogueSendData(mach_port_t main_port, uint32_t flag, const char *buffer, uint32_t size)
{
	return refuse("IOCatalogueSendData");
}

kern_return_t
IOCatalogueTerminate(mach_port_t main_port, uint32_t flag, io_name_t description)
{
	return refuse("IOCatalogueTerminate");
}

kern_return_t
IOCatalogueGetData(mach_port_t main_port, uint32_t flag, char **buffer, uint32_t *size)
{
	return refuse("IOCatalogueGetData");
}

kern_return_t
IOCatalogueModuleLoaded(mach_port_t main_port, io_name_t name)
{
	return refuse("IOCatalogueModuleLoaded");
}

kern_return_t
IOCatalogueReset(mach_port_t main_port, uint32_t flag)
{
	return refuse("IOCatalogueReset");
}
