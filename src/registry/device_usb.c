/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real devices.
 *
 * Their descriptors are read from their usbfs file; that file stays open here, so that the number
 * cannot come to mean another device, and detaching and attaching go through it. Each host gets an
 * open file of its own whose privileges are dropped to its interface: it can neither claim another
 * one nor bring a kernel driver back.
 *
 * One thread, the registry's.
 */
#include "device_private.h"

#include "attribute.h"
#include "log.h"
#include "packet.h"
#include "record.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <USBDriverKit/AppleUSBDefinitions.h>

#define DESCRIPTORS_MAX 65536

/* The device's folder in sysfs, by its open file. */
static bool
find_folder(int fd, char folder[64])
{
	struct stat info;

	if (fstat(fd, &info) < 0)
		return false;
	snprintf(folder, 64, "/sys/dev/char/%u:%u", major(info.st_rdev), minor(info.st_rdev));
	return true;
}

/* A line that the kernel has of the device; NULL: it has none. */
static char *
copy_attribute(int fd, const char *name)
{
	char folder[64], line[256];

	return find_folder(fd, folder) && attribute_read(folder, name, line, sizeof(line))
		       ? strdup(line)
		       : NULL;
}

static uint32_t
get_attribute(int fd, const char *name)
{
	uint32_t value = 0;
	char folder[64];

	return find_folder(fd, folder) && attribute_read_number(folder, name, 10, &value) ? value
											  : 0;
}

/* The value of the configuration that the kernel chose; 0: none. */
static unsigned
active_configuration(int fd)
{
	return get_attribute(fd, "bConfigurationValue");
}

/* The kernel's "2.3.1" behind bus 1 is 0x01231000. */
static uint32_t
make_location(unsigned bus, const char *ports)
{
	uint32_t location = (uint32_t)bus << 24;

	for (unsigned shift = 20; *ports != '\0' && shift <= 20; shift -= 4) {
		char *end;

		location |= (uint32_t)(strtoul(ports, &end, 10) & 0xf) << shift;
		ports = *end == '.' ? end + 1 : "";
	}
	return location;
}

static uint8_t
make_speed(unsigned megabits)
{
	switch (megabits) {
	case 1:
		return kIOUSBHostConnectionSpeedLow;
	case 12:
		return kIOUSBHostConnectionSpeedFull;
	case 480:
		return kIOUSBHostConnectionSpeedHigh;
	case 5000:
		return kIOUSBHostConnectionSpeedSuper;
	case 10000:
		return kIOUSBHostConnectionSpeedSuperPlus;
	case 20000:
		return kIOUSBHostConnectionSpeedSuperPlusBy2;
	default:
		return kIOUSBHostConnectionSpeedNone;
	}
}

/* Strings and place, as the kernel read them when it was plugged in. */
static void
describe_usb(struct device *device, unsigned bus, unsigned number)
{
	char *ports = copy_attribute(device->fd, "devpath");

	device->address = number;
	device->location = make_location(bus, ports != NULL ? ports : "");
	device->speed = make_speed(get_attribute(device->fd, "speed"));
	device->vendor = copy_attribute(device->fd, "manufacturer");
	device->product = copy_attribute(device->fd, "product");
	device->serial = copy_attribute(device->fd, "serial");
	free(ports);
}

/* usbfs files read as the device descriptor followed by every configuration. */
static IOReturn
read_descriptors(struct device *device)
{
	uint8_t *bytes = malloc(DESCRIPTORS_MAX);
	unsigned wanted = active_configuration(device->fd);
	IOReturn status = kIOReturnNotFound;
	size_t length = 0, at = DEVICE_DESCRIPTOR_SIZE;
	ssize_t got;

	if (bytes == NULL)
		return kIOReturnNoMemory;
	while (length < DESCRIPTORS_MAX &&
	       (got = pread(device->fd, bytes + length, DESCRIPTORS_MAX - length, (off_t)length)) >
		       0)
		length += (size_t)got;
	while (at + CONFIGURATION_SIZE <= length) {
		size_t total = device_get_le16(bytes + at + 2);

		if (total < CONFIGURATION_SIZE || total > length - at)
			break;
		if (wanted == 0 || bytes[at + 5] == wanted) {
			status = device_keep(device, bytes, bytes + at, total);
			break;
		}
		at += total;
	}
	free(bytes);
	return status;
}

