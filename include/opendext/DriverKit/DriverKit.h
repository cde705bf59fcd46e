/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of DriverKit, without the USB part: <USBDriverKit/USBDriverKit.h>. */
#ifndef OPENDEXT_DRIVERKIT_DRIVERKIT_H
#define OPENDEXT_DRIVERKIT_DRIVERKIT_H

#include <DriverKit/DextRingDispatchSource.h>
#include <DriverKit/IODataQueueDispatchSource.h>
#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/IODispatchSource.h>
#include <DriverKit/IOLib.h>
#include <DriverKit/IOMemoryDescriptor.h>
#include <DriverKit/IOReturn.h>
#include <DriverKit/IOService.h>
#include <DriverKit/IOTimerDispatchSource.h>
#include <DriverKit/IOUserClient.h>
#include <DriverKit/OSAction.h>
#include <DriverKit/OSCollections.h>
#include <DriverKit/OSObject.h>
#include <DriverKit/dext_bundle.h>
#include <DriverKit/dext_memory.h>
#include <os/log.h>

#endif
