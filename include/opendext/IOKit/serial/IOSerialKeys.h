/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serial ports as programs look for them on macOS. Here they are device files of Linux and no
 * services: such a search finds nothing.
 */
#ifndef OPENDEXT_IOKIT_SERIAL_IOSERIALKEYS_H
#define OPENDEXT_IOKIT_SERIAL_IOSERIALKEYS_H

#define kIOSerialBSDServiceValue "IOSerialBSDClient"

#define kIOSerialBSDTypeKey   "IOSerialBSDClientType"
#define kIOSerialBSDAllTypes  "IOSerialStream"
#define kIOSerialBSDModemType "IOModemSerialStream"
#define kIOSerialBSDRS232Type "IORS232SerialStream"

#define kIOTTYDeviceKey	     "IOTTYDevice"
#define kIOTTYBaseNameKey    "IOTTYBaseName"
#define kIOTTYSuffixKey	     "IOTTYSuffix"
#define kIOCalloutDeviceKey  "IOCalloutDevice"
#define kIODialinDeviceKey   "IODialinDevice"
#define kIOTTYWaitForIdleKey "IOTTYWaitForIdle"

#endif
