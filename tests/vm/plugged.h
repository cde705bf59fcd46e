/* SPDX-License-Identifier: Apache-2.0 */
/* USB devices in the test machine, which has no udev. */
#ifndef TESTS_VM_PLUGGED_H
#define TESTS_VM_PLUGGED_H

#include <stdbool.h>

#define PLUGGED_NAME 32

/* Its BUS:DEV, and its name in sysfs ("3-1"); false: it is not there, or has no configuration. */
bool plugged_find(const char *ids, char usb[16], char name[PLUGGED_NAME]);

/*
 * Waits until a device with these ids (VVVV:PPPP) is there and has its configuration; writes its
 * BUS:DEV. False: it did not come.
 */
bool plugged_wait(const char *ids, char usb[16]);
/*
 * Waits until none is. Whoever has one open is told before that: usbfs says that it has gone when
 * the kernel begins to take it away, and sysfs shows it, with its configuration, for a while.
 */
bool plugged_wait_gone(const char *ids);

#endif
