/* SPDX-License-Identifier: Apache-2.0 */
/*
 * USB as user clients meet it: keys of the properties of devices and interfaces, classes to match,
 * statuses, and the numbers of the bus itself. IOUSBLib (IOCFPlugIn) is not part of OpenDext; a
 * device is reached through its driver.
 */
#ifndef OPENDEXT_IOKIT_USB_USB_H
#define OPENDEXT_IOKIT_USB_USB_H

#include <IOKit/IOReturn.h>
#include <IOKit/IOTypes.h>
#include <IOKit/usb/USBSpec.h>
#include <USBDriverKit/AppleUSBDefinitions.h>
#include <libkern/OSByteOrder.h>
#include <libkern/OSTypes.h>

/* --- classes, for IOServiceMatching --- */

#define kIOUSBDeviceClassName	     "IOUSBDevice"
#define kIOUSBInterfaceClassName     "IOUSBInterface"
#define kIOUSBHostDeviceClassName    "IOUSBHostDevice"
#define kIOUSBHostInterfaceClassName "IOUSBHostInterface"

/* --- properties, and keys of matching dictionaries --- */

#define kUSBDeviceClass		     "bDeviceClass"
#define kUSBDeviceSubClass	     "bDeviceSubClass"
#define kUSBDeviceProtocol	     "bDeviceProtocol"
#define kUSBDeviceMaxPacketSize	     "bMaxPacketSize0"
#define kUSBVendorID		     "idVendor"
#define kUSBVendorName		     kUSBVendorID
#define kUSBProductID		     "idProduct"
#define kUSBProductName		     kUSBProductID
#define kUSBDeviceReleaseNumber	     "bcdDevice"
#define kUSBManufacturerStringIndex  "iManufacturer"
#define kUSBProductStringIndex	     "iProduct"
#define kUSBSerialNumberStringIndex  "iSerialNumber"
#define kUSBDeviceNumConfigs	     "bNumConfigurations"
#define kUSBInterfaceNumber	     "bInterfaceNumber"
#define kUSBAlternateSetting	     "bAlternateSetting"
#define kUSBNumEndpoints	     "bNumEndpoints"
#define kUSBInterfaceClass	     "bInterfaceClass"
#define kUSBInterfaceSubClass	     "bInterfaceSubClass"
#define kUSBInterfaceProtocol	     "bInterfaceProtocol"
#define kUSBInterfaceStringIndex     "iInterface"
#define kUSBConfigurationValue	     "bConfigurationValue"
#define kUSBProductString	     "USB Product Name"
#define kUSBVendorString	     "USB Vendor Name"
#define kUSBSerialNumberString	     "USB Serial Number"
#define kUSBDevicePropertySpeed	     "Device Speed" /* kUSBDeviceSpeed... */
#define kUSBDevicePropertyBusPower   "Bus Power Available"
#define kUSBDevicePropertyAddress    "USB Address"
#define kUSBDevicePropertyLocationID "locationID"
#define kUSBDevicePropertySessionID  "sessionID"

enum {
	kUSBDeviceSpeedLow = 0,
	kUSBDeviceSpeedFull = 1,
	kUSBDeviceSpeedHigh = 2,
	kUSBDeviceSpeedSuper = 3,
	kUSBDeviceSpeedSuperPlus = 4,
	kUSBDeviceSpeedSuperPlusBy2 = 5,
};

/* --- the bus --- */

#define USBToHostWord(x) OSSwapLittleToHostInt16(x)
#define HostToUSBWord(x) OSSwapHostToLittleInt16(x)
#define USBToHostLong(x) OSSwapLittleToHostInt32(x)
#define HostToUSBLong(x) OSSwapHostToLittleInt32(x)

enum {
	kUSBOut = 0,
	kUSBIn = 1,
	kUSBNone = 2,
	kUSBAnyDirn = 3,
};

enum {
	kUSBControl = 0,
	kUSBIsoc = 1,
	kUSBBulk = 2,
	kUSBInterrupt = 3,
	kUSBAnyType = 0xff,
};

enum {
	kUSBStandard = 0,
	kUSBClass = 1,
	kUSBVendor = 2,
};

enum {
	kUSBDevice = 0,
	kUSBInterface = 1,
	kUSBEndpoint = 2,
	kUSBOther = 3,
};

enum {
	kUSBRqGetStatus = 0,
	kUSBRqClearFeature = 1,
	kUSBRqSetFeature = 3,
	kUSBRqSetAddress = 5,
	kUSBRqGetDescriptor = 6,
	kUSBRqSetDescriptor = 7,
	kUSBRqGetConfig = 8,
	kUSBRqSetConfig = 9,
	kUSBRqGetInterface = 10,
	kUSBRqSetInterface = 11,
	kUSBRqSyncFrame = 12,
};

