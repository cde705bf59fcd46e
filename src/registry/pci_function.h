/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sysfs says of a PCI function, and its files. `root` is the folder that has a folder for each
 * function: /sys/bus/pci/devices, or a test's own.
 */
#ifndef REGISTRY_PCI_FUNCTION_H
#define REGISTRY_PCI_FUNCTION_H

#include "packet.h"

#include <stdbool.h>
#include <sys/types.h>

#define PCI_BARS	6u
#define PCI_ADDRESS_MAX 16u
#define PCI_ERROR_MAX	320u

struct pci_function {
	char *folder;
	char address[PCI_ADDRESS_MAX]; /* "0000:00:04.0" */
	unsigned domain, bus, device, function;
	uint32_t vendor_id, device_id, class_code, revision, subsystem_vendor_id, subsystem_id;
	struct {
		uint64_t start, size; /* size 0: there is none */
		uint8_t type;	      /* kPCIBARType... */
		bool unset;	      /* the kernel gave it no addresses */
	} bars[PCI_BARS];
	ino_t identity; /* of the folder: another function at the same address has another */
};

/* Addresses of the functions that are there, but for bridges, which are the kernel's. */
unsigned pci_list(const char *root, char addresses[][PCI_ADDRESS_MAX], unsigned most);
/* The folder's identity; 0: there is no such function. */
ino_t pci_identity(const char *root, const char *address);

/* kIOReturnNoDevice: there is none, or it is not described as PCI functions are. */
IOReturn pci_read(const char *root, const char *address, struct pci_function **ret_function);
void pci_free(struct pci_function *function); /* NULL is allowed */

/* A BAR that can be a host's: memory in whole pages, so that no other device's is in them. */
bool pci_bar_is_usable(const struct pci_function *function, unsigned number);
/*
 * Makes the function ready for a host and opens its files for it: turns memory decoding on and bus
 * mastering off; the configuration space for reading, then for each usable BAR its memory for
 * reading and writing, and for reading. kIOReturnExclusiveAccess: a driver of the kernel has it. On
 * failure `error` is a sentence with the cause and what to do.
 */
IOReturn pci_open(const struct pci_function *function, struct fd_list *ret_files,
		  char error[PCI_ERROR_MAX]);
/* Whether an IOMMU of this machine knows it. */
bool pci_has_iommu(const struct pci_function *function);

#endif
