/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors of a hostile device: as the registry reads them from usbfs and makes nodes of
 * them, as a host's port keeps them, and as a driver walks them.
 *
 * The input is what the device sends: 18 bytes of its own, then configurations, each behind a byte
 * or two with the length that it is sent with.
 */
#include "fuzz.h"

#include "device.h"
#include "device_private.h"
#include "loop.h"
#include "port.h"
#include "tree.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <USBDriverKit/AppleUSBDescriptorParsing.h>

#define CONFIGURATIONS_MAX 4

/* The device on the other side of the backend. */
static struct {
	uint8_t own[18];
	uint8_t *configurations[CONFIGURATIONS_MAX];
	uint16_t lengths[CONFIGURATIONS_MAX];
	uint8_t value, speed;
	int event;
} device;

static IOReturn
open_device(const char *spec, int fd, struct usb_device **ret_device)
{
	*ret_device = (struct usb_device *)&device;
	return kIOReturnSuccess;
}

static void
close_device(struct usb_device *unused)
{
}

static const uint8_t *
get_own(struct usb_device *unused)
{
	return device.own;
}

static const uint8_t *
get_configuration(struct usb_device *unused, uint8_t index, uint16_t *ret_length)
{
	if (index >= CONFIGURATIONS_MAX)
		return NULL;
	*ret_length = device.lengths[index];
	return device.configurations[index];
}

static uint8_t
get_value(struct usb_device *unused)
{
	return device.value;
}

static uint8_t
get_speed(struct usb_device *unused)
{
	return device.speed;
}

static uint32_t
get_transfer_max(struct usb_device *unused)
{
	return 16384;
}

static int
get_event(struct usb_device *unused)
{
	return device.event;
}

static bool
reap_nothing(struct usb_device *unused)
{
	return true;
}

static const struct usb_backend backend = {
	.name = "hostile",
	.open = open_device,
	.close = close_device,
	.device_descriptor = get_own,
	.configuration_descriptor = get_configuration,
	.speed = get_speed,
	.address = get_speed,
	.configuration = get_value,
	.transfer_max = get_transfer_max,
	.event_fd = get_event,
	.reap = reap_nothing,
};

/* A reader must not read past the end either: every byte is looked at. */
static unsigned
touch(const void *bytes, size_t length)
{
	unsigned sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += ((const volatile uint8_t *)bytes)[i];
	return sum;
}

static void
look_at_endpoint(const IOUSBEndpointDescriptor *endpoint, uint8_t speed)
{
	touch(endpoint, endpoint->bLength);
	FUZZ_CHECK(IOUSBGetEndpointNumber(endpoint) < 16);
	FUZZ_CHECK(IOUSBGetEndpointDirection(endpoint) <= 2 ||
		   IOUSBGetEndpointDirection(endpoint) == kIOUSBEndpointDirectionUnknown);
	FUZZ_CHECK(IOUSBGetEndpointType(endpoint) < 4);
	FUZZ_CHECK(IOUSBGetEndpointMaxPacketSize(speed, endpoint) < 2048);
	IOUSBGetEndpointIntervalMicroframes(speed, endpoint);
}

/* Types that the typed walkers of this file do not look for. */
static void
look_below(const IOUSBDescriptorHeader *parent, const IOUSBConfigurationDescriptor *configuration)
{
	const IOUSBDescriptorHeader *at = NULL;

	touch(parent, sizeof(IOUSBInterfaceAssociationDescriptor));
	while ((at = IOUSBGetNextAssociatedDescriptorWithType(configuration, parent, at, 0x24)) !=
	       NULL)
		touch(at, at->bLength);
	while ((at = IOUSBGetNextAssociatedDescriptor(configuration, parent, at)) != NULL)
		touch(at, at->bLength);
}

