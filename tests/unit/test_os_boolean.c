/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <DriverKit/OSBoolean.h>

START_TEST(there_are_two_and_they_stay)
{
	ck_assert(OSBooleanGetValue(kOSBooleanTrue));
	ck_assert(!OSBooleanGetValue(kOSBooleanFalse));
	ck_assert(!OSBooleanGetValue(NULL));
	for (int i = 0; i < 10; i++) {
		OSRelease(kOSBooleanTrue);
		OSRelease(kOSBooleanFalse);
	}
	OSRetain(kOSBooleanTrue);
	ck_assert(OSBooleanGetValue(kOSBooleanTrue));
	ck_assert(!OSBooleanGetValue(kOSBooleanFalse));
	ck_assert_str_eq(OSObject_GetClassName(kOSBooleanTrue), "OSBoolean");
	ck_assert_ptr_nonnull(OSDynamicCast(OSBoolean, kOSBooleanTrue));
}
END_TEST

UNIT_MAIN("os_boolean", there_are_two_and_they_stay)
