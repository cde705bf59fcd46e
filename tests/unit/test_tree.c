/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "tree.h"

static struct host *const one_host = (struct host *)0x10, *const other_host = (struct host *)0x20;

static struct entry *
add(struct tree *tree, uint64_t id, const char *class_name, const char *user_class,
    struct entry *provider, struct host *host)
{
	OSDictionary *properties = OSDictionaryCreate(2);
	struct entry *entry = NULL;

	if (user_class != NULL)
		OSDictionarySetStringValue(properties, "IOUserClass", user_class);
	ck_assert_int_eq(tree_add(tree, id, class_name, properties, provider, host, &entry),
			 kIOReturnSuccess);
	OSRelease(properties);
	return entry;
}

START_TEST(draws_ids)
{
	struct tree tree = {NULL};
	struct entry *one = add(&tree, 0, "IOUSBHostDevice", NULL, NULL, NULL);
	struct entry *two = add(&tree, 0, "IOUSBHostDevice", NULL, NULL, NULL);

	ck_assert_uint_ne(one->id, 0);
	ck_assert_uint_ne(two->id, 0);
	ck_assert_uint_ne(one->id, two->id);
	ck_assert_ptr_eq(tree_find(&tree, one->id), one);
	ck_assert_ptr_eq(tree_find(&tree, two->id), two);
	ck_assert_ptr_eq(tree.first, one); /* oldest first */
	tree_clear(&tree);
	ck_assert_ptr_null(tree.first);
}
END_TEST

START_TEST(refuses_a_taken_id)
{
	struct tree tree = {NULL};
	OSDictionary *properties = OSDictionaryCreate(1);
	struct entry *entry = NULL;

	add(&tree, 7, "IOUserService", "Echo", NULL, one_host);
	ck_assert_int_eq(tree_add(&tree, 7, "IOUserService", properties, NULL, other_host, &entry),
			 kIOReturnExclusiveAccess);
	ck_assert_ptr_null(entry);
	OSRelease(properties);
	tree_clear(&tree);
}
END_TEST

START_TEST(names_entries)
{
	struct tree tree = {NULL};
	struct entry *node = add(&tree, 0, "IOUSBHostInterface", NULL, NULL, NULL);
	struct entry *service = add(&tree, 0, "IOUserService", "Echo", node, one_host);
	OSDictionary *properties = OSDictionaryCreate(2);

	ck_assert_str_eq(node->name, "IOUSBHostInterface");
	ck_assert_ptr_null(node->user_class);
	ck_assert_str_eq(service->name, "Echo");
	ck_assert_str_eq(service->user_class, "Echo");
	OSDictionarySetStringValue(properties, "IOUserClass", "Echo");
	OSDictionarySetStringValue(properties, "IORegistryEntryName", "left");
	ck_assert_int_eq(tree_replace(&tree, service, properties), kIOReturnSuccess);
	ck_assert_str_eq(service->name, "left");
	ck_assert_ptr_eq(service->properties, properties);
	OSRelease(properties);
	tree_clear(&tree);
}
END_TEST

START_TEST(removes_what_is_below)
{
	struct tree tree = {NULL};
	struct entry *device = add(&tree, 0, "IOUSBHostDevice", NULL, NULL, NULL);
	struct entry *interface = add(&tree, 0, "IOUSBHostInterface", NULL, device, NULL);
	struct entry *service = add(&tree, 0, "IOUserService", "Echo", interface, one_host);
	struct entry *child = add(&tree, 0, "IOUserService", "Child", service, one_host);
	struct entry *other = add(&tree, 0, "IOUserService", "Other", device, other_host);

	ck_assert(tree_is_below(child, device));
	ck_assert(tree_is_below(device, device));
	ck_assert(!tree_is_below(device, child));
	ck_assert(!tree_is_below(other, interface));
	tree_remove(&tree, service);
	ck_assert_ptr_eq(tree.first, device);
	ck_assert_ptr_eq(device->next, interface);
	ck_assert_ptr_eq(interface->next, other);
	ck_assert_ptr_null(other->next);
	tree_clear(&tree);
}
END_TEST

START_TEST(removes_what_a_host_served)
{
	struct tree tree = {NULL};
	struct entry *device = add(&tree, 0, "IOUSBHostDevice", NULL, NULL, NULL);
	struct entry *service = add(&tree, 0, "IOUserService", "Echo", device, one_host);
	struct entry *other = add(&tree, 0, "IOUserService", "Other", device, other_host);

	add(&tree, 0, "IOUserService", "Child", service, one_host);
	tree_remove_host(&tree, one_host);
	ck_assert_ptr_eq(tree.first, device);
	ck_assert_ptr_eq(device->next, other);
	ck_assert_ptr_null(other->next);
	tree_clear(&tree);
}
END_TEST

static struct {
	unsigned count;
	uint64_t ids[4];
	enum tree_change changes[4];
} told;

static void
tell(struct tree *tree, const struct entry *entry, enum tree_change change)
{
	told.ids[told.count] = entry->id;
	told.changes[told.count++] = change;
	/* Its providers are there, also of one that goes. */
	ck_assert(entry->provider == NULL || entry->provider->name != NULL);
}

START_TEST(tells_of_its_changes)
{
	struct tree tree = {.changed = tell};
	struct entry *device = add(&tree, 1, "IOUSBHostDevice", NULL, NULL, NULL);
	OSDictionary *properties = OSDictionaryCreate(1);

	add(&tree, 2, "IOUserService", "Echo", device, one_host);
	ck_assert_int_eq(tree_replace(&tree, device, properties), kIOReturnSuccess);
	ck_assert_uint_eq(told.count, 3);
	ck_assert_uint_eq(told.ids[1], 2);
	ck_assert_uint_eq(told.changes[0], TREE_ADDED);
	ck_assert_uint_eq(told.changes[1], TREE_ADDED);
	ck_assert_uint_eq(told.changes[2], TREE_REPLACED);
	told.count = 0;
	tree_remove(&tree, device);
	ck_assert_uint_eq(told.count, 2);
	ck_assert_uint_eq(told.ids[0], 2);
	ck_assert_uint_eq(told.ids[1], 1);
	ck_assert_uint_eq(told.changes[1], TREE_REMOVED);
	ck_assert_ptr_null(tree_find(&tree, 2));
	ck_assert_str_eq(tree_find_gone(&tree, 2)->name, "Echo");
	ck_assert_ptr_null(tree_find_gone(&tree, 3));
	OSRelease(properties);
	tree_clear(&tree);
	ck_assert_ptr_null(tree_find_gone(&tree, 2));
}
END_TEST

UNIT_MAIN("tree", draws_ids, refuses_a_taken_id, names_entries, removes_what_is_below,
	  removes_what_a_host_served, tells_of_its_changes)
