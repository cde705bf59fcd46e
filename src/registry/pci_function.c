/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions in sysfs.
 *
 * Memory decoding is turned on through the command register and not by the attribute `enable`,
 * which asks for CAP_SYS_ADMIN: dextd gave that up. Bus mastering is turned off in the same write,
 * whatever the firmware left, and no host can turn it on: the file of the configuration space that
 * it gets is for reading. Nothing is undone when the host ends: a driver of the kernel sets the
 * register as it needs it.
 *
 * A file of a BAR is opened by root here and is root's, so an app of another user that has it open
 * for reading cannot open it again for writing. Never VFIO: who has a file of that has the device's
 * DMA. One thread, the registry's.
 */
#include "pci_function.h"

#include "attribute.h"
#include "memfd.h"
#include "status.h"

#include <PCIDriverKit/IOPCIFamilyDefinitions.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel's flags of a resource (linux/ioport.h), as the attribute `resource` has them. */
#define RESOURCE_IO	  UINT64_C(0x00000100)
#define RESOURCE_MEMORY	  UINT64_C(0x00000200)
#define RESOURCE_PREFETCH UINT64_C(0x00002000)
#define RESOURCE_MEMORY64 UINT64_C(0x00100000)
#define RESOURCE_UNSET	  UINT64_C(0x20000000)

#define BRIDGE_CLASS 0x06

static FILE *
open_attribute(const char *folder, const char *name)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return NULL;
	return fopen(path, "re");
}

static uint8_t
type_of(uint64_t flags)
{
	if (flags & RESOURCE_IO)
		return kPCIBARTypeIO;
	return (uint8_t)((flags & RESOURCE_MEMORY64 ? kPCIBARTypeM64 : kPCIBARTypeM32) |
			 (flags & RESOURCE_PREFETCH ? kPCIBARTypeM32PF : 0));
}

/* A line for each BAR: first and last address, flags; of one that is not there all 0. */
static bool
read_bars(struct pci_function *function)
{
	FILE *file = open_attribute(function->folder, "resource");
	unsigned i = 0;

	for (; file != NULL && i < PCI_BARS; i++) {
		uint64_t start, end, flags;

		if (fscanf(file, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3)
			break;
		if (!(flags & (RESOURCE_IO | RESOURCE_MEMORY)) || end <= start)
			continue;
		function->bars[i].start = start;
		function->bars[i].size = end - start + 1;
		function->bars[i].type = type_of(flags);
		function->bars[i].unset = (flags & RESOURCE_UNSET) != 0;
	}
	if (file != NULL)
		fclose(file);
	return i == PCI_BARS;
}

static bool
is_address(const char *name)
{
	unsigned number;
	int used = 0;

	return strlen(name) < PCI_ADDRESS_MAX &&
	       sscanf(name, "%x:%x:%x.%x%n", &number, &number, &number, &number, &used) == 4 &&
	       name[used] == '\0';
}

unsigned
pci_list(const char *root, char addresses[][PCI_ADDRESS_MAX], unsigned most)
{
	DIR *functions = opendir(root);
	struct dirent *entry;
	unsigned count = 0;

	while (functions != NULL && count < most && (entry = readdir(functions)) != NULL) {
		char folder[PATH_MAX];
		uint32_t class;

		if (!is_address(entry->d_name) ||
		    (size_t)snprintf(folder, sizeof(folder), "%s/%s", root, entry->d_name) >=
			    sizeof(folder) ||
		    !attribute_read_number(folder, "class", 16, &class) ||
		    class >> 16 == BRIDGE_CLASS)
			continue;
		strcpy(addresses[count++], entry->d_name);
	}
	if (functions != NULL)
		closedir(functions);
	return count;
}

ino_t
pci_identity(const char *root, const char *address)
{
	char folder[PATH_MAX];
	struct stat info;

	if ((size_t)snprintf(folder, sizeof(folder), "%s/%s", root, address) >= sizeof(folder) ||
	    stat(folder, &info) < 0)
		return 0;
	return info.st_ino;
}

IOReturn
pci_read(const char *root, const char *address, struct pci_function **ret_function)
{
	struct pci_function *function = calloc(1, sizeof(*function));

	if (function == NULL)
		return kIOReturnNoMemory;
	if (asprintf(&function->folder, "%s/%s", root, address) < 0) {
		free(function);
		return kIOReturnNoMemory;
	}
	snprintf(function->address, sizeof(function->address), "%s", address);
	function->identity = pci_identity(root, address);
	if (sscanf(address, "%x:%x:%x.%x", &function->domain, &function->bus, &function->device,
		   &function->function) != 4 ||
	    !attribute_read_number(function->folder, "vendor", 16, &function->vendor_id) ||
	    !attribute_read_number(function->folder, "device", 16, &function->device_id) ||
	    !attribute_read_number(function->folder, "class", 16, &function->class_code) ||
	    !read_bars(function)) {
		pci_free(function);
		return kIOReturnNoDevice;
	}
	attribute_read_number(function->folder, "revision", 16, &function->revision);
	attribute_read_number(function->folder, "subsystem_vendor", 16,
			      &function->subsystem_vendor_id);
	attribute_read_number(function->folder, "subsystem_device", 16, &function->subsystem_id);
	*ret_function = function;
	return kIOReturnSuccess;
}

void
pci_free(struct pci_function *function)
{
	if (function == NULL)
		return;
	free(function->folder);
	free(function);
}

/* --- its files --- */

bool
pci_bar_is_usable(const struct pci_function *function, unsigned number)
{
	uint64_t mask = page_size() - 1;

	return function->bars[number].size > 0 && function->bars[number].type != kPCIBARTypeIO &&
	       !function->bars[number].unset && (function->bars[number].size & mask) == 0 &&
	       (function->bars[number].start & mask) == 0;
}

static IOReturn
explain(char error[PCI_ERROR_MAX], const struct pci_function *function, const char *name)
{
	int cause = errno;

	snprintf(error, PCI_ERROR_MAX, "%s: %s: %s%s", function->address, name, strerror(cause),
		 cause == EACCES || cause == EPERM || cause == EROFS
			 ? "; PCI devices are for a dextd that is root and may write below "
			   "/sys/devices"
			 : "");
	return status_from_errno(cause, name);
}

static IOReturn
open_file(const struct pci_function *function, const char *name, int mode, int *ret_fd,
	  char error[PCI_ERROR_MAX])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", function->folder, name);
	*ret_fd = open(path, mode | O_CLOEXEC);
	return *ret_fd >= 0 ? kIOReturnSuccess : explain(error, function, name);
}

