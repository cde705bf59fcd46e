/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and their nodes.
 *
 * A real device's descriptors are read from its usbfs file; that file stays open here, so that the
 * number cannot come to mean another device, and detaching and attaching go through it. Each host
 * gets an open file of its own whose privileges are dropped to its interface: it can neither claim
 * another one nor bring a kernel driver back.
 *
 * Virtual devices live in their hosts, which make them from the spec; two hosts on one spec (one
 * drives the device, one its interface) have two separate models. The registry knows what such a
 * device says of itself and nothing more.
 *
 * One thread, the registry's. What comes and goes is in plug.c.
 */
#include "device.h"

#include "clock.h"
#include "log.h"
#include "packet.h"
#include "plane.h"
#include "status.h"
#include "vdev_descriptors.h"

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

#define DEVICE_DESCRIPTOR	 1
#define CONFIGURATION_DESCRIPTOR 2
#define INTERFACE_DESCRIPTOR	 4
#define DEVICE_DESCRIPTOR_SIZE	 18
#define CONFIGURATION_SIZE	 9
#define INTERFACE_SIZE		 9
#define INTERFACES_MAX		 32
#define DESCRIPTORS_MAX		 65536
#define VIRTUAL_BUS		 0x80u
#define PORTS_MAX		 15u /* of a hub: a digit of the location each */

static unsigned
get_le16(const uint8_t *bytes)
{
	return bytes[0] | (unsigned)bytes[1] << 8;
}

static IOReturn
create(enum device_kind kind, struct device **ret_device)
{
	struct device *device = calloc(1, sizeof(*device));

	if (device == NULL)
		return kIOReturnNoMemory;
	device->kind = kind;
	device->fd = -1;
	device->session = clock_now();
	*ret_device = device;
	return kIOReturnSuccess;
}

/* Keeps a copy of the two descriptors, checked for their own length fields. */
static IOReturn
keep(struct device *device, const uint8_t *own, const uint8_t *configuration, size_t length)
{
	if (own[0] < DEVICE_DESCRIPTOR_SIZE || own[1] != DEVICE_DESCRIPTOR ||
	    length < CONFIGURATION_SIZE || configuration[1] != CONFIGURATION_DESCRIPTOR ||
	    get_le16(configuration + 2) > length)
		return kIOReturnDeviceError;
	device->length = DEVICE_DESCRIPTOR_SIZE + get_le16(configuration + 2);
	device->descriptors = malloc(device->length);
	if (device->descriptors == NULL)
		return kIOReturnNoMemory;
	memcpy(device->descriptors, own, DEVICE_DESCRIPTOR_SIZE);
	memcpy(device->descriptors + DEVICE_DESCRIPTOR_SIZE, configuration,
	       device->length - DEVICE_DESCRIPTOR_SIZE);
	return kIOReturnSuccess;
}

