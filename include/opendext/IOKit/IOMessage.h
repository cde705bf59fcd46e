/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about a service, delivered to those who asked for its notifications. */
#ifndef OPENDEXT_IOKIT_IOMESSAGE_H
#define OPENDEXT_IOKIT_IOMESSAGE_H

#include <mach/kern_return.h>

#define kIOMessageServiceIsTerminated	   ((kern_return_t)0xe0000010)
#define kIOMessageServiceIsSuspended	   ((kern_return_t)0xe0000020)
#define kIOMessageServiceIsResumed	   ((kern_return_t)0xe0000030)
#define kIOMessageServiceIsRequestingClose ((kern_return_t)0xe0000100)
#define kIOMessageServiceIsAttemptingOpen  ((kern_return_t)0xe0000101)
#define kIOMessageServiceWasClosed	   ((kern_return_t)0xe0000110)
#define kIOMessageServiceBusyStateChange   ((kern_return_t)0xe0000120)
#define kIOMessageConsoleSecurityChange	   ((kern_return_t)0xe0000128)
#define kIOMessageServicePropertyChange	   ((kern_return_t)0xe0000130)
#define kIOMessageCopyClientID		   ((kern_return_t)0xe0000330)
#define kIOMessageSystemCapabilityChange   ((kern_return_t)0xe0000340)
#define kIOMessageDeviceSignaledWakeup	   ((kern_return_t)0xe0000350)
#define kIOMessageTaskAppSuspendedChange   ((kern_return_t)0xe0000800)
#define kIOMessageDeviceWillPowerOff	   ((kern_return_t)0xe0000210)
#define kIOMessageDeviceHasPoweredOn	   ((kern_return_t)0xe0000230)
#define kIOMessageSystemWillPowerOff	   ((kern_return_t)0xe0000250)
#define kIOMessageSystemWillRestart	   ((kern_return_t)0xe0000310)
#define kIOMessageSystemPagingOff	   ((kern_return_t)0xe0000255)
#define kIOMessageCanSystemSleep	   ((kern_return_t)0xe0000270)
#define kIOMessageSystemWillNotSleep	   ((kern_return_t)0xe0000290)
#define kIOMessageSystemWillSleep	   ((kern_return_t)0xe0000280)
#define kIOMessageSystemWillPowerOn	   ((kern_return_t)0xe0000320)
#define kIOMessageSystemHasPoweredOn	   ((kern_return_t)0xe0000300)
#define kIOMessageCanDevicePowerOff	   ((kern_return_t)0xe0000200)
#define kIOMessageDeviceWillNotPowerOff	   ((kern_return_t)0xe0000220)
#define kIOMessageSystemWillNotPowerOff	   ((kern_return_t)0xe0000260)
#define kIOMessageCanSystemPowerOff	   ((kern_return_t)0xe0000240)
#define kIOMessageDeviceWillPowerOn	   ((kern_return_t)0xe0000215)
#define kIOMessageDeviceHasPoweredOff	   ((kern_return_t)0xe0000225)

#endif
