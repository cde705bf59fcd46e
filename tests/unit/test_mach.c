/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdint.h>
#include <time.h>

#include <IOKit/IOReturn.h>
#include <mach/mach.h>
#include <mach/mach_time.h>

START_TEST(time_is_the_monotonic_clock_in_nanoseconds)
{
	struct timespec now;
	mach_timebase_info_data_t base = {0, 0};
	uint64_t before = mach_absolute_time(), between;

	clock_gettime(CLOCK_MONOTONIC, &now);
	between = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	ck_assert_uint_le(before, between);
	ck_assert_uint_le(between, mach_absolute_time());
	ck_assert_int_eq(mach_timebase_info(&base), KERN_SUCCESS);
	ck_assert_uint_eq(base.numer, base.denom);
	ck_assert_int_eq(mach_timebase_info(NULL), KERN_INVALID_ARGUMENT);
}
END_TEST

START_TEST(the_page_size_is_the_kernels)
{
	const char *wanted = getenv("LARGE_PAGES"); /* tests/pages */

	ck_assert_uint_eq(vm_page_size, (vm_size_t)sysconf(_SC_PAGESIZE));
	if (wanted != NULL)
		ck_assert_uint_eq(vm_page_size, strtoul(wanted, NULL, 10));
	ck_assert_uint_eq(vm_page_mask, vm_page_size - 1);
	ck_assert_uint_eq((vm_size_t)1 << vm_page_shift, vm_page_size);
}
END_TEST

START_TEST(statuses_are_words)
{
	ck_assert_ptr_nonnull(
		strstr(mach_error_string(kIOReturnExclusiveAccess), "kIOReturnExclusiveAccess"));
	ck_assert_uint_ne(mach_task_self(), MACH_PORT_NULL);
}
END_TEST

static void
print_error(void *context)
{
	mach_error("opening", kIOReturnNotPermitted);
}

START_TEST(mach_error_prints_a_line)
{
	char text[256];

	ck_assert_int_eq(unit_child(print_error, NULL, text, sizeof(text)), 0);
	ck_assert_ptr_eq(strstr(text, "opening: "), text);
	ck_assert_ptr_nonnull(strstr(text, "kIOReturnNotPermitted"));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(continuous_time_and_waiting)
{
	uint64_t absolute = mach_absolute_time(), before = mach_continuous_time();
	uint64_t until = mach_absolute_time() + 5 * NSEC_PER_MSEC;

	/* It counts while the machine sleeps, too. */
	ck_assert_uint_ge(before, absolute);
	ck_assert_int_eq(mach_wait_until(until), KERN_SUCCESS);
	ck_assert_uint_ge(mach_absolute_time(), until);
	ck_assert_uint_ge(mach_continuous_approximate_time(), before + 5 * NSEC_PER_MSEC);
	ck_assert_int_eq(mach_wait_until(0), KERN_SUCCESS);
}
END_TEST

START_TEST(statuses_have_owners)
{
	ck_assert_str_eq(mach_error_type(KERN_FAILURE), "(os/kern)");
	ck_assert_str_eq(mach_error_type(MACH_SEND_INVALID_DEST), "(ipc/send)");
	ck_assert_str_eq(mach_error_type(MACH_RCV_TIMED_OUT), "(ipc/rcv)");
	ck_assert_str_eq(mach_error_type(kIOReturnBusy), "(iokit/common)");
	ck_assert_str_eq(mach_error_type(-1), "(unknown)");
}
END_TEST

UNIT_MAIN("mach", continuous_time_and_waiting, statuses_have_owners,
	  time_is_the_monotonic_clock_in_nanoseconds, the_page_size_is_the_kernels,
	  statuses_are_words, mach_error_prints_a_line)
