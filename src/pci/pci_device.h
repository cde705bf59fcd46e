/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of IOPCIDevice, for access.c and provider.c. */
#ifndef PCI_PCI_DEVICE_H
#define PCI_PCI_DEVICE_H

#include "packet.h"

#include <PCIDriverKit/IOPCIDevice.h>

#define PCI_BARS 6u

struct pci_place {
	uint8_t bus, device, function;
};

/* One BAR that the device has. */
struct pci_bar {
	uint8_t number, type;
	uint64_t size;
	IOMemoryDescriptor *memory; /* +1; NULL: it cannot be used */
};

/*
 * +1. Takes the configuration's descriptor and the references of `bars`, which are in the order of
 * their memory indices, on every path.
 */
IOReturn pci_device_create_take(const struct pci_bar *bars, unsigned count, int configuration,
				const struct pci_place *place, IOPCIDevice **ret_device);
/* The device has gone: from now on nothing reaches for it. True: it had not before. */
bool pci_device_set_gone(IOPCIDevice *device);

/*
 * Where `width` bytes of the memory are, for one access; NULL, with a log line unless the device
 * has gone: nowhere. `call` is the name of the function for that line.
 */
volatile void *pci_device_reach(IOPCIDevice *device, uint8_t memory_index, uint64_t offset,
				unsigned width, const char *call);
/* Up to 4 bytes of the configuration space; all ones as above. */
uint32_t pci_device_read_configuration(IOPCIDevice *device, uint64_t offset, unsigned width,
				       const char *call);

#endif