IOReturn
device_open_resources(struct device **ret_device)
{
	IOReturn status = create(DEVICE_RESOURCES, ret_device);

	if (status != kIOReturnSuccess)
		return status;
	(*ret_device)->label = strdup("none");
	return (*ret_device)->label != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

/* A string descriptor as text; its characters are all ASCII. NULL: there is none. */
static char *
copy_virtual_string(const struct vdev_spec *spec, uint8_t index)
{
	uint8_t bytes[VDEV_STRING_MAX];
	size_t length = index != 0 ? vdev_string_make(spec, index, bytes) : 0;
	char text[VDEV_STRING_MAX / 2];
	size_t count = 0;

	for (size_t at = 2; at + 1 < length; at += 2)
		text[count++] = (char)bytes[at];
	return count > 0 ? strndup(text, count) : NULL;
}

/* What the model does not say by its descriptors alone. */
static void
describe_virtual(struct device *device, const struct vdev_spec *spec, unsigned number)
{
	const uint8_t *own = device->descriptors;
	unsigned left = number;

	device->speed = spec->speed;
	device->address = number;
	device->location = VIRTUAL_BUS << 24;
	/* As through hubs of 15 ports, the first digit the lowest. */
	for (unsigned shift = 20; left > 0 && shift <= 20; shift -= 4) {
		device->location |= ((left - 1) % PORTS_MAX + 1) << shift;
		left = (left - 1) / PORTS_MAX;
	}
	device->vendor = copy_virtual_string(spec, own[14]);
	device->product = copy_virtual_string(spec, own[15]);
	device->serial = copy_virtual_string(spec, own[16]);
}

IOReturn
device_open_virtual(const char *text, unsigned number, struct device **ret_device,
		    char error[DEVICE_ERROR_MAX])
{
	struct vdev_descriptors descriptors;
	struct device *device = NULL;
	struct vdev_spec spec;
	IOReturn status = vdev_spec_parse(text, &spec, error, DEVICE_ERROR_MAX);

	if (status != kIOReturnSuccess)
		return status;
	vdev_descriptors_make(&spec, &descriptors);
	status = create(DEVICE_VIRTUAL, &device);
	if (status == kIOReturnSuccess)
		status = keep(device, (const uint8_t *)&descriptors.device,
			      descriptors.configuration, descriptors.configuration_length);
	if (status == kIOReturnSuccess)
		describe_virtual(device, &spec, number);
	if (status == kIOReturnSuccess && ((device->spec = strdup(text)) == NULL ||
					   asprintf(&device->label, "virtual:%s", text) < 0)) {
		device->label = NULL;
		status = kIOReturnNoMemory;
	}
	if (status != kIOReturnSuccess) {
		snprintf(error, DEVICE_ERROR_MAX, "virtual device '%.100s': %s", text,
			 status_string(status));
		device_close(device);
		return status;
	}
	*ret_device = device;
	return kIOReturnSuccess;
}

/* A line that the kernel has of the device, without its end; NULL: it has none. */
static char *
copy_attribute(int fd, const char *name)
{
	char path[96], line[256];
	struct stat info;
	char *got;
	FILE *file;

	if (fstat(fd, &info) < 0)
		return NULL;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(info.st_rdev),
		 minor(info.st_rdev), name);
	file = fopen(path, "re");
	if (file == NULL)
		return NULL;
	got = fgets(line, sizeof(line), file);
	fclose(file);
	if (got == NULL)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return line[0] != '\0' ? strdup(line) : NULL;
}

static unsigned
get_attribute(int fd, const char *name)
{
	char *text = copy_attribute(fd, name);
	unsigned value = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;

	free(text);
	return value;
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
	       (got = read(device->fd, bytes + length, DESCRIPTORS_MAX - length)) > 0)
		length += (size_t)got;
	while (at + CONFIGURATION_SIZE <= length) {
		size_t total = get_le16(bytes + at + 2);

		if (total < CONFIGURATION_SIZE || total > length - at)
			break;
		if (wanted == 0 || bytes[at + 5] == wanted) {
			status = keep(device, bytes, bytes + at, total);
			break;
		}
		at += total;
	}
	free(bytes);
	return status;
}

IOReturn
device_open_usb(unsigned bus, unsigned number, struct device **ret_device,
		char error[DEVICE_ERROR_MAX])
{
	struct device *device = NULL;
	IOReturn status = create(DEVICE_USB, &device);

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
	*ret_device = device;
	return kIOReturnSuccess;
}

void
device_close(struct device *device)
{
	if (device == NULL)
		return;
	if (device->fd >= 0)
		device_give_back(device, -1);
	fd_close(&device->fd);
	free(device->descriptors);
	free(device->label);
	free(device->spec);
	free(device->vendor);
	free(device->product);
	free(device->serial);
	free(device->path);
	free(device);
}

/* --- nodes --- */

