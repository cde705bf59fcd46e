/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single accesses to a device's memory and configuration space, in each width. The memory is
 * volatile and aligned, so each is one load or store of that width, in program order with the
 * others. Any thread.
 */
#include "pci_device.h"

#include <inttypes.h>

#include "log.h"

#define MEMORY_ACCESSES(bits)                                                                      \
	void IOPCIDevice_MemoryRead##bits(IOPCIDevice *device, uint8_t memoryIndex,                \
					  uint64_t offset, uint##bits##_t *data)                   \
	{                                                                                          \
		volatile uint##bits##_t *place = pci_device_reach(                                 \
			device, memoryIndex, offset, sizeof(uint##bits##_t), "MemoryRead" #bits);  \
                                                                                                   \
		*data = place != NULL ? *place : UINT##bits##_MAX;                                 \
	}                                                                                          \
                                                                                                   \
	void IOPCIDevice_MemoryWrite##bits(IOPCIDevice *device, uint8_t memoryIndex,               \
					   uint64_t offset, uint##bits##_t data)                   \
	{                                                                                          \
		volatile uint##bits##_t *place = pci_device_reach(                                 \
			device, memoryIndex, offset, sizeof(uint##bits##_t), "MemoryWrite" #bits); \
                                                                                                   \
		if (place != NULL)                                                                 \
			*place = data;                                                             \
	}

MEMORY_ACCESSES(8)
MEMORY_ACCESSES(16)
MEMORY_ACCESSES(32)
MEMORY_ACCESSES(64)

/* What is there already may be written: most drivers turn memory decoding on first. */
static void
refuse_change(uint64_t offset, uint32_t data, uint32_t there)
{
	if (data == there)
		return;
	log_error("IOPCIDevice: ConfigurationWrite of 0x%" PRIx32 " at 0x%" PRIx64
		  ", where 0x%" PRIx32 " is, does nothing: a driver cannot change the "
		  "configuration space%s",
		  data, offset, there,
		  offset == kIOPCIConfigurationOffsetCommand &&
				  (data & ~there & kIOPCICommandBusLead)
			  ? ", and bus mastering stays off"
			  : "");
}

#define CONFIGURATION_ACCESSES(bits)                                                         \
	void IOPCIDevice_ConfigurationRead##bits(IOPCIDevice *device, uint64_t offset,       \
						 uint##bits##_t *data)                       \
	{                                                                                    \
		*data = (uint##bits##_t)pci_device_read_configuration(                       \
			device, offset, sizeof(uint##bits##_t), "ConfigurationRead" #bits);  \
	}                                                                                    \
                                                                                             \
	void IOPCIDevice_ConfigurationWrite##bits(IOPCIDevice *device, uint64_t offset,      \
						  uint##bits##_t data)                       \
	{                                                                                    \
		uint##bits##_t there = (uint##bits##_t)pci_device_read_configuration(        \
			device, offset, sizeof(uint##bits##_t), "ConfigurationWrite" #bits); \
                                                                                             \
		refuse_change(offset, data, there);                                          \
	}

CONFIGURATION_ACCESSES(8)
CONFIGURATION_ACCESSES(16)
CONFIGURATION_ACCESSES(32)
