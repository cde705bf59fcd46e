/* SPDX-License-Identifier: Apache-2.0 */
/* Has the driver Isoch do what it does, once. */
#include <IOKit/IOKitLib.h>

int
main(void)
{
	io_service_t service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("Isoch"));
	io_connect_t connection;

	if (IOServiceOpen(service, mach_task_self(), 0, &connection) != kIOReturnSuccess)
		return 1;
	return IOConnectCallScalarMethod(connection, 0, NULL, 0, NULL, NULL) != kIOReturnSuccess;
}