/* The old family counted from the slowest; 0 is low speed. */
static uint64_t
old_speed(uint8_t speed)
{
	if (speed == kIOUSBHostConnectionSpeedLow)
		return 0;
	return speed <= kIOUSBHostConnectionSpeedFull ? 1 : speed - 1u;
}

static bool
set_string(OSDictionary *properties, const char *key, const char *other_key, const char *value)
{
	return value == NULL || (OSDictionarySetStringValue(properties, key, value) &&
				 OSDictionarySetStringValue(properties, other_key, value));
}

/* Only on the device's own node: from elsewhere they are found through the parents. */
static bool
set_identity(OSDictionary *properties, const struct device *device)
{
	const uint8_t *own = device->descriptors;

	if (own == NULL)
		return true;
	return set_string(properties, "USB Vendor Name", "kUSBVendorString", device->vendor) &&
	       set_string(properties, "USB Product Name", "kUSBProductString", device->product) &&
	       set_string(properties, "USB Serial Number", "kUSBSerialNumberString",
			  device->serial) &&
	       (device->product == NULL ||
		OSDictionarySetStringValue(properties, "IORegistryEntryName", device->product)) &&
	       OSDictionarySetUInt64Value(properties, "sessionID", device->session) &&
	       OSDictionarySetUInt64Value(properties, "USB Address", device->address) &&
	       OSDictionarySetUInt64Value(properties, "USBSpeed", device->speed) &&
	       OSDictionarySetUInt64Value(properties, "Device Speed", old_speed(device->speed)) &&
	       OSDictionarySetUInt64Value(properties, "bcdUSB", get_le16(own + 2)) &&
	       OSDictionarySetUInt64Value(properties, "bMaxPacketSize0", own[7]) &&
	       OSDictionarySetUInt64Value(properties, "iManufacturer", own[14]) &&
	       OSDictionarySetUInt64Value(properties, "iProduct", own[15]) &&
	       OSDictionarySetUInt64Value(properties, "iSerialNumber", own[16]) &&
	       OSDictionarySetUInt64Value(properties, "bNumConfigurations", own[17]);
}

static bool
set_device(OSDictionary *properties, const struct device *device)
{
	const uint8_t *own = device->descriptors;

	if (own == NULL)
		return true;
	return OSDictionarySetUInt64Value(properties, "idVendor", get_le16(own + 8)) &&
	       OSDictionarySetUInt64Value(properties, "idProduct", get_le16(own + 10)) &&
	       OSDictionarySetUInt64Value(properties, "bcdDevice", get_le16(own + 12)) &&
	       OSDictionarySetUInt64Value(properties, "bDeviceClass", own[4]) &&
	       OSDictionarySetUInt64Value(properties, "bDeviceSubClass", own[5]) &&
	       OSDictionarySetUInt64Value(properties, "bDeviceProtocol", own[6]) &&
	       OSDictionarySetUInt64Value(properties, "locationID", device->location);
}

/* The caller releases it; NULL without memory. */
static OSDictionary *
make_properties(const struct device *device, const uint8_t *interface)
{
	OSDictionary *properties = OSDictionaryCreate(16);
	bool complete;

	if (properties == NULL)
		return NULL;
	complete = OSDictionarySetStringValue(properties, "dext_device", device->label) &&
		   set_device(properties, device) &&
		   (interface != NULL || set_identity(properties, device));
	if (complete && interface != NULL) {
		unsigned value = device->descriptors[DEVICE_DESCRIPTOR_SIZE + 5];

		complete =
			OSDictionarySetUInt64Value(properties, "bConfigurationValue", value) &&
			OSDictionarySetUInt64Value(properties, "bInterfaceNumber", interface[2]) &&
			OSDictionarySetUInt64Value(properties, "bAlternateSetting", interface[3]) &&
			OSDictionarySetUInt64Value(properties, "bNumEndpoints", interface[4]) &&
			OSDictionarySetUInt64Value(properties, "bInterfaceClass", interface[5]) &&
			OSDictionarySetUInt64Value(properties, "bInterfaceSubClass",
						   interface[6]) &&
			OSDictionarySetUInt64Value(properties, "bInterfaceProtocol", interface[7]);
	}
	if (!complete)
		OSSafeReleaseNULL(properties);
	return properties;
}

