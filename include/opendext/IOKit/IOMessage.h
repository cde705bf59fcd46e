/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about a service, delivered to those who asked for its notifications. */
#ifndef OPENDEXT_IOKIT_IOMESSAGE_H
#define OPENDEXT_IOKIT_IOMESSAGE_H

#include <stdint.h>

#include <IOKit/IOReturn.h>

typedef uint32_t IOMessage;

#define iokit_common_msg(message)      ((uint32_t)(sys_iokit | sub_iokit_common | (message)))
#define iokit_family_msg(sub, message) ((uint32_t)(sys_iokit | (sub) | (message)))
#define iokit_vendor_specific_msg(message) \
	((uint32_t)(sys_iokit | sub_iokit_vendor_specific | (message)))

#define kIOMessageServiceIsTerminated	   ((uint32_t)0xe0000010)
#define kIOMessageServiceIsSuspended	   ((uint32_t)0xe0000020)
#define kIOMessageServiceIsResumed	   ((uint32_t)0xe0000030)
#define kIOMessageServiceIsRequestingClose ((uint32_t)0xe0000100)
#define kIOMessageServiceIsAttemptingOpen  ((uint32_t)0xe0000101)
#define kIOMessageServiceWasClosed	   ((uint32_t)0xe0000110)
#define kIOMessageServiceBusyStateChange   ((uint32_t)0xe0000120)
#define kIOMessageConsoleSecurityChange	   ((uint32_t)0xe0000128)
#define kIOMessageServicePropertyChange	   ((uint32_t)0xe0000130)
#define kIOMessageCopyClientID		   ((uint32_t)0xe0000330)
#define kIOMessageSystemCapabilityChange   ((uint32_t)0xe0000340)
#define kIOMessageDeviceSignaledWakeup	   ((uint32_t)0xe0000350)
#define kIOMessageTaskAppSuspendedChange   ((uint32_t)0xe0000800)
#define kIOMessageDeviceWillPowerOff	   ((uint32_t)0xe0000210)
#define kIOMessageDeviceHasPoweredOn	   ((uint32_t)0xe0000230)
#define kIOMessageSystemWillPowerOff	   ((uint32_t)0xe0000250)
#define kIOMessageSystemWillRestart	   ((uint32_t)0xe0000310)
#define kIOMessageSystemPagingOff	   ((uint32_t)0xe0000255)
#define kIOMessageCanSystemSleep	   ((uint32_t)0xe0000270)
#define kIOMessageSystemWillNotSleep	   ((uint32_t)0xe0000290)
#define kIOMessageSystemWillSleep	   ((uint32_t)0xe0000280)
#define kIOMessageSystemWillPowerOn	   ((uint32_t)0xe0000320)
#define kIOMessageSystemHasPoweredOn	   ((uint32_t)0xe0000300)
#define kIOMessageCanDevicePowerOff	   ((uint32_t)0xe0000200)
#define kIOMessageDeviceWillNotPowerOff	   ((uint32_t)0xe0000220)
#define kIOMessageSystemWillNotPowerOff	   ((uint32_t)0xe0000260)
#define kIOMessageCanSystemPowerOff	   ((uint32_t)0xe0000240)
#define kIOMessageDeviceWillPowerOn	   ((uint32_t)0xe0000215)
#define kIOMessageDeviceHasPoweredOff	   ((uint32_t)0xe0000225)

#endif