static IOReturn
make_usb(unsigned bus, unsigned number, struct device **ret_device)
{
	struct device *device = NULL;
	IOReturn status = device_make(DEVICE_USB, &device);

	if (status != kIOReturnSuccess)
		return status;
	if (asprintf(&device->path, "/dev/bus/usb/%03u/%03u", bus, number) < 0)
		device->path = NULL;
	if (asprintf(&device->label, "usb:%03u:%03u", bus, number) < 0)
		device->label = NULL;
	if (device->path == NULL || device->label == NULL) {
		device_close(device);
		return kIOReturnNoMemory;
	}
	*ret_device = device;
	return kIOReturnSuccess;
}

IOReturn
device_open_usb(unsigned bus, unsigned number, struct device **ret_device,
		char error[DEVICE_ERROR_MAX])
{
	struct device *device = NULL;
	IOReturn status = make_usb(bus, number, &device);

	if (status != kIOReturnSuccess)
		return status;
	device->fd = open(device->path, O_RDWR | O_CLOEXEC);
	if (device->fd < 0) {
		int cause = errno;

		snprintf(error, DEVICE_ERROR_MAX, "%s: %s; %s", device->path, strerror(cause),
			 cause == EACCES
				 ? "give your user the right to it by a udev rule, or run as root"
				 : "lsusb lists the devices as Bus BUS Device DEV");
		status = status_from_errno(cause, device->path);
		device_close(device);
		return cause == ENOENT ? kIOReturnNoDevice : status;
	}
	status = read_descriptors(device);
	if (status != kIOReturnSuccess) {
		snprintf(error, DEVICE_ERROR_MAX,
			 "%s: its active configuration's descriptors could not be read: %s",
			 device->path, status_string(status));
		device_close(device);
		return status;
	}
	describe_usb(device, bus, number);
	/* An open file keeps it awake, and this one is only for later. (Linux 5.3) */
	if (ioctl(device->fd, USBDEVFS_ALLOW_SUSPEND) < 0)
		log_debug("%s cannot be suspended while it has no driver here: %s", device->label,
			  strerror(errno));
	*ret_device = device;
	return kIOReturnSuccess;
}

/* --- one that came back --- */

static char *
copy_fact(const OSDictionary *facts, const char *key)
{
	const char *value = OSDictionaryGetStringValue(facts, key);

	return value != NULL ? strdup(value) : NULL;
}

static uint64_t
get_fact(const OSDictionary *facts, const char *key)
{
	uint64_t value = 0;

	OSDictionaryGetUInt64Value(facts, key, &value);
	return value;
}

/* By its descriptors, if they can still be read; else they are what was recorded. */
static IOReturn
compare_usb(struct device *device, const OSDictionary *facts)
{
	const OSData *data = OSDynamicCast(OSData, OSDictionaryGetValue(facts, "Descriptors"));
	const uint8_t *bytes = data != NULL ? OSDataGetBytesPtr(data) : NULL;
	size_t length = data != NULL ? OSDataGetLength(data) : 0;

	if (length < DEVICE_DESCRIPTOR_SIZE + CONFIGURATION_SIZE)
		return kIOReturnBadArgument;
	if (read_descriptors(device) == kIOReturnSuccess)
		return device->length == length && memcmp(device->descriptors, bytes, length) == 0
			       ? kIOReturnSuccess
			       : kIOReturnNoDevice;
	return device_keep(device, bytes, bytes + DEVICE_DESCRIPTOR_SIZE,
			   length - DEVICE_DESCRIPTOR_SIZE);
}

IOReturn
device_recall_usb_take(int fd, const OSDictionary *facts, struct device **ret_device)
{
	uint32_t location = (uint32_t)get_fact(facts, "Location");
	unsigned address = (unsigned)get_fact(facts, "Address");
	struct device *device = NULL;
	IOReturn status = make_usb(location >> 24, address, &device);

	if (status != kIOReturnSuccess) {
		fd_close(&fd);
		return status;
	}
	device->fd = fd;
	device->location = location;
	device->address = address;
	device->speed = (uint8_t)get_fact(facts, "Speed");
	device->session = get_fact(facts, "Session");
	device->vendor = copy_fact(facts, "Vendor");
	device->product = copy_fact(facts, "Product");
	device->serial = copy_fact(facts, "Serial");
	status = compare_usb(device, facts);
	if (status != kIOReturnSuccess) {
		device_close(device);
		return status;
	}
	*ret_device = device;
	return kIOReturnSuccess;
}

