/* SPDX-License-Identifier: Apache-2.0 */
/* Walking through configuration descriptors, good ones and those of a broken device. */
#include "unit.h"

#include <USBDriverKit/AppleUSBDescriptorParsing.h>

/* An association of two interfaces; the first has two settings, and class descriptors between. */
static const uint8_t sample[] = {
	9, 2,	 89,   0,    2,	   1,	 0, 0x80, 50, /* 0: configuration */
	8, 11,	 0,    2,    2,	   2,	 1, 0,	      /* 9: association */
	9, 4,	 0,    0,    1,	   2,	 2, 1,	  0,  /* 17: interface 0.0 */
	5, 0x24, 0,    0x10, 1,			      /* 26: class */
	7, 5,	 0x83, 3,    16,   0,	 9,	      /* 31: interrupt IN */
	9, 4,	 0,    1,    2,	   2,	 2, 1,	  0,  /* 38: interface 0.1 */
	7, 5,	 0x83, 3,    0x08, 0x10, 4,	      /* 47: interrupt IN, several a microframe */
	6, 48,	 3,    0,    8,	   0,		      /* 54: companion */
	7, 5,	 0x04, 5,    0,	   4,	 1,	      /* 60: isochronous OUT */
	9, 4,	 1,    0,    1,	   10,	 0, 0,	  0,  /* 67: interface 1.0 */
	7, 5,	 0x02, 2,    0,	   2,	 0,	      /* 76: bulk OUT */
	6, 48,	 15,   0,    0,	   0,		      /* 83: companion */
};

_Static_assert(sizeof(sample) == 89, "wTotalLength");

#define AT(offset) ((const IOUSBDescriptorHeader *)(sample + (offset)))

static const IOUSBConfigurationDescriptor *const config = (const void *)sample;

START_TEST(all_in_order)
{
	const unsigned offsets[] = {9, 17, 26, 31, 38, 47, 54, 60, 67, 76, 83};
	const IOUSBDescriptorHeader *at = NULL;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		at = IOUSBGetNextDescriptor(config, at);
		ck_assert_ptr_eq(at, AT(offsets[i]));
	}
	ck_assert_ptr_null(IOUSBGetNextDescriptor(config, at));
	ck_assert_ptr_null(IOUSBGetNextDescriptor(NULL, NULL));
	ck_assert_ptr_eq(IOUSBGetNextDescriptorWithType(config, NULL, 0x24), AT(26));
	ck_assert_ptr_null(IOUSBGetNextDescriptorWithType(config, AT(26), 0x24));
}
END_TEST

START_TEST(interfaces_and_endpoints)
{
	const IOUSBInterfaceDescriptor *interface;
	const IOUSBEndpointDescriptor *endpoint;

	ck_assert_ptr_eq(IOUSBGetNextInterfaceAssociationDescriptor(config, NULL), AT(9));
	ck_assert_ptr_null(IOUSBGetNextInterfaceAssociationDescriptor(config, AT(9)));
	interface = IOUSBGetNextInterfaceDescriptor(config, NULL);
	ck_assert_ptr_eq(interface, AT(17));
	endpoint = IOUSBGetNextEndpointDescriptor(config, interface, NULL);
	ck_assert_ptr_eq(endpoint, AT(31));
	/* Those of the next setting are not its own. */
	ck_assert_ptr_null(
		IOUSBGetNextEndpointDescriptor(config, interface, (const void *)endpoint));
	interface = IOUSBGetNextInterfaceDescriptor(config, (const void *)interface);
	ck_assert_ptr_eq(interface, AT(38));
	endpoint = IOUSBGetNextEndpointDescriptor(config, interface, NULL);
	ck_assert_ptr_eq(endpoint, AT(47));
	endpoint = IOUSBGetNextEndpointDescriptor(config, interface, (const void *)endpoint);
	ck_assert_ptr_eq(endpoint, AT(60));
	ck_assert_ptr_null(
		IOUSBGetNextEndpointDescriptor(config, interface, (const void *)endpoint));
	interface = IOUSBGetNextInterfaceDescriptor(config, (const void *)interface);
	ck_assert_ptr_eq(interface, AT(67));
	ck_assert_ptr_null(IOUSBGetNextInterfaceDescriptor(config, (const void *)interface));
	ck_assert_ptr_null(IOUSBGetNextEndpointDescriptor(config, NULL, NULL));
}
END_TEST

