/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a device: a file that the kernel makes and whose size is the device's, such as a PCI
 * BAR's resourceN in sysfs. It has no seals and needs none: nobody can truncate it, and who was not
 * the one to open it can open it again only with the right to do so.
 *
 * A host gets such files from the registry, twice each: opened for reading and writing, and for
 * reading alone. What it hands over read-only is the second one.
 */
#ifndef MEMORY_DEVICE_MEMORY_H
#define MEMORY_DEVICE_MEMORY_H

#include "descriptor.h"

/* Whether the file is the kernel's own (of sysfs), and so to be checked as here and not by seals.
 */
bool device_file_is(int fd);
/* kIOReturnBadArgument, and a log line: it is no regular file, or shorter than `length`. */
IOReturn device_file_check(int fd, uint64_t length);

/*
 * `length` bytes, whole pages, +1. Takes both descriptors on every path. The registry has checked
 * them. kIOReturnNotAligned: not whole pages; the rest of the page may be another device's.
 */
IOReturn memory_create_for_device_take(int fd, int readonly_fd, uint64_t length,
				       IOMemoryDescriptor **ret_memory);
/* Whether any of it is a device's memory. */
bool memory_is_device(const IOMemoryDescriptor *memory);

#endif
