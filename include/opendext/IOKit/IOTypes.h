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
#include <mach/port.h>
#include <mach/vm_types.h>

#define IOKIT 1

typedef uint32_t IOOptionBits;
typedef int32_t IOFixed;
typedef uint32_t IOVersion;
typedef uint32_t IOItemCount;
typedef uint32_t IOCacheMode;
typedef uint64_t IOByteCount64;
typedef uint64_t IOByteCount;
typedef mach_vm_address_t IOVirtualAddress;
typedef IOVirtualAddress IOLogicalAddress;

typedef struct IOVirtualRange {
	IOVirtualAddress address;
	IOByteCount length;
} IOVirtualRange, IOAddressRange;

/* Names of this process: released with IOObjectRelease, a connection with IOServiceClose. */
typedef mach_port_t io_object_t;
typedef io_object_t io_connect_t;
typedef io_object_t io_enumerator_t;
typedef io_object_t io_iterator_t;
typedef io_object_t io_registry_entry_t;
typedef io_object_t io_service_t;

#define IO_OBJECT_NULL ((io_object_t)0)

typedef char io_name_t[128];
typedef char io_string_t[512];
typedef char io_struct_inband_t[4096];
typedef uint64_t io_user_scalar_t;
typedef int io_scalar_inband_t[16];
typedef uint64_t io_scalar_inband64_t[16];
typedef natural_t io_async_ref_t[kOSAsyncRefCount];
typedef io_user_reference_t io_async_ref64_t[kOSAsyncRef64Count];

/* As the size of an output structure: kIOReturnUnsupported here; give a buffer. */
enum {
	kIOConnectMethodVarOutputSize = -3,
};

enum {
	kNanosecondScale = 1,
	kMicrosecondScale = 1000,
	kMillisecondScale = 1000 * 1000,
	kSecondScale = 1000 * 1000 * 1000,
};

#endif
