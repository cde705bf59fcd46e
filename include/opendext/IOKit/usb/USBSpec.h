/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of USB devices and interfaces, under the names of the old USB family. */
#ifndef OPENDEXT_IOKIT_USB_USBSPEC_H
#define OPENDEXT_IOKIT_USB_USBSPEC_H

/* Of devices. */
enum {
	kUSBCompositeClass = 0,
	kUSBCommClass = 2,
	kUSBHubClass = 9,
	kUSBDataClass = 10,
	kUSBPersonalHealthcareClass = 15,
	kUSBBillBoardClass = 17,
	kUSBDiagnosticClass = 220,
	kUSBWirelessControllerClass = 224,
	kUSBMiscellaneousClass = 239,
	kUSBApplicationSpecificClass = 254,
	kUSBVendorSpecificClass = 255,
};

/* Of interfaces. */
enum {
	kUSBAudioInterfaceClass = 1,
	kUSBCommunicationControlInterfaceClass = 2,
	kUSBCommunicationDataInterfaceClass = 10,
	kUSBHIDInterfaceClass = 3,
	kUSBPhysicalInterfaceClass = 5,
	kUSBImageInterfaceClass = 6,
	kUSBPrintingInterfaceClass = 7,
	kUSBMassStorageInterfaceClass = 8,
	kUSBChipSmartCardInterfaceClass = 11,
	kUSBContentSecurityInterfaceClass = 13,
	kUSBVideoInterfaceClass = 14,
	kUSBDiagnosticDeviceInterfaceClass = 220,
	kUSBWirelessControllerInterfaceClass = 224,
	kUSBApplicationSpecificInterfaceClass = 254,
	kUSBVendorSpecificInterfaceClass = 255,
};

enum {
	kHIDBootInterfaceSubClass = 1,
	kHIDNoInterfaceProtocol = 0,
	kHIDKeyboardInterfaceProtocol = 1,
	kHIDMouseInterfaceProtocol = 2,
	kUSBDFUSubClass = 1,
	kUSBIrDABridgeSubClass = 2,
	kUSBTestMeasurementSubClass = 3,
};

#endif