/* --- kernel drivers --- */

/* Whoever comes after this process finds it in the record. */
static void
set_detached(struct device *device, uint32_t detached)
{
	device->detached = detached;
	if (device->record >= 0)
		record_set_detached(device->record, detached);
}

static IOReturn
interface_ioctl(const struct device *device, unsigned interface, int request)
{
	struct usbdevfs_ioctl command = {.ifno = (int)interface, .ioctl_code = request};

	if (ioctl(device->fd, USBDEVFS_IOCTL, &command) < 0)
		return status_from_errno(errno, device->path);
	return kIOReturnSuccess;
}

static IOReturn
detach(struct device *device, unsigned interface)
{
	struct usbdevfs_getdriver driver = {.interface = interface};
	IOReturn status;

	if (ioctl(device->fd, USBDEVFS_GETDRIVER, &driver) < 0)
		return errno == ENODATA ? kIOReturnSuccess
					: status_from_errno(errno, "USBDEVFS_GETDRIVER");
	if (strcmp(driver.driver, "usbfs") == 0) {
		log_error("%s: interface %u is claimed by another program; end that program first",
			  device->label, interface);
		return kIOReturnExclusiveAccess;
	}
	/* Noted first: giving back what was not taken does no harm. */
	set_detached(device, device->detached | UINT32_C(1) << interface);
	status = interface_ioctl(device, interface, USBDEVFS_DISCONNECT);
	if (status != kIOReturnSuccess) {
		set_detached(device, device->detached & ~(UINT32_C(1) << interface));
		log_error("%s: the kernel's driver %s could not be detached from interface %u: %s",
			  device->label, driver.driver, interface, status_string(status));
		return status;
	}
	log_info("%s: the kernel's driver %s was detached from interface %u", device->label,
		 driver.driver, interface);
	return kIOReturnSuccess;
}

static IOReturn
detach_all(struct device *device, int interface, uint32_t *ret_mask)
{
	size_t at = DEVICE_DESCRIPTOR_SIZE;
	const uint8_t *descriptor;
	uint32_t mask = 0;
	IOReturn status;

	while ((descriptor = device_next_interface(device, &at)) != NULL) {
		if (interface >= 0 && descriptor[2] != interface)
			continue;
		status = detach(device, descriptor[2]);
		if (status != kIOReturnSuccess)
			return status;
		mask |= UINT32_C(1) << descriptor[2];
	}
	*ret_mask = mask;
	return kIOReturnSuccess;
}

IOReturn
device_prepare(struct device *device, int interface, struct fd_list *ret_files)
{
	uint32_t mask = 0;
	IOReturn status;
	int fd;

	ret_files->count = 0;
	if (device->kind == DEVICE_PCI)
		return device_prepare_pci(device, ret_files);
	if (device->kind != DEVICE_USB)
		return kIOReturnSuccess;
	status = detach_all(device, interface, &mask);
	if (status != kIOReturnSuccess)
		return status;
	fd = open(device->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return status_from_errno(errno, device->path);
	if (ioctl(fd, USBDEVFS_DROP_PRIVILEGES, &mask) < 0) {
		status = status_from_errno(errno, "USBDEVFS_DROP_PRIVILEGES");
		log_error("%s: the rights of the host's file could not be reduced to its interface",
			  device->label);
		fd_close(&fd);
		return status;
	}
	ret_files->fds[ret_files->count++] = fd;
	return kIOReturnSuccess;
}

void
device_give_back(struct device *device, int interface)
{
	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		if ((device->detached >> i & 1) == 0 ||
		    (interface >= 0 && (unsigned)interface != i))
			continue;
		if (interface_ioctl(device, i, USBDEVFS_CONNECT) == kIOReturnSuccess)
			log_info("%s: interface %u was given back to the kernel's drivers",
				 device->label, i);
		set_detached(device, device->detached & ~(UINT32_C(1) << i));
	}
}
