/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions that come and go. Each is in the tree, whether a driver matches it or not; only
 * when one does is it looked into. One thread, the registry's.
 */
#include "hotplug.h"

#include "log.h"
#include "pci_function.h"
#include "registry_private.h"

#include <string.h>

#define FUNCTIONS_MAX 512

static void
find_gone(struct registry *registry, const char *root)
{
	for (struct device *device = registry->devices; device != NULL; device = device->next) {
		if (device->kind == DEVICE_PCI && !device->going &&
		    pci_identity(root, device->pci->address) != device->pci->identity)
			plug_device_gone(registry, device);
	}
}

/* True: the one of before is about to leave, and this one is to be looked at again. */
static bool
come(struct registry *registry, const char *root, const char *address)
{
	char error[REGISTRY_ERROR_MAX] = "";
	struct device *device = registry->devices;

	while (device != NULL &&
	       (device->kind != DEVICE_PCI || strcmp(device->pci->address, address) != 0))
		device = device->next;
	if (device != NULL)
		return device->going;
	if (registry_open_pci(registry, root, address, &device) != kIOReturnSuccess)
		return false;
	if (registry->started && plug_begin(registry, device, error) != kIOReturnSuccess)
		log_error("pci:%s: %s", address, error);
	registry_changed(registry);
	return false;
}

bool
pci_scan(struct registry *registry, const char *root)
{
	static char addresses[FUNCTIONS_MAX][PCI_ADDRESS_MAX];
	unsigned count = pci_list(root, addresses, FUNCTIONS_MAX);
	bool again = false;

	find_gone(registry, root);
	for (unsigned i = 0; i < count; i++)
		again |= come(registry, root, addresses[i]);
	if (count == FUNCTIONS_MAX)
		log_info("PCI functions past the %uth are not looked at", FUNCTIONS_MAX);
	return again;
}
