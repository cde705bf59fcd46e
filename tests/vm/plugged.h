/* SPDX-License-Identifier: Apache-2.0 */
/* USB devices in the test machine, which has no udev. */
#ifndef TESTS_VM_PLUGGED_H
#define TESTS_VM_PLUGGED_H

#include <stdbool.h>

/*
 * Waits until a device with these ids (VVVV:PPPP) is there and has its configuration; writes its
 * BUS:DEV. False: it did not come.
 */
bool plugged_wait(const char *ids, char usb[16]);

#endif
