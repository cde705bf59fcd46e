/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real USB devices and PCI functions as they come and go. Create it after registry_create; what is
 * there already is added at once. Destroy it before the registry, after the loop has stopped.
 */
#ifndef REGISTRY_HOTPLUG_H
#define REGISTRY_HOTPLUG_H

#include "registry.h"

struct hotplug;

#define HOTPLUG_PCI_ROOT "/sys/bus/pci/devices"

/*
 * Without uevents it looks every second, and the log says so. `pci_root`, which is kept: where PCI
 * functions are, HOTPLUG_PCI_ROOT or a test's folder, which is looked at every second; NULL: none.
 */
IOReturn hotplug_create(struct loop *loop, struct registry *registry, const char *pci_root,
			struct hotplug **ret_hotplug);
void hotplug_destroy(struct hotplug *hotplug); /* NULL is allowed */

/* Where a device is, as in /dev/bus/usb/BUS/NUMBER. */
struct hotplug_place {
	unsigned bus, number;
};

#define HOTPLUG_PLACES_MAX 256

struct hotplug_list {
	struct hotplug_place places[HOTPLUG_PLACES_MAX];
	unsigned count;
	bool unsettled; /* there is a device that the kernel has not configured */
	bool whole;	/* what is not in it is not there; else it is to be looked at again soon */
};

/*
 * The devices that this folder of sysfs (/sys/bus/usb/devices) shows, but for hubs and those that
 * the kernel has not configured; at most `most`.
 */
void hotplug_list(const char *folder, unsigned most, struct hotplug_list *ret_list);

/* hotplug_pci.c: adds functions that have come, and tells of those that have gone. True: again
 * soon. */
bool pci_scan(struct registry *registry, const char *root);

#endif
