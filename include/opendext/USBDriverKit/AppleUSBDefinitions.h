/* SPDX-License-Identifier: Apache-2.0 */
/*
 * USB's own structures and numbers, under the names that USBDriverKit gives them. Every structure
 * is laid out as on the wire: packed, and its 16-bit fields little-endian (OSSwapLittleToHostInt16
 * is the identity on the machines that this runs on).
 */
#ifndef OPENDEXT_USBDRIVERKIT_APPLEUSBDEFINITIONS_H
#define OPENDEXT_USBDRIVERKIT_APPLEUSBDEFINITIONS_H

#include <stdint.h>

#include <dext_cdefs.h>

DEXT_BEGIN_DECLS

#define DEXT_USB_PACKED __attribute__((packed))

/* What IOUSBHostDevice_GetSpeed and IOUSBHostPipe_GetSpeed answer. */
enum {
	kIOUSBHostConnectionSpeedNone = 0,
	kIOUSBHostConnectionSpeedFull = 1,	  /* 12 Mb/s */
	kIOUSBHostConnectionSpeedLow = 2,	  /* 1.5 Mb/s */
	kIOUSBHostConnectionSpeedHigh = 3,	  /* 480 Mb/s */
	kIOUSBHostConnectionSpeedSuper = 4,	  /* 5 Gb/s */
	kIOUSBHostConnectionSpeedSuperPlus = 5,	  /* 10 Gb/s */
	kIOUSBHostConnectionSpeedSuperPlusBy2 = 6 /* 20 Gb/s */
};

/* bDescriptorType. */
enum {
	kIOUSBDescriptorTypeDevice = 1,
	kIOUSBDescriptorTypeConfiguration = 2,
	kIOUSBDescriptorTypeString = 3,
	kIOUSBDescriptorTypeInterface = 4,
	kIOUSBDescriptorTypeEndpoint = 5,
	kIOUSBDescriptorTypeDeviceQualifier = 6,
	kIOUSBDescriptorTypeOtherSpeedConfiguration = 7,
	kIOUSBDescriptorTypeInterfacePower = 8,
	kIOUSBDescriptorTypeOTG = 9,
	kIOUSBDescriptorTypeDebug = 10,
	kIOUSBDescriptorTypeInterfaceAssociation = 11,
	kIOUSBDescriptorTypeBOS = 15,
	kIOUSBDescriptorTypeDeviceCapability = 16,
	kIOUSBDescriptorTypeSuperSpeedUSBEndpointCompanion = 48,
	kIOUSBDescriptorTypeSuperSpeedPlusIsochronousEndpointCompanion = 49
};

/* What IOUSBGetEndpointDirection and IOUSBGetEndpointType answer. */
enum {
	kIOUSBEndpointDirectionOut = 0,
	kIOUSBEndpointDirectionIn = 1,
	kIOUSBEndpointDirectionUnknown = 2
};

enum {
	kIOUSBEndpointTypeControl = 0,
	kIOUSBEndpointTypeIsochronous = 1,
	kIOUSBEndpointTypeBulk = 2,
	kIOUSBEndpointTypeInterrupt = 3
};

/* Fields of bEndpointAddress and bmAttributes. */
enum {
	kIOUSBEndpointDescriptorNumber = 0x0f,
	kIOUSBEndpointDescriptorDirection = 0x80,
	kIOUSBEndpointDescriptorDirectionOut = 0x00,
	kIOUSBEndpointDescriptorDirectionIn = 0x80,
	kIOUSBEndpointDescriptorTransferType = 0x03,
	kIOUSBEndpointDescriptorPacketSize = 0x07ff
};

/* bmRequestType: (direction << 7) | (type << 5) | recipient. */
enum {
	kIOUSBDeviceRequestDirectionOut = 0,
	kIOUSBDeviceRequestDirectionIn = 1,
	kIOUSBDeviceRequestTypeStandard = 0,
	kIOUSBDeviceRequestTypeClass = 1,
	kIOUSBDeviceRequestTypeVendor = 2,
	kIOUSBDeviceRequestRecipientDevice = 0,
	kIOUSBDeviceRequestRecipientInterface = 1,
	kIOUSBDeviceRequestRecipientEndpoint = 2,
	kIOUSBDeviceRequestRecipientOther = 3,
	kIOUSBDeviceRequestRecipientMask = 0x1f,
	kIOUSBDeviceRequestRecipientPhase = 0,
	kIOUSBDeviceRequestTypeMask = 0x60,
	kIOUSBDeviceRequestTypePhase = 5,
	kIOUSBDeviceRequestDirectionMask = 0x80,
	kIOUSBDeviceRequestDirectionPhase = 7
};

/* bRequest of the standard requests. */
enum {
	kIOUSBDeviceRequestGetStatus = 0,
	kIOUSBDeviceRequestClearFeature = 1,
	kIOUSBDeviceRequestSetFeature = 3,
	kIOUSBDeviceRequestSetAddress = 5,
	kIOUSBDeviceRequestGetDescriptor = 6,
	kIOUSBDeviceRequestSetDescriptor = 7,
	kIOUSBDeviceRequestGetConfiguration = 8,
	kIOUSBDeviceRequestSetConfiguration = 9,
	kIOUSBDeviceRequestGetInterface = 10,
	kIOUSBDeviceRequestSetInterface = 11,
	kIOUSBDeviceRequestSynchFrame = 12
};

/* wValue of Clear Feature and Set Feature for an endpoint. */
enum { kIOUSBEndpointFeatureSelectorStall = 0 };

