/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOPCIDevice: one function of a PCI device, the provider of a driver whose personality has
 * IOProviderClass IOPCIDevice and IOPCIMatch (or IOPCIPrimaryMatch, IOPCISecondaryMatch,
 * IOPCIClassMatch). In Start: open it, look at its BARs, copy the memory of those that are to be
 * mapped. In Stop: close it.
 *
 * What a driver has of the device are its memory BARs and, for reading, its configuration space.
 * Memory decoding is on before Start; bus mastering is off and stays off, so the device can neither
 * read nor write memory of the machine (DMA), nor interrupt by messages. BARs of I/O ports, and
 * BARs smaller than a page, whose page may hold registers of another device, are shown and cannot
 * be used.
 *
 * A memory index counts the BARs that the device has, from 0: of a device with BARs 0 and 2, BAR 2
 * has index 1. GetBARInfo gives it. CopyProperties has the properties that apps see.
 *
 * All functions may be called from any thread or queue, and none blocks. Once the device has gone
 * reads give all ones and writes do nothing.
 */
#ifndef OPENDEXT_PCIDRIVERKIT_IOPCIDEVICE_H
#define OPENDEXT_PCIDRIVERKIT_IOPCIDEVICE_H

#include <DriverKit/IOMemoryDescriptor.h>
#include <DriverKit/IOService.h>
#include <PCIDriverKit/IOPCIFamilyDefinitions.h>

DEXT_BEGIN_DECLS

typedef struct IOPCIDevice IOPCIDevice;
extern const OSMetaClass gIOPCIDeviceMetaClass;

/*
 * Begins a session, one at a time: kIOReturnExclusiveAccess. Everything below needs one. options
 * must be 0, else kIOReturnBadArgument. kIOReturnNoDevice: the device has gone.
 * kIOReturnNoResources: its memory cannot be mapped.
 */
kern_return_t IOPCIDevice_Open(IOPCIDevice *device, IOService *forClient, uint32_t options);
/* Ends it. What was copied or mapped stays. Of a client without a session: a log line. */
void IOPCIDevice_Close(IOPCIDevice *device, IOService *forClient, uint32_t options);

/*
 * The memory of a BAR, all of it; the same object each time. The caller releases it. It is mapped
 * uncached: in the driver by IOMemoryDescriptor_CreateMapping, and in apps, returned from
 * CopyClientMemoryForType, read-write or with kIOUserClientMemoryReadOnly. An app gets a BAR whole
 * or not at all. DriverKit names this _CopyDeviceMemoryWithIndex. kIOReturnNotOpen.
 * kIOReturnNotFound: no such index. kIOReturnUnsupported: ports, or less than a page.
 */
kern_return_t IOPCIDevice_CopyDeviceMemoryWithIndex(IOPCIDevice *device, uint64_t memoryIndex,
						    IOMemoryDescriptor **memory,
						    IOService *forClient);
/*
 * The memory index, the bytes and the kind (kPCIBARType...) of a BAR, by its number, 0 to 5. No
 * session is needed. kIOReturnNotFound: the device has no such BAR.
 */
kern_return_t IOPCIDevice_GetBARInfo(IOPCIDevice *device, uint8_t barIndex, uint8_t *memoryIndex,
				     uint64_t *barSize, uint8_t *barType);
/* Where the device is. No session is needed. */
kern_return_t IOPCIDevice_GetBusDeviceFunction(IOPCIDevice *device, uint8_t *busNumber,
					       uint8_t *deviceNumber, uint8_t *functionNumber);

/*
 * One access of this width to a BAR, in the machine's byte order. A read or write without a
 * session, outside of the memory, not at a multiple of its width, or of memory that cannot be used:
 * a log line, and all ones or nothing.
 */
void IOPCIDevice_MemoryRead8(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset,
			     uint8_t *data);
void IOPCIDevice_MemoryRead16(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset,
			      uint16_t *data);
void IOPCIDevice_MemoryRead32(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset,
			      uint32_t *data);
void IOPCIDevice_MemoryRead64(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset,
			      uint64_t *data);
void IOPCIDevice_MemoryWrite8(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset,
			      uint8_t data);
void IOPCIDevice_MemoryWrite16(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset,
			       uint16_t data);
void IOPCIDevice_MemoryWrite32(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset,
			       uint32_t data);
void IOPCIDevice_MemoryWrite64(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset,
			       uint64_t data);

/*
 * The configuration space, of which Linux shows the first 64 bytes: past them, and where
 * MemoryRead would, reads give all ones with a log line.
 */
void IOPCIDevice_ConfigurationRead8(IOPCIDevice *device, uint64_t offset, uint8_t *data);
void IOPCIDevice_ConfigurationRead16(IOPCIDevice *device, uint64_t offset, uint16_t *data);
void IOPCIDevice_ConfigurationRead32(IOPCIDevice *device, uint64_t offset, uint32_t *data);
/*
 * A driver cannot write it, since that is how bus mastering is turned on. A write of what is there
 * already does nothing; any other one does nothing either, and the log says so.
 */
void IOPCIDevice_ConfigurationWrite8(IOPCIDevice *device, uint64_t offset, uint8_t data);
void IOPCIDevice_ConfigurationWrite16(IOPCIDevice *device, uint64_t offset, uint16_t data);
void IOPCIDevice_ConfigurationWrite32(IOPCIDevice *device, uint64_t offset, uint32_t data);

DEXT_END_DECLS

#endif
