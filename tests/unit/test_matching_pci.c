/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "matching_pci.h"

#include <string.h>

static OSDictionary *provider;

static void
set(const char *key, uint32_t value)
{
	uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
			    (uint8_t)(value >> 24)};
	OSData *data = OSDataCreate(bytes, 4);

	ck_assert(OSDictionarySetValue(provider, key, data));
	OSRelease(data);
}

/* ivshmem-plain, as QEMU has it. */
static void
make_provider(void)
{
	provider = OSDictionaryCreate(8);
	set("vendor-id", 0x1af4);
	set("device-id", 0x1110);
	set("subsystem-vendor-id", 0x1234);
	set("subsystem-id", 0x1100);
	set("class-code", 0x050000);
	set("revision-id", 1);
}

static char reason[256];

static bool
matches(const char *key, const char *list)
{
	OSDictionary *wanted = OSDictionaryCreate(1);
	unsigned agreed = 7;
	bool result;

	OSDictionarySetStringValue(wanted, key, list);
	reason[0] = '\0';
	result = match_pci(wanted, provider, &agreed, reason, sizeof(reason));
	ck_assert_uint_eq(agreed, result ? 8 : 7);
	ck_assert_uint_eq(match_pci(wanted, provider, &agreed, NULL, 0), result);
	OSRelease(wanted);
	return result;
}

START_TEST(each_key_has_its_registers)
{
	make_provider();
	ck_assert(matches("IOPCIMatch", "0x11101af4"));
	ck_assert(matches("IOPCIMatch", "0x11001234"));
	ck_assert(!matches("IOPCIMatch", "0x11101af5"));
	ck_assert_ptr_nonnull(strstr(reason, "IOPCIMatch is \"0x11101af5\""));
	ck_assert(matches("IOPCIPrimaryMatch", "0x11101af4"));
	ck_assert(!matches("IOPCIPrimaryMatch", "0x11001234"));
	ck_assert_ptr_nonnull(strstr(reason, "the provider has 0x11101af4"));
	ck_assert(matches("IOPCISecondaryMatch", "0x11001234"));
	ck_assert(!matches("IOPCISecondaryMatch", "0x11101af4"));
	/* The revision only under a mask that has it. */
	ck_assert(matches("IOPCIClassMatch", "0x05000000"));
	ck_assert(matches("IOPCIClassMatch", "0x05000001&0xffffffff"));
	ck_assert(!matches("IOPCIClassMatch", "0x05000000&0xffffffff"));
	ck_assert(matches("IOPCIClassMatch", "0x05800000&0xff000000"));
	ck_assert(!matches("IOPCIClassMatch", "0x06000000&0xff000000"));
	OSRelease(provider);
}
END_TEST

START_TEST(lists_have_alternatives_and_masks)
{
	make_provider();
	ck_assert(matches("IOPCIMatch", "0x12345678 0x11101af4"));
	ck_assert(matches("IOPCIMatch", "  0x11101af4\t0x12345678 "));
	ck_assert(matches("IOPCIMatch", "0x12345678\n0x00001af4&0x0000ffff"));
	ck_assert(matches("IOPCIMatch", "0&0"));
	ck_assert(!matches("IOPCIMatch", "0x00001af4"));
	/* What is malformed ends the list. */
	ck_assert(!matches("IOPCIMatch", ""));
	ck_assert(!matches("IOPCIMatch", "pci1af4,1110"));
	ck_assert(!matches("IOPCIMatch", "0x12345678,0x11101af4"));
	ck_assert(!matches("IOPCIMatch", "0x1110&"));
	ck_assert(!matches("IOPCIMatch", "0x1110&x 0x11101af4"));
	ck_assert(matches("IOPCIMatch", "0x11101af4 nonsense"));
	OSRelease(provider);
}
END_TEST

START_TEST(several_keys_must_all_agree)
{
	OSDictionary *wanted = OSDictionaryCreate(2);
	OSNumber *number = OSNumberCreate(0x11101af4, 32);
	unsigned agreed = 0;

	make_provider();
	ck_assert(match_pci(wanted, provider, &agreed, reason, sizeof(reason)));
	ck_assert_uint_eq(agreed, 0);
	OSDictionarySetStringValue(wanted, "IOPCIMatch", "0x11101af4");
	OSDictionarySetStringValue(wanted, "IOPCIClassMatch", "0x05000000");
	ck_assert(match_pci(wanted, provider, &agreed, reason, sizeof(reason)));
	ck_assert_uint_eq(agreed, 2);
	OSDictionarySetStringValue(wanted, "IOPCIClassMatch", "0x02000000");
	ck_assert(!match_pci(wanted, provider, &agreed, reason, sizeof(reason)));
	OSDictionaryRemoveValue(wanted, "IOPCIClassMatch");
	/* No string. */
	OSDictionarySetValue(wanted, "IOPCIMatch", number);
	ck_assert(!match_pci(wanted, provider, &agreed, reason, sizeof(reason)));
	OSRelease(number);
	/* Not of PCI. */
	OSDictionarySetStringValue(wanted, "IOPCIMatch", "0&0");
	OSDictionaryRemoveValue(provider, "vendor-id");
	OSDictionaryRemoveValue(provider, "subsystem-id");
	ck_assert(!match_pci(wanted, provider, &agreed, reason, sizeof(reason)));
	ck_assert_str_eq(reason, "IOPCIMatch is there, the provider is no PCI device");
	OSRelease(provider);
	OSRelease(wanted);
}
END_TEST

UNIT_MAIN("matching_pci", each_key_has_its_registers, lists_have_alternatives_and_masks,
	  several_keys_must_all_agree)
