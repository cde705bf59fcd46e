/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses: none of an errno is success, and each that has a name has words. */
#include "unit.h"

#include "status.h"

START_TEST(no_errno_is_success)
{
	for (int error = -1; error < 300; error++)
		ck_assert_int_ne(status_from_errno(error, "test"), kIOReturnSuccess);
}
END_TEST

START_TEST(errnos_are_sorted_by_what_to_do)
{
	ck_assert_int_eq(status_from_errno(EMFILE, "test"), kIOReturnNoResources);
	ck_assert_int_eq(status_from_errno(ENOMEM, "test"), kIOReturnNoMemory);
	ck_assert_int_eq(status_from_errno(EPERM, "test"), kIOReturnNotPermitted);
	ck_assert_int_eq(status_from_errno(EPIPE, "test"), kIOReturnOffline);
	ck_assert_int_eq(status_from_errno(ENODEV, "test"), kIOReturnNoDevice);
	ck_assert_int_eq(status_from_errno(EINVAL, "test"), kIOReturnBadArgument);
}
END_TEST

START_TEST(named_statuses_have_words)
{
	for (uint32_t code = 0xe00002bc; code <= 0xe00002f0; code++) {
		const char *text = status_string((IOReturn)code);

		if (code == 0xe00002cb || code == 0xe00002dc) { /* no names */
			ck_assert_int_eq(strncmp(text, "0x", 2), 0);
			continue;
		}
		ck_assert_int_eq(strncmp(text, "kIOReturn", 9), 0);
		ck_assert_ptr_nonnull(strstr(text, ": "));
	}
	ck_assert_int_eq(strncmp(status_string(kIOReturnNotAligned), "kIOReturnNotAligned: ", 21),
			 0);
	ck_assert_int_eq(strncmp(status_string(kUSBHostReturnPipeStalled), "kUSBHostReturnPip", 17),
			 0);
	ck_assert_int_eq(strncmp(status_string(kIOReturnSuccess), "kIOReturnSuccess", 16), 0);
}
END_TEST

START_TEST(usb_and_kernel_statuses_have_words)
{
	static const uint32_t codes[] = {
		0xe0004001, 0xe0004002, 0xe0004003, 0xe0004006, 0xe0004007, 0xe000400a, 0xe000400b,
		0xe000400c, 0xe000400d, 0xe000400e, 0xe000400f, 0xe0004010, 0xe0004042, 0xe0004043,
		0xe0004044, 0xe0004045, 0xe0004046, 0xe0004047, 0xe0004048, 0xe0004049, 0xe000404a,
		0xe000404b, 0xe000404c, 0xe000404d, 0xe000404e, 0xe000404f, 0xe0004050, 0xe0004051,
		0xe0004056, 0xe0004057, 0xe000405d, 0xe000405e, 0xe000405f, 0xe0004060, 0xe0004061,
		0xe0005000, 0xe0005001, 0x10000003, 0x10004002, 0x10004003, 0x10004004, 0x10004008,
		0x10004009,
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		ck_assert_ptr_nonnull(strstr(status_string((IOReturn)codes[i]), ": "));
	for (uint32_t code = 0x10000001; code <= 0x10000011; code++)
		ck_assert_int_eq(strncmp(status_string((IOReturn)code), "MACH_SEND_", 10) == 0,
				 code != 0x10000006 /* no name */);
	for (uint32_t code = 0x10004001; code <= 0x1000400f; code++)
		ck_assert_int_eq(strncmp(status_string((IOReturn)code), "MACH_RCV_", 9), 0);
	for (IOReturn code = -300; code >= -309; code--)
		ck_assert_int_eq(strncmp(status_string(code), "MIG_", 4), 0);
	for (IOReturn code = 1; code <= 22; code++)
		ck_assert_int_eq(strncmp(status_string(code), "KERN_", 5), 0);
	ck_assert_ptr_nonnull(strstr(status_string((IOReturn)0xe000404f), "stalled"));
}
END_TEST

START_TEST(others_are_a_number)
{
	ck_assert_str_eq(status_string((IOReturn)0xdeadbeef), "0xdeadbeef");
}
END_TEST

UNIT_MAIN("status", no_errno_is_success, errnos_are_sorted_by_what_to_do, named_statuses_have_words,
	  usb_and_kernel_statuses_have_words, others_are_a_number)
