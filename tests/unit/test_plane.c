/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "plane.h"

static struct tree tree;
static struct entry *root, *device, *interface, *service, *child, *other;

static struct entry *
add(const char *class_name, const char *name, const char *key, uint64_t number,
    struct entry *provider)
{
	OSDictionary *properties = OSDictionaryCreate(2);
	struct entry *entry = NULL;

	OSDictionarySetStringValue(properties, "IORegistryEntryName", name);
	if (key != NULL)
		OSDictionarySetUInt64Value(properties, key, number);
	ck_assert_int_eq(tree_add(&tree, 0, class_name, properties, provider, NULL, &entry), 0);
	OSRelease(properties);
	return entry;
}

static void
set_up(void)
{
	root = add(CLASS_ROOT, "Root", NULL, 0, NULL);
	device = add("IOUSBHostDevice", "a/b sink", "locationID", 0x80100000, root);
	interface = add("IOUSBHostInterface", "IOUSBHostInterface", "bInterfaceNumber", 0, device);
	service = add("IOUserService", "Echo", NULL, 0, interface);
	child = add("IOUserService", "Child", NULL, 0, service);
	other = add("IOUSBHostDevice", "a/b sink", "locationID", 0x80200000, root);
}

static const char *
path_of(const struct entry *entry, enum plane plane)
{
	static char path[PLANE_PATH_MAX];

	return plane_path(entry, plane, path) ? path : NULL;
}

START_TEST(entries_have_paths)
{
	set_up();
	ck_assert_str_eq(path_of(root, PLANE_SERVICE), "IOService:/");
	ck_assert_str_eq(path_of(child, PLANE_SERVICE),
			 "IOService:/a_b sink@80100000/IOUSBHostInterface@0/Echo/Child");
	ck_assert_str_eq(path_of(other, PLANE_USB), "IOUSB:/a_b sink@80200000");
	ck_assert_ptr_null(path_of(interface, PLANE_USB));
	tree_clear(&tree);
}
END_TEST

START_TEST(a_path_means_its_entry)
{
	set_up();
	for (const struct entry *entry = tree.first; entry != NULL; entry = entry->next) {
		char path[PLANE_PATH_MAX];

		ck_assert(plane_path(entry, PLANE_SERVICE, path));
		for (const struct entry *one = tree.first; one != NULL; one = one->next)
			ck_assert_int_eq(plane_path_matches(path, one), one == entry);
	}
	ck_assert(plane_path_matches("IOService:/a_b sink/IOUSBHostInterface/Echo", service));
	ck_assert(plane_path_matches("IOUSB:/", root));
	ck_assert(plane_path_matches("IOUSB:/a_b sink@80200000", other));
	tree_clear(&tree);
}
END_TEST

START_TEST(other_paths_mean_nothing)
{
	static const char *const paths[] = {
		"",
		":",
		"/",
		"IOService",
		"IOService:",
		"IOService:Echo",
		"IOService:/Echo",
		"IOService:/Echo/",
		"IOService://",
		"IOService:/a_b sink@/IOUSBHostInterface/Echo",
		"IOService:/a_b sink@8010000/IOUSBHostInterface/Echo",
		"IOService:/a_b sink/IOUSBHostInterface@1/Echo",
		"IOService:/a_b sink/IOUSBHostInterface/Echo@0",
		"IOService:/Root/a_b sink/IOUSBHostInterface/Echo",
		"IOUSB:/a_b sink/IOUSBHostInterface",
		"IOPower:/",
		"APlaneNameThatIsLongerThanAnyOfThemEverWillBe:/",
	};

	set_up();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		for (const struct entry *entry = tree.first; entry != NULL; entry = entry->next)
			ck_assert_msg(!plane_path_matches(paths[i], entry), "%s", paths[i]);
	tree_clear(&tree);
}
END_TEST

static void
expect(const struct entry *entry, enum plane plane, enum entry_relation relation, size_t count,
       struct entry *const *expected)
{
	uint64_t ids[8];

	ck_assert_uint_eq(plane_related(&tree, entry, plane, relation, ids, 8), count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(ids[i], expected[i]->id);
}

START_TEST(relations)
{
	uint64_t ids[2];

	set_up();
	expect(root, PLANE_SERVICE, ENTRY_CHILDREN, 2, (struct entry *[]){device, other});
	expect(root, PLANE_SERVICE, ENTRY_BELOW, 5,
	       (struct entry *[]){device, interface, service, child, other});
	expect(root, PLANE_USB, ENTRY_BELOW, 2, (struct entry *[]){device, other});
	expect(child, PLANE_SERVICE, ENTRY_PARENTS, 1, (struct entry *[]){service});
	expect(child, PLANE_SERVICE, ENTRY_ABOVE, 4,
	       (struct entry *[]){service, interface, device, root});
	expect(other, PLANE_USB, ENTRY_ABOVE, 1, (struct entry *[]){root});
	expect(child, PLANE_SERVICE, ENTRY_CHILDREN, 0, NULL);
	expect(root, PLANE_SERVICE, ENTRY_ABOVE, 0, NULL);
	expect(interface, PLANE_USB, ENTRY_ABOVE, 0, NULL);
	ck_assert_uint_eq(plane_related(&tree, root, PLANE_SERVICE, ENTRY_BELOW, ids, 2), 2);
	tree_clear(&tree);
}
END_TEST

UNIT_MAIN("plane", entries_have_paths, a_path_means_its_entry, other_paths_mean_nothing, relations)
