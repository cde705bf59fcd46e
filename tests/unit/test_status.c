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

START_TEST(others_are_a_number)
{
	ck_assert_str_eq(status_string((IOReturn)0xdeadbeef), "0xdeadbeef");
}
END_TEST

UNIT_MAIN("status", no_errno_is_success, errnos_are_sorted_by_what_to_do, named_statuses_have_words,
	  others_are_a_number)
