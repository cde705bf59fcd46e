/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "bundle.h"
#include "log.h"

#include <stdio.h>

#include <DriverKit/IOService.h>

static const OSMetaClass gOneMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "One",
	.superclass = OSTypeID(IOService),
};

static const OSMetaClass *const classes[] = {&gOneMetaClass};
static const dext_bundle_info good = {sizeof(good), DEXT_BUNDLE_ABI, 1, classes};

START_TEST(classes_are_found_by_name)
{
	struct bundle *bundle = NULL;

	ck_assert_int_eq(bundle_create(&good, "x", "an.id", &bundle), kIOReturnSuccess);
	ck_assert_ptr_eq(bundle_find_class(bundle, "One"), &gOneMetaClass);
	ck_assert_ptr_null(bundle_find_class(bundle, "Two"));
	ck_assert_str_eq(bundle_identifier(bundle), "an.id");
	ck_assert_str_eq(bundle_identifier(NULL), "");
	ck_assert_ptr_null(bundle_find_class(NULL, "One"));
	bundle_destroy(bundle);
}
END_TEST

START_TEST(tables_of_another_kind_are_refused)
{
	static const OSMetaClass stray = {.size = sizeof(OSMetaClass), .name = "Stray"};
	static const OSMetaClass *const strays[] = {&stray};
	struct bundle *bundle = NULL;
	dext_bundle_info info = good;

	info.abi++;
	ck_assert_int_eq(bundle_create(&info, "x", "", &bundle), kIOReturnUnsupported);
	info = good;
	info.size = 8;
	ck_assert_int_eq(bundle_create(&info, "x", "", &bundle), kIOReturnUnsupported);
	info = good;
	info.class_count = 0;
	ck_assert_int_eq(bundle_create(&info, "x", "", &bundle), kIOReturnUnsupported);
	info = good;
	info.classes = strays;
	ck_assert_int_eq(bundle_create(&info, "x", "", &bundle), kIOReturnUnsupported);
	/* A later version's table is longer, and fine. */
	info = good;
	info.size += 8;
	ck_assert_int_eq(bundle_create(&info, "x", "", &bundle), kIOReturnSuccess);
	bundle_destroy(bundle);
}
END_TEST

static void
load(void *path)
{
	struct bundle *bundle = NULL;
	IOReturn res;

	setenv("OPENDEXT_LOG", "error", 1);
	log_set_level(LOG_LEVEL_ERROR);
	res = bundle_load(path, "", &bundle);
	_exit(res == kIOReturnNotFound	    ? 1
	      : res == kIOReturnUnsupported ? 2
	      : res == kIOReturnBadArgument ? 3
					    : 0);
}

START_TEST(errors_of_loading_name_the_file)
{
	char text[1024];

	ck_assert_int_eq(WEXITSTATUS(unit_child(load, "/nowhere/x.so", text, sizeof(text))), 1);
	ck_assert_ptr_nonnull(strstr(text, "/nowhere/x.so"));
	ck_assert_int_eq(WEXITSTATUS(unit_child(load, "x.so", text, sizeof(text))), 3);
	/* A shared object, but no bundle. */
	ck_assert_int_eq(WEXITSTATUS(unit_child(load, (void *)(uintptr_t) "/proc/self/exe", text,
						sizeof(text))),
			 1);
}
END_TEST

UNIT_MAIN("bundle", classes_are_found_by_name, tables_of_another_kind_are_refused,
	  errors_of_loading_name_the_file)
