/* SPDX-License-Identifier: Apache-2.0 */
/* The connect types of the HID system, as IOServiceOpen takes them. There is no such service here.
 */
#ifndef OPENDEXT_IOKIT_HIDSYSTEM_IOHIDSHARED_H
#define OPENDEXT_IOKIT_HIDSYSTEM_IOHIDSHARED_H

#define kIOHIDSystemClass "IOHIDSystem"

enum {
	kIOHIDCurrentShmemVersion = 4,
	kIOHIDServerConnectType = 0,
	kIOHIDParamConnectType = 1,
	kIOHIDStackShotConnectType = 2,
	kIOHIDEventSystemConnectType = 3,
};

#endif
