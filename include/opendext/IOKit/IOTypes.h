/* SPDX-License-Identifier: Apache-2.0 */
/* Names and sizes that the whole interface shares. */
#ifndef OPENDEXT_IOKIT_IOTYPES_H
#define OPENDEXT_IOKIT_IOTYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <IOKit/IOMapTypes.h>
#include <IOKit/IOReturn.h>
#include <IOKit/OSMessageNotification.h>
#include <device/device_types.h>
#include <libkern/OSTypes.h>
#include <mach/port.h>
#include <mach/vm_types.h>

#define IOKIT	   1
#define IOPhysSize 32

typedef uint32_t IOOptionBits;
typedef int32_t IOFixed;
typedef uint32_t IOVersion;
typedef uint32_t IOItemCount;
typedef uint32_t IOCacheMode;
typedef uint64_t IOByteCount64;
typedef uint64_t IOByteCount;
typedef uint32_t IOPhysicalAddress32;
typedef uint64_t IOPhysicalAddress64;
typedef uint64_t IOPhysicalLength64;
typedef uint64_t IOPhysicalAddress;
typedef uint64_t IOPhysicalLength;
typedef uint32_t IODeviceNumber;
typedef uint32_t IOAlignment;
typedef uint32_t IOSelect;
typedef mach_vm_address_t IOVirtualAddress;
typedef IOVirtualAddress IOLogicalAddress;

typedef struct IOVirtualRange {
	IOVirtualAddress address;
	IOByteCount length;
} IOVirtualRange, IOAddressRange;

typedef struct IONamedValue {
	int value;
	const char *name;
} IONamedValue;

/* Names of this process: released with IOObjectRelease, a connection with IOServiceClose. */
typedef io_object_t io_connect_t;
typedef io_object_t io_enumerator_t;
typedef io_object_t io_iterator_t;
typedef io_object_t io_registry_entry_t;
typedef io_object_t io_service_t;

#define IO_OBJECT_NULL ((io_object_t)0)

/* As the size of an output structure: the library makes the buffer. */
enum {
	kIOConnectMethodVarOutputSize = -3,
};

enum {
	kNanosecondScale = 1,
	kMicrosecondScale = 1000,
	kMillisecondScale = 1000 * 1000,
	kSecondScale = 1000 * 1000 * 1000,
};

/* Nanoseconds. */
enum {
	kIOMaxBusStall40usec = 40000,
	kIOMaxBusStall30usec = 30000,
	kIOMaxBusStall25usec = 25000,
	kIOMaxBusStall20usec = 20000,
	kIOMaxBusStall10usec = 10000,
	kIOMaxBusStall5usec = 5000,
	kIOMaxBusStallNone = 0,
};

#endif