static IOReturn
check_driver(const struct pci_function *function, char error[PCI_ERROR_MAX])
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t length;

	snprintf(path, sizeof(path), "%s/driver", function->folder);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return kIOReturnSuccess;
	target[length] = '\0';
	snprintf(error, PCI_ERROR_MAX,
		 "%s: the kernel's driver %.40s has it and it is not taken away; to do that: echo "
		 "%s >/sys/bus/pci/drivers/%.40s/unbind",
		 function->address, basename(target), function->address, basename(target));
	return kIOReturnExclusiveAccess;
}

static bool
read_command(int fd, unsigned *ret_command)
{
	uint8_t bytes[2];

	if (pread(fd, bytes, 2, kIOPCIConfigurationOffsetCommand) != 2)
		return false;
	*ret_command = bytes[0] | (unsigned)bytes[1] << 8;
	return true;
}

/* Memory decoding on, bus mastering off; and so it must be afterwards. */
static IOReturn
set_command(const struct pci_function *function, char error[PCI_ERROR_MAX])
{
	const unsigned mask = kIOPCICommandMemorySpace | kIOPCICommandBusLead;
	unsigned command = 0;
	IOReturn status;
	int fd = -1;

	status = open_file(function, "config", O_RDWR, &fd, error);
	if (status != kIOReturnSuccess)
		return status;
	errno = EIO; /* where less than 2 bytes come */
	if (read_command(fd, &command) && (command & mask) != kIOPCICommandMemorySpace) {
		unsigned wanted = (command & ~mask) | kIOPCICommandMemorySpace;
		uint8_t bytes[2] = {(uint8_t)wanted, (uint8_t)(wanted >> 8)};

		if (pwrite(fd, bytes, 2, kIOPCIConfigurationOffsetCommand) == 2)
			command = read_command(fd, &command) ? command : 0;
	}
	if ((command & mask) != kIOPCICommandMemorySpace) {
		status = explain(error, function, "config");
		if (status == kIOReturnSuccess)
			status = kIOReturnIOError;
	}
	fd_close(&fd);
	return status;
}

static IOReturn
open_all(const struct pci_function *function, struct fd_list *files, char error[PCI_ERROR_MAX])
{
	IOReturn status =
		open_file(function, "config", O_RDONLY, &files->fds[files->count++], error);

	for (unsigned i = 0; i < PCI_BARS && status == kIOReturnSuccess; i++) {
		char name[16];

		if (!pci_bar_is_usable(function, i))
			continue;
		snprintf(name, sizeof(name), "resource%u", i);
		status = open_file(function, name, O_RDWR, &files->fds[files->count++], error);
		if (status == kIOReturnSuccess)
			status = open_file(function, name, O_RDONLY, &files->fds[files->count++],
					   error);
	}
	return status;
}

IOReturn
pci_open(const struct pci_function *function, struct fd_list *ret_files, char error[PCI_ERROR_MAX])
{
	struct fd_list files = {.count = 0};
	IOReturn status = check_driver(function, error);

	if (status == kIOReturnSuccess)
		status = set_command(function, error);
	if (status == kIOReturnSuccess)
		status = open_all(function, &files, error);
	if (status != kIOReturnSuccess) {
		fd_list_close(&files);
		return status;
	}
	*ret_files = files;
	return kIOReturnSuccess;
}

bool
pci_has_iommu(const struct pci_function *function)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/iommu_group", function->folder);
	return access(path, F_OK) == 0;
}
