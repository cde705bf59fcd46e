/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of PCI: the header of the configuration space, the command register, kinds of BARs. */
#ifndef OPENDEXT_PCIDRIVERKIT_IOPCIFAMILYDEFINITIONS_H
#define OPENDEXT_PCIDRIVERKIT_IOPCIFAMILYDEFINITIONS_H

/* Bytes into the configuration space. */
enum {
	kIOPCIConfigurationOffsetVendorID = 0x00,
	kIOPCIConfigurationOffsetDeviceID = 0x02,
	kIOPCIConfigurationOffsetCommand = 0x04,
	kIOPCIConfigurationOffsetStatus = 0x06,
	kIOPCIConfigurationOffsetRevisionID = 0x08,
	kIOPCIConfigurationOffsetClassCode = 0x09,
	kIOPCIConfigurationOffsetCacheLineSize = 0x0c,
	kIOPCIConfigurationOffsetLatencyTimer = 0x0d,
	kIOPCIConfigurationOffsetHeaderType = 0x0e,
	kIOPCIConfigurationOffsetBIST = 0x0f,
	kIOPCIConfigurationOffsetBaseAddress0 = 0x10,
	kIOPCIConfigurationOffsetBaseAddress1 = 0x14,
	kIOPCIConfigurationOffsetBaseAddress2 = 0x18,
	kIOPCIConfigurationOffsetBaseAddress3 = 0x1c,
	kIOPCIConfigurationOffsetBaseAddress4 = 0x20,
	kIOPCIConfigurationOffsetBaseAddress5 = 0x24,
	kIOPCIConfigurationOffsetCardBusCISPtr = 0x28,
	kIOPCIConfigurationOffsetSubSystemVendorID = 0x2c,
	kIOPCIConfigurationOffsetSubSystemID = 0x2e,
	kIOPCIConfigurationOffsetExpansionROMBase = 0x30,
	kIOPCIConfigurationOffsetCapabilitiesPtr = 0x34,
	kIOPCIConfigurationOffsetInterruptLine = 0x3c,
	kIOPCIConfigurationOffsetInterruptPin = 0x3d,
	kIOPCIConfigurationOffsetMinimumGrant = 0x3e,
	kIOPCIConfigurationOffsetMaximumLatency = 0x3f,
};

/* Bits of the command register. */
enum {
	kIOPCICommandIOSpace = 0x0001,
	kIOPCICommandMemorySpace = 0x0002,
	kIOPCICommandBusLead = 0x0004,
	kIOPCICommandBusMaster = kIOPCICommandBusLead,
};

/* What IOPCIDevice_GetBARInfo says of a BAR: its low bits. */
enum {
	kPCIBARTypeM32 = 0x00,	 /* memory */
	kPCIBARTypeIO = 0x01,	 /* ports */
	kPCIBARTypeM64 = 0x04,	 /* memory, of two BARs */
	kPCIBARTypeM32PF = 0x08, /* memory, prefetchable */
	kPCIBARTypeM64PF = 0x0c,
};

#endif