/* NULL: the tree has none. */
static struct entry *
find_root(const struct tree *tree)
{
	return tree->first != NULL && plane_is_root(tree->first) ? tree->first : NULL;
}

static IOReturn
add_node(struct device *device, struct tree *tree, const char *class_name, const uint8_t *interface,
	 struct entry **ret_entry)
{
	OSDictionary *properties = make_properties(device, interface);
	IOReturn status;

	if (properties == NULL)
		return kIOReturnNoMemory;
	status = tree_add(tree, 0, class_name, properties,
			  device->node != NULL ? device->node : find_root(tree), NULL, ret_entry);
	OSRelease(properties);
	return status;
}

/* The next interface descriptor with alternate setting 0; NULL at the end. */
static const uint8_t *
next_interface(const struct device *device, size_t *at)
{
	while (*at + 2 <= device->length) {
		const uint8_t *descriptor = device->descriptors + *at;

		if (descriptor[0] < 2 || descriptor[0] > device->length - *at)
			return NULL;
		*at += descriptor[0];
		if (descriptor[1] == INTERFACE_DESCRIPTOR && descriptor[0] >= INTERFACE_SIZE &&
		    descriptor[3] == 0 && descriptor[2] < INTERFACES_MAX)
			return descriptor;
	}
	return NULL;
}

IOReturn
device_publish(struct device *device, struct tree *tree)
{
	const uint8_t *interface;
	struct entry *node = NULL;
	IOReturn status;
	size_t at = DEVICE_DESCRIPTOR_SIZE;

	status = add_node(device, tree,
			  device->kind == DEVICE_RESOURCES ? "IOUserResources" : "IOUSBHostDevice",
			  NULL, &device->node);
	while (status == kIOReturnSuccess && (interface = next_interface(device, &at)) != NULL)
		status = add_node(device, tree, "IOUSBHostInterface", interface, &node);
	return status;
}

/* --- real devices and kernel drivers --- */

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
	status = interface_ioctl(device, interface, USBDEVFS_DISCONNECT);
	if (status != kIOReturnSuccess) {
		log_error("%s: the kernel's driver %s could not be detached from interface %u: %s",
			  device->label, driver.driver, interface, status_string(status));
		return status;
	}
	log_info("%s: the kernel's driver %s was detached from interface %u", device->label,
		 driver.driver, interface);
	device->detached |= UINT32_C(1) << interface;
	return kIOReturnSuccess;
}

static IOReturn
detach_all(struct device *device, int interface, uint32_t *ret_mask)
{
	size_t at = DEVICE_DESCRIPTOR_SIZE;
	const uint8_t *descriptor;
	uint32_t mask = 0;
	IOReturn status;

	while ((descriptor = next_interface(device, &at)) != NULL) {
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
device_prepare(struct device *device, int interface, int *ret_fd)
{
	uint32_t mask = 0;
	IOReturn status;
	int fd;

	if (device->kind != DEVICE_USB) {
		*ret_fd = -1;
		return kIOReturnSuccess;
	}
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
	*ret_fd = fd;
	return kIOReturnSuccess;
}

void
device_give_back(struct device *device, int interface)
{
	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		if ((device->detached >> i & 1) == 0 ||
		    (interface >= 0 && (unsigned)interface != i))
			continue;
		device->detached &= ~(UINT32_C(1) << i);
		if (interface_ioctl(device, i, USBDEVFS_CONNECT) == kIOReturnSuccess)
			log_info("%s: interface %u was given back to the kernel's drivers",
				 device->label, i);
	}
}
