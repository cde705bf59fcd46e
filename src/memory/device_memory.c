/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a device, as a descriptor and as what an app may map. Constant after creation; any
 * thread.
 */
#include "device_memory.h"

#include "descriptor_ivars.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

bool
device_file_is(int fd)
{
	struct statfs system;

	return fstatfs(fd, &system) == 0 && system.f_type == SYSFS_MAGIC;
}

IOReturn
device_file_check(int fd, uint64_t length)
{
	struct stat about;

	if (fstat(fd, &about) < 0)
		return status_from_errno(errno, "fstat of a device's memory");
	if (S_ISREG(about.st_mode) && about.st_size >= 0 && (uint64_t)about.st_size >= length)
		return kIOReturnSuccess;
	log_error("memory of a device refused: its file is shorter than the memory it is to hold");
	return kIOReturnBadArgument;
}

IOReturn
memory_create_for_device_take(int fd, int readonly_fd, uint64_t length,
			      IOMemoryDescriptor **ret_memory)
{
	struct IOMemoryDescriptor_IVars *ivars;
	IOMemoryDescriptor *memory = NULL;
	IOReturn status = kIOReturnNoMemory;

	if (length == 0 || length % page_size() != 0 || length > INT64_MAX)
		status = kIOReturnNotAligned;
	else
		memory = memory_new(OSTypeID(IOMemoryDescriptor), 1, 0, kIOMemoryDirectionInOut);
	if (memory == NULL) {
		fd_close(&fd);
		fd_close(&readonly_fd);
		return status;
	}
	ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	status = backing_create_for_device_take(fd, readonly_fd, length, &ivars->parts[0], memory);
	if (status != kIOReturnSuccess) {
		OSRelease(memory);
		return status;
	}
	ivars->part_count = 1;
	ivars->length = length;
	*ret_memory = memory;
	return kIOReturnSuccess;
}

bool
memory_is_device(const IOMemoryDescriptor *memory)
{
	const struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);

	for (uint32_t i = 0; i < ivars->part_count; i++) {
		if (ivars->parts[i].backing->device)
			return true;
	}
	return false;
}
