/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of USBDriverKit. */
#ifndef OPENDEXT_USBDRIVERKIT_USBDRIVERKIT_H
#define OPENDEXT_USBDRIVERKIT_USBDRIVERKIT_H

#include <USBDriverKit/AppleUSBDefinitions.h>
#include <USBDriverKit/AppleUSBDescriptorParsing.h>
#include <USBDriverKit/IOUSBHostDevice.h>
#include <USBDriverKit/IOUSBHostInterface.h>
#include <USBDriverKit/IOUSBHostPipe.h>

#endif