enum {
	kUSBDeviceDesc = 1,
	kUSBConfDesc = 2,
	kUSBStringDesc = 3,
	kUSBInterfaceDesc = 4,
	kUSBEndpointDesc = 5,
	kUSBDeviceQualifierDesc = 6,
	kUSBOtherSpeedConfDesc = 7,
	kUSBInterfacePowerDesc = 8,
	kUSBOnTheGoDesc = 9,
	kUSDebugDesc = 10,
	kUSBInterfaceAssociationDesc = 11,
	kUSBBOSDescriptor = 15,
	kUSBDeviceCapability = 16,
	kUSBHIDDesc = 0x21,
	kUSBReportDesc = 0x22,
	kUSBPhysicalDesc = 0x23,
	kUSBHUBDesc = 0x29,
};

/* bmRequestType of a request. */
#define USBmakebmRequestType(direction, type, recipient) \
	((UInt8)((((direction)&1) << 7) | (((type)&3) << 5) | ((recipient)&0x1f)))

/* A request as the old family has it; a driver's protocol may use it as it is. */
typedef struct {
	UInt8 bmRequestType;
	UInt8 bRequest;
	UInt16 wValue;
	UInt16 wIndex;
	UInt16 wLength;
	void *pData;
	UInt32 wLenDone;
} IOUSBDevRequest;

typedef struct {
	UInt8 bmRequestType;
	UInt8 bRequest;
	UInt16 wValue;
	UInt16 wIndex;
	UInt16 wLength;
	void *pData;
	UInt32 wLenDone;
	UInt32 noDataTimeout;	  /* ms */
	UInt32 completionTimeout; /* ms */
} IOUSBDevRequestTO;

/* --- statuses of the old USB family; mach_error_string has them in words --- */

#define iokit_usb_err(code) ((IOReturn)(sys_iokit | sub_iokit_usb | (code)))

#define kIOUSBCRCErr					iokit_usb_err(0x01)
#define kIOUSBBitstufErr				iokit_usb_err(0x02)
#define kIOUSBDataToggleErr				iokit_usb_err(0x03)
#define kIOUSBPIDCheckErr				iokit_usb_err(0x06)
#define kIOUSBWrongPIDErr				iokit_usb_err(0x07)
#define kIOUSBReserved1Err				iokit_usb_err(0x0a)
#define kIOUSBReserved2Err				iokit_usb_err(0x0b)
#define kIOUSBBufferOverrunErr				iokit_usb_err(0x0c)
#define kIOUSBBufferUnderrunErr				iokit_usb_err(0x0d)
#define kIOUSBNotSent1Err				iokit_usb_err(0x0e)
#define kIOUSBNotSent2Err				iokit_usb_err(0x0f)
#define kIOUSBLinkErr					iokit_usb_err(0x10)
#define kIOUSBTooManyTransactionsPending		iokit_usb_err(0x42)
#define kIOUSBInvalidSSEndpoint				iokit_usb_err(0x43)
#define kIOUSBStreamsNotSupported			iokit_usb_err(0x44)
#define kIOUSBDeviceCountExceeded			iokit_usb_err(0x45)
#define kIOUSBEndpointCountExceeded			iokit_usb_err(0x46)
#define kIOUSBDevicePortWasNotSuspended			iokit_usb_err(0x47)
#define kIOUSBClearPipeStallNotRecursive		iokit_usb_err(0x48)
#define kIOUSBDeviceTransferredToCompanion		iokit_usb_err(0x49)
#define kIOUSBSyncRequestOnWLThread			iokit_usb_err(0x4a)
#define kIOUSBHighSpeedSplitError			iokit_usb_err(0x4b)
#define kIOUSBLowLatencyFrameListNotPreviouslyAllocated iokit_usb_err(0x4c)
#define kIOUSBLowLatencyBufferNotPreviouslyAllocated	iokit_usb_err(0x4d)
#define kIOUSBInterfaceNotFound				iokit_usb_err(0x4e)
#define kIOUSBPipeStalled				iokit_usb_err(0x4f)
#define kIOUSBTransactionReturned			iokit_usb_err(0x50)
#define kIOUSBTransactionTimeout			iokit_usb_err(0x51)
#define kIOUSBConfigNotFound				iokit_usb_err(0x56)
#define kIOUSBEndpointNotFound				iokit_usb_err(0x57)
#define kIOUSBNotEnoughPowerErr				iokit_usb_err(0x5d)
#define kIOUSBNotEnoughPipesErr				iokit_usb_err(0x5e)
#define kIOUSBNoAsyncPortErr				iokit_usb_err(0x5f)
#define kIOUSBTooManyPipesErr				iokit_usb_err(0x60)
#define kIOUSBUnknownPipeErr				iokit_usb_err(0x61)

#endif
