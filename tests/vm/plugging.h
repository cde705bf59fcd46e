/* SPDX-License-Identifier: Apache-2.0 */
/* The ways in which a device of the test machine is pulled out and plugged in again. */
#ifndef TESTS_VM_PLUGGING_H
#define TESTS_VM_PLUGGING_H

#include <limits.h>
#include <stdbool.h>

#include "plugged.h"

enum plugging_way {
	PLUGGING_UDC,	 /* the gadget leaves its controller */
	PLUGGING_PORT,	 /* the hub's port is disabled */
	PLUGGING_REMOVE, /* the kernel is told to forget it; it is back by the gadget's controller
			  */
	PLUGGING_CONTROLLER, /* the host controller loses its driver */
	PLUGGING_AUTHORIZED, /* it stays where it is and may not be used */
	PLUGGING_QEMU,	     /* whoever runs the machine does it, asked by a line on the console */
};

struct plugging {
	enum plugging_way way;
	const char *udc;	   /* the gadget's file; NULL: it is none */
	char peripheral[64];	   /* what stands in that */
	char name[PLUGGED_NAME];   /* of the device in sysfs */
	char controller[PATH_MAX]; /* the host's, in sysfs */
	char driver[PATH_MAX];
};

/*
 * For a device that is there. The environment says WAY=udc, port, remove, controller, authorized or
 * qemu, and UDC=FILE of a gadget.
 */
void plugging_begin(struct plugging *plugging, const char *ids);
void plugging_pull(const struct plugging *plugging);
void plugging_plug(const struct plugging *plugging);

#endif