/* The first two bytes of every descriptor. */
typedef struct DEXT_USB_PACKED IOUSBDescriptorHeader {
	uint8_t bLength; /* of the whole descriptor, these two bytes included */
	uint8_t bDescriptorType;
} IOUSBDescriptorHeader;

typedef struct DEXT_USB_PACKED IOUSBDeviceDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	uint16_t bcdUSB;
	uint8_t bDeviceClass;
	uint8_t bDeviceSubClass;
	uint8_t bDeviceProtocol;
	uint8_t bMaxPacketSize0;
	uint16_t idVendor;
	uint16_t idProduct;
	uint16_t bcdDevice;
	uint8_t iManufacturer;
	uint8_t iProduct;
	uint8_t iSerialNumber;
	uint8_t bNumConfigurations;
} IOUSBDeviceDescriptor;

typedef struct DEXT_USB_PACKED IOUSBConfigurationDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	uint16_t wTotalLength; /* of this descriptor and all that follow it */
	uint8_t bNumInterfaces;
	uint8_t bConfigurationValue;
	uint8_t iConfiguration;
	uint8_t bmAttributes;
	uint8_t MaxPower;
} IOUSBConfigurationDescriptor;

typedef struct DEXT_USB_PACKED IOUSBInterfaceAssociationDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	uint8_t bFirstInterface;
	uint8_t bInterfaceCount;
	uint8_t bFunctionClass;
	uint8_t bFunctionSubClass;
	uint8_t bFunctionProtocol;
	uint8_t iFunction;
} IOUSBInterfaceAssociationDescriptor;

typedef struct DEXT_USB_PACKED IOUSBInterfaceDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	uint8_t bInterfaceNumber;
	uint8_t bAlternateSetting;
	uint8_t bNumEndpoints;
	uint8_t bInterfaceClass;
	uint8_t bInterfaceSubClass;
	uint8_t bInterfaceProtocol;
	uint8_t iInterface;
} IOUSBInterfaceDescriptor;

typedef struct DEXT_USB_PACKED IOUSBEndpointDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	uint8_t bEndpointAddress;
	uint8_t bmAttributes;
	uint16_t wMaxPacketSize;
	uint8_t bInterval;
} IOUSBEndpointDescriptor;

typedef struct DEXT_USB_PACKED IOUSBSuperSpeedEndpointCompanionDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	uint8_t bMaxBurst;
	uint8_t bmAttributes;
	uint16_t wBytesPerInterval;
} IOUSBSuperSpeedEndpointCompanionDescriptor;

typedef struct DEXT_USB_PACKED IOUSBSuperSpeedPlusIsochronousEndpointCompanionDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	uint16_t wReserved;
	uint32_t dwBytesPerInterval;
} IOUSBSuperSpeedPlusIsochronousEndpointCompanionDescriptor;

typedef struct DEXT_USB_PACKED IOUSBStringDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	__extension__ uint8_t bString[0]; /* UTF-16, little-endian, bLength - 2 bytes */
} IOUSBStringDescriptor;

/* A setup packet. */
typedef struct DEXT_USB_PACKED IOUSBDeviceRequest {
	uint8_t bmRequestType;
	uint8_t bRequest;
	uint16_t wValue;
	uint16_t wIndex;
	uint16_t wLength;
} IOUSBDeviceRequest;

/* All that describes one endpoint; a descriptor that the device does not have is all zero. */
typedef struct DEXT_USB_PACKED IOUSBStandardEndpointDescriptors {
	uint16_t bcdUSB; /* of the device */
	IOUSBEndpointDescriptor descriptor;
	IOUSBSuperSpeedEndpointCompanionDescriptor ssCompanionDescriptor;
	IOUSBSuperSpeedPlusIsochronousEndpointCompanionDescriptor sspCompanionDescriptor;
} IOUSBStandardEndpointDescriptors;

/* What IOUSBHostDevice_CopyCapabilityDescriptors answers: device capabilities follow it. */
typedef struct DEXT_USB_PACKED IOUSBBOSDescriptor {
	uint8_t bLength;
	uint8_t bDescriptorType;
	uint16_t wTotalLength; /* of this descriptor and all that follow it */
	uint8_t bNumDeviceCaps;
} IOUSBBOSDescriptor;

/* What IOUSBHostDevice_GetPortStatus answers: a speed in its field, and bits. */
enum {
	kIOUSBHostPortStatusPortTypeMask = 0x0000000f,
	kIOUSBHostPortStatusPortTypeStandard = 0,
	kIOUSBHostPortStatusConnectedSpeedMask = 0x00000700,
	kIOUSBHostPortStatusConnectedSpeedPhase = 8,
	kIOUSBHostPortStatusResetting = 0x00010000,
	kIOUSBHostPortStatusEnabled = 0x00020000,
	kIOUSBHostPortStatusSuspended = 0x00040000,
	kIOUSBHostPortStatusOvercurrent = 0x00080000,
	kIOUSBHostPortStatusTestMode = 0x00100000
};

/* Options of the Abort calls. */
enum {
	kIOUSBAbortAsynchronous = 0, /* returns at once */
	kIOUSBAbortSynchronous = 1   /* returns after the callbacks */
};

/* getType of IOUSBHostPipe_GetDescriptors. */
enum {
	kIOUSBGetEndpointDescriptorOriginal = 0, /* as the device sent them */
	kIOUSBGetEndpointDescriptorCurrent = 1	 /* as the pipe uses them: the same here */
};

DEXT_END_DECLS

#endif
