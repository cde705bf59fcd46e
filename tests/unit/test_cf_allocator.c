/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CFBase.h>

#include "unit.h"

struct pool {
	int retained, blocks;
};

static const void *
retain(const void *info)
{
	((struct pool *)(uintptr_t)info)->retained++;
	return info;
}

static void
release(const void *info)
{
	((struct pool *)(uintptr_t)info)->retained--;
}

static void *
allocate(CFIndex size, CFOptionFlags hint, void *info)
{
	((struct pool *)info)->blocks++;
	return malloc((size_t)size);
}

static void
deallocate(void *block, void *info)
{
	((struct pool *)info)->blocks--;
	free(block);
}

START_TEST(gives_and_takes_back)
{
	CFAllocatorRef all[] = {kCFAllocatorDefault, kCFAllocatorSystemDefault, kCFAllocatorMalloc,
				kCFAllocatorMallocZone, CFAllocatorGetDefault()};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char *block = CFAllocatorAllocate(all[i], 10, 0);

		memcpy(block, "123456789", 10);
		block = CFAllocatorReallocate(all[i], block, 1000, 0);
		ck_assert_str_eq(block, "123456789");
		CFAllocatorDeallocate(all[i], block);
		CFAllocatorDeallocate(all[i], NULL);
		ck_assert_ptr_null(CFAllocatorAllocate(all[i], 0, 0));
		ck_assert_int_eq(CFAllocatorGetPreferredSizeForSize(all[i], 10, 0), 10);
	}
	ck_assert_uint_eq(CFGetTypeID(kCFAllocatorMalloc), CFAllocatorGetTypeID());
}
END_TEST

START_TEST(null_does_nothing)
{
	char byte;

	ck_assert_ptr_null(CFAllocatorAllocate(kCFAllocatorNull, 10, 0));
	CFAllocatorDeallocate(kCFAllocatorNull, &byte);
}
END_TEST

START_TEST(an_apps_own)
{
	struct pool pool = {0, 0};
	CFAllocatorContext context = {.info = &pool,
				      .retain = retain,
				      .release = release,
				      .allocate = allocate,
				      .deallocate = deallocate};
	CFAllocatorContext got = {0};
	CFAllocatorRef allocator = CFAllocatorCreate(NULL, &context);
	void *block = CFAllocatorAllocate(allocator, 8, 0);

	ck_assert_int_eq(pool.retained, 1);
	ck_assert_int_eq(pool.blocks, 1);
	ck_assert_ptr_null(CFAllocatorReallocate(allocator, block, 16, 0));
	CFAllocatorDeallocate(allocator, block);
	ck_assert_int_eq(pool.blocks, 0);
	CFAllocatorGetContext(allocator, &got);
	ck_assert_ptr_eq(got.info, &pool);
	CFRelease(allocator);
	ck_assert_int_eq(pool.retained, 0);
	context.allocate = NULL;
	ck_assert_ptr_null(CFAllocatorCreate(NULL, &context));
	ck_assert_ptr_null(CFAllocatorCreate(NULL, NULL));
}
END_TEST

UNIT_MAIN("cf_allocator", gives_and_takes_back, null_does_nothing, an_apps_own)
