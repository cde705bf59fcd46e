/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "registry_names.h"

START_TEST(classes_derive)
{
	ck_assert(class_conforms("IOUSBHostDevice", "IOUSBHostDevice"));
	ck_assert(class_conforms("IOUSBHostDevice", "IOUSBDevice"));
	ck_assert(class_conforms("IOUSBHostInterface", "IOService"));
	ck_assert(class_conforms("IOUserService", "IORegistryEntry"));
	ck_assert(class_conforms("IOUserUserClient", "OSObject"));
	ck_assert(!class_conforms("IOUSBHostInterface", "IOUSBDevice"));
	ck_assert(!class_conforms("IOService", "IOUserService"));
	ck_assert(class_conforms("Other", "Other"));
	ck_assert(!class_conforms("Other", "IOService"));
	ck_assert_ptr_null(class_superclass("OSObject"));
	ck_assert_str_eq(class_superclass("IOService"), CLASS_ROOT);
}
END_TEST

START_TEST(planes_have_names)
{
	for (unsigned i = PLANE_SERVICE; i <= PLANE_LAST; i++)
		ck_assert_uint_eq(plane_of(plane_name((enum plane)i)), i);
	ck_assert_uint_eq(plane_of("IOPower"), PLANE_NONE);
	ck_assert_uint_eq(plane_of(""), PLANE_NONE);
}
END_TEST

UNIT_MAIN("registry_names", classes_derive, planes_have_names)
