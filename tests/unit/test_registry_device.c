/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "device.h"

static uint64_t
number(const struct entry *entry, const char *key)
{
	uint64_t value = UINT64_MAX;

	OSDictionaryGetUInt64Value(entry->properties, key, &value);
	return value;
}

static const char *
string(const struct entry *entry, const char *key)
{
	return OSDictionaryGetStringValue(entry->properties, key);
}

START_TEST(each_virtual_device_has_a_place)
{
	uint32_t places[300];
	char error[DEVICE_ERROR_MAX] = "";

	for (unsigned i = 0; i < 300; i++) {
		struct device *device = NULL;

		ck_assert_int_eq(device_open_virtual("sink", i + 1, &device, error), 0);
		places[i] = device->location;
		device_close(device);
		for (unsigned j = 0; j < i; j++)
			ck_assert_uint_ne(places[i], places[j]);
	}
}
END_TEST

START_TEST(publishes_a_virtual_device)
{
	struct tree tree = {NULL};
	struct device *device = NULL;
	char error[DEVICE_ERROR_MAX] = "";
	const struct entry *node, *interface;

	ck_assert_int_eq(device_open_virtual("loopback:serial=A-1", 2, &device, error),
			 kIOReturnSuccess);
	ck_assert_str_eq(device->label, "virtual:loopback:serial=A-1");
	ck_assert_int_eq(device_publish(device, &tree), kIOReturnSuccess);
	node = tree.first;
	interface = node->next;
	ck_assert_ptr_eq(device->node, node);
	ck_assert_str_eq(node->class_name, "IOUSBHostDevice");
	ck_assert_uint_eq(number(node, "idVendor"), 0x1209);
	ck_assert_uint_eq(number(node, "idProduct"), 0x0d03);
	ck_assert_uint_eq(number(node, "bInterfaceNumber"), UINT64_MAX);
	ck_assert_str_eq(node->name, "OpenDext loopback");
	ck_assert_str_eq(string(node, "USB Serial Number"), "A-1");
	ck_assert_str_eq(string(node, "USB Product Name"), "OpenDext loopback");
	ck_assert_str_eq(string(node, "USB Vendor Name"), "OpenDext");
	ck_assert_str_eq(string(node, "kUSBSerialNumberString"), "A-1");
	ck_assert_uint_eq(number(node, "locationID"), 0x80200000);
	ck_assert_uint_eq(number(node, "USB Address"), 2);
	ck_assert_uint_eq(number(node, "Device Speed"), 2);
	ck_assert_uint_eq(number(node, "USBSpeed"), 3);
	ck_assert_uint_ne(number(node, "sessionID"), UINT64_MAX);
	ck_assert_ptr_null(string(interface, "USB Serial Number"));
	ck_assert_uint_eq(number(interface, "locationID"), 0x80200000);
	ck_assert_str_eq(interface->class_name, "IOUSBHostInterface");
	ck_assert_ptr_eq(interface->provider, node);
	ck_assert_uint_eq(number(interface, "idVendor"), 0x1209);
	ck_assert_uint_eq(number(interface, "bConfigurationValue"), 1);
	ck_assert_uint_eq(number(interface, "bInterfaceNumber"), 0);
	ck_assert_uint_eq(number(interface, "bAlternateSetting"), 0);
	ck_assert_uint_eq(number(interface, "bInterfaceClass"), 0xff);
	/* One node for an interface, however many alternate settings it has. */
	ck_assert_ptr_null(interface->next);
	tree_clear(&tree);
	device_close(device);
}
END_TEST

START_TEST(needs_no_descriptor_for_a_virtual_device)
{
	struct device *device = NULL;
	char error[DEVICE_ERROR_MAX] = "";
	struct fd_list files = {.count = 9};

	ck_assert_int_eq(device_open_virtual("sink", 1, &device, error), kIOReturnSuccess);
	ck_assert_int_eq(device_prepare(device, 0, &files), kIOReturnSuccess);
	ck_assert_uint_eq(files.count, 0);
	device_give_back(device, 0);
	device_close(device);
}
END_TEST

START_TEST(publishes_the_provider_of_no_device)
{
	struct tree tree = {NULL};
	struct device *device = NULL;

	ck_assert_int_eq(device_open_resources(&device), kIOReturnSuccess);
	ck_assert_int_eq(device_publish(device, &tree), kIOReturnSuccess);
	ck_assert_str_eq(tree.first->class_name, "IOUserResources");
	ck_assert_ptr_null(tree.first->next);
	tree_clear(&tree);
	device_close(device);
}
END_TEST

START_TEST(says_which_device_is_not_there)
{
	struct device *device = NULL;
	char error[DEVICE_ERROR_MAX] = "";

	ck_assert_int_ne(device_open_virtual("nosuch", 1, &device, error), kIOReturnSuccess);
	ck_assert_ptr_nonnull(strstr(error, "nosuch"));
	ck_assert_int_eq(device_open_usb(250, 120, &device, error), kIOReturnNoDevice);
	ck_assert_ptr_nonnull(strstr(error, "/dev/bus/usb/250/120"));
	ck_assert_ptr_null(device);
}
END_TEST

UNIT_MAIN("device", each_virtual_device_has_a_place, publishes_a_virtual_device,
	  needs_no_descriptor_for_a_virtual_device, publishes_the_provider_of_no_device,
	  says_which_device_is_not_there)