START_TEST(what_belongs_to_an_endpoint)
{
	ck_assert_ptr_eq(IOUSBGetNextAssociatedDescriptor(config, AT(47), NULL), AT(54));
	ck_assert_ptr_null(IOUSBGetNextAssociatedDescriptor(config, AT(47), AT(54)));
	ck_assert_ptr_null(IOUSBGetNextAssociatedDescriptor(config, AT(60), NULL));
	ck_assert_ptr_null(IOUSBGetNextAssociatedDescriptor(config, NULL, NULL));
	ck_assert_ptr_eq(IOUSBGetNextAssociatedDescriptorWithType(config, AT(38), NULL, 48),
			 AT(54));
}
END_TEST

START_TEST(endpoint_fields)
{
	const IOUSBEndpointDescriptor *interrupt = (const void *)AT(47);
	const IOUSBEndpointDescriptor *isochronous = (const void *)AT(60);
	const IOUSBEndpointDescriptor *bulk = (const void *)AT(76);
	const IOUSBEndpointDescriptor control = {7, 5, 0x80, 0, 64, 0};

	ck_assert_uint_eq(IOUSBGetEndpointAddress(interrupt), 0x83);
	ck_assert_uint_eq(IOUSBGetEndpointNumber(interrupt), 3);
	ck_assert_uint_eq(IOUSBGetEndpointDirection(interrupt), kIOUSBEndpointDirectionIn);
	ck_assert_uint_eq(IOUSBGetEndpointDirection(bulk), kIOUSBEndpointDirectionOut);
	ck_assert_uint_eq(IOUSBGetEndpointDirection(&control), kIOUSBEndpointDirectionUnknown);
	ck_assert_uint_eq(IOUSBGetEndpointType(interrupt), kIOUSBEndpointTypeInterrupt);
	ck_assert_uint_eq(IOUSBGetEndpointType(isochronous), kIOUSBEndpointTypeIsochronous);
	ck_assert_uint_eq(IOUSBGetEndpointType(bulk), kIOUSBEndpointTypeBulk);
	ck_assert_uint_eq(IOUSBGetEndpointMaxPacketSize(3, bulk), 512);
	ck_assert_uint_eq(IOUSBGetEndpointMaxPacketSize(3, interrupt), 8);
	ck_assert_uint_eq(IOUSBGetEndpointIntervalMicroframes(3, interrupt), 8);
	ck_assert_uint_eq(IOUSBGetEndpointIntervalMicroframes(1, interrupt), 32);
	ck_assert_uint_eq(IOUSBGetEndpointIntervalMicroframes(1, isochronous), 8);
	ck_assert_uint_eq(IOUSBGetEndpointIntervalMicroframes(3, bulk), 0);
	ck_assert_uint_eq(IOUSBGetConfigurationMaxPowerMilliAmps(3, config), 100);
	ck_assert_uint_eq(IOUSBGetConfigurationMaxPowerMilliAmps(4, config), 400);
	ck_assert_uint_eq(IOUSBGetEndpointAddress(NULL), 0);
	ck_assert_uint_eq(IOUSBGetEndpointMaxPacketSize(3, NULL), 0);
}
END_TEST

/* Every prefix, every single byte changed to every value of interest: no read past the end (the
 * sanitizers see that), and each walk ends. */
START_TEST(broken_ones_end_early)
{
	const uint8_t values[] = {0, 1, 2, 3, 4, 5, 9, 48, 127, 255};

	for (size_t length = 0; length <= sizeof(sample); length++) {
		for (size_t i = 0; i < length; i++) {
			for (size_t v = 0; v < sizeof(values); v++) {
				uint8_t *bytes = malloc(length);
				const IOUSBConfigurationDescriptor *broken = (void *)bytes;
				const IOUSBDescriptorHeader *at = NULL;
				const IOUSBInterfaceDescriptor *interface = NULL;
				unsigned steps = 0;

				memcpy(bytes, sample, length);
				bytes[i] = values[v];
				if (length >= sizeof(*broken)) {
					bytes[2] = (uint8_t)length;
					bytes[3] = 0;
					while ((at = IOUSBGetNextDescriptor(broken, at)) != NULL) {
						ck_assert_uint_lt(steps++, 64);
						ck_assert_uint_le((const uint8_t *)at +
									  at->bLength - bytes,
								  length);
					}
					while ((interface = IOUSBGetNextInterfaceDescriptor(
							broken, (const void *)interface)) != NULL) {
						const IOUSBEndpointDescriptor *end = NULL;

						while ((end = IOUSBGetNextEndpointDescriptor(
								broken, interface,
								(const void *)end)) != NULL)
							steps += end->bInterval;
					}
				}
				free(bytes);
			}
		}
	}
}
END_TEST

UNIT_MAIN("descriptor_parsing", all_in_order, interfaces_and_endpoints, what_belongs_to_an_endpoint,
	  endpoint_fields, broken_ones_end_early)