static void
walk(const IOUSBConfigurationDescriptor *configuration, uint8_t speed)
{
	const IOUSBDescriptorHeader *at = NULL;
	const IOUSBInterfaceDescriptor *interface = NULL;
	const IOUSBInterfaceAssociationDescriptor *association = NULL;

	if (configuration != NULL)
		touch(configuration, configuration->wTotalLength);
	while ((at = IOUSBGetNextDescriptor(configuration, at)) != NULL)
		touch(at, at->bLength);
	while ((association = IOUSBGetNextInterfaceAssociationDescriptor(
			configuration, (const IOUSBDescriptorHeader *)association)) != NULL)
		look_below((const IOUSBDescriptorHeader *)association, configuration);
	while ((interface = IOUSBGetNextInterfaceDescriptor(
			configuration, (const IOUSBDescriptorHeader *)interface)) != NULL) {
		const IOUSBEndpointDescriptor *endpoint = NULL;

		touch(interface, sizeof(*interface));
		while ((endpoint = IOUSBGetNextEndpointDescriptor(
				configuration, interface,
				(const IOUSBDescriptorHeader *)endpoint)) != NULL) {
			const IOUSBDescriptorHeader *companion =
				IOUSBGetNextAssociatedDescriptorWithType(
					configuration, (const IOUSBDescriptorHeader *)endpoint,
					NULL, kIOUSBDescriptorTypeSuperSpeedUSBEndpointCompanion);

			look_at_endpoint(endpoint, speed);
			if (companion != NULL)
				touch(companion,
				      sizeof(IOUSBSuperSpeedEndpointCompanionDescriptor));
		}
	}
	IOUSBGetConfigurationMaxPowerMilliAmps(speed, configuration);
}

static void
ask_for_nothing(void)
{
	FUZZ_CHECK(IOUSBGetNextAssociatedDescriptor(NULL, NULL, NULL) == NULL);
	FUZZ_CHECK(IOUSBGetEndpointAddress(NULL) == 0 && IOUSBGetEndpointType(NULL) == 0);
	FUZZ_CHECK(IOUSBGetEndpointDirection(NULL) == kIOUSBEndpointDirectionUnknown);
	FUZZ_CHECK(IOUSBGetEndpointMaxPacketSize(0, NULL) == 0);
	FUZZ_CHECK(IOUSBGetEndpointIntervalMicroframes(0, NULL) == 0);
	walk(NULL, 0);
}

static void
receive(struct fuzz *fuzz)
{
	fuzz_fill(fuzz, device.own, sizeof(device.own));
	device.speed = fuzz_u8(fuzz) % 8;
	device.value = fuzz_u8(fuzz);
	for (unsigned i = 0; i < CONFIGURATIONS_MAX; i++) {
		size_t length = 0;
		uint16_t wanted = fuzz_u16(fuzz);

		device.configurations[i] = fuzz_copy(fuzz, wanted % 1024, &length);
		device.lengths[i] = (uint16_t)length;
		if (wanted & 0x8000) {
			free(device.configurations[i]);
			device.configurations[i] = NULL;
		}
	}
}

static void
in_host(struct loop *loop)
{
	struct usb_port *port = NULL;

	if (usb_port_open_take(&backend, "", -1, loop, &port) != kIOReturnSuccess)
		return;
	for (unsigned i = 0; i < port->configuration_count; i++)
		walk(port->configurations[i], port->speed);
	walk(port->configuration, port->speed);
	usb_port_shut(port);
	usb_port_release(port);
}

/* Its usbfs file, as the registry keeps it: all descriptors, one after the other. */
static void
in_registry(void)
{
	int fd = memfd_create("usbfs", MFD_CLOEXEC);
	OSDictionary *facts = OSDictionaryCreate(2);
	OSData *before = OSDataCreate(device.own, sizeof(device.own));
	struct device *kept = NULL;
	struct tree tree = {0};

	FUZZ_CHECK(fd >= 0 && write(fd, device.own, sizeof(device.own)) == sizeof(device.own));
	OSDataAppendBytes(before, device.configurations[0],
			  device.configurations[0] != NULL ? device.lengths[0] : 0);
	for (unsigned i = 0; i < CONFIGURATIONS_MAX && device.configurations[i] != NULL; i++)
		FUZZ_CHECK(write(fd, device.configurations[i], device.lengths[i]) ==
			   device.lengths[i]);
	OSDictionarySetValue(facts, "Descriptors", before);
	if (device_recall_usb_take(fd, facts, &kept) == kIOReturnSuccess) {
		FUZZ_CHECK(device_publish(kept, &tree) == kIOReturnSuccess);
		tree_clear(&tree);
		device_close(kept);
	}
	OSRelease(before);
	OSRelease(facts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	struct fuzz fuzz = {data, data + size};

	if (loop == NULL) {
		FUZZ_CHECK(loop_create(&loop) == kIOReturnSuccess);
		device.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ask_for_nothing();
	}
	receive(&fuzz);
	in_host(loop);
	in_registry();
	for (unsigned i = 0; i < CONFIGURATIONS_MAX; i++)
		free(device.configurations[i]);
	return 0;
}
