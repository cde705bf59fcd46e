/* SPDX-License-Identifier: Apache-2.0 */
/* Which USB devices are plugged, as sysfs shows them. Needs no registry and no device file. */
#ifndef DEXT_PLUGGED_H
#define DEXT_PLUGGED_H

#include <stdbool.h>
#include <stddef.h>

#define PLUGGED_SYSFS	"/sys/bus/usb/devices"
#define PLUGGED_TEXT	128u
#define PLUGGED_HUB	9u
#define INTERFACES_MOST 32u

struct plugged_interface {
	unsigned number, alternate;
	unsigned class, subclass, protocol;
	bool has_bulk;		   /* endpoints, in the setting that is selected */
	char driver[PLUGGED_TEXT]; /* the kernel's; "": none. "usbfs": a program has it */
};

struct plugged {
	char path[PLUGGED_TEXT]; /* bus and ports, as 1-2.3 */
	unsigned bus, number;
	unsigned vendor, product, release;
	unsigned class;
	unsigned configuration; /* 0: none */
	char speed[16];		/* Mbit/s, as the kernel says it; "": not said */
	/* As the device says them, unprintable characters as '?'; "": it does not. */
	char manufacturer[PLUGGED_TEXT], name[PLUGGED_TEXT], serial[PLUGGED_TEXT];
	struct plugged_interface interfaces[INTERFACES_MOST]; /* by number */
	size_t interface_count;
};

/*
 * All devices in that folder, by bus and number; the caller frees the array. False: the folder
 * cannot be read (errno), or there is no memory.
 */
bool plugged_read(const char *sysfs, struct plugged **ret_devices, size_t *ret_count);

#endif
