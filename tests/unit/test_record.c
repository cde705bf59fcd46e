/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "packet.h"
#include "record.h"

#include <sys/mman.h>

static int
create(void)
{
	OSDictionary *facts = OSDictionaryCreate(2);
	int fd = -1;

	ck_assert(OSDictionarySetUInt64Value(facts, "Number", UINT64_MAX - 5));
	ck_assert(OSDictionarySetStringValue(facts, "Name", "one"));
	ck_assert_int_eq(record_create(facts, &fd), kIOReturnSuccess);
	OSRelease(facts);
	return fd;
}

static void
has_facts(int fd)
{
	OSDictionary *facts = NULL;
	uint64_t number = 0;

	ck_assert_int_eq(record_read(fd, &facts), kIOReturnSuccess);
	ck_assert(OSDictionaryGetUInt64Value(facts, "Number", &number));
	ck_assert_uint_eq(number, UINT64_MAX - 5);
	ck_assert_str_eq(OSDictionaryGetStringValue(facts, "Name"), "one");
	OSRelease(facts);
}

START_TEST(facts_come_back)
{
	int fd = create();

	has_facts(fd);
	has_facts(fd); /* where somebody has read to is of no meaning */
	fd_close(&fd);
}
END_TEST

START_TEST(what_changes_comes_back)
{
	struct record_service services[DEXT_LIMIT_SERVICES_HOST];
	uint64_t since = 0;
	int fd = create();

	ck_assert_uint_eq(record_detached(fd), 0);
	record_set_detached(fd, 0x80000001);
	ck_assert_uint_eq(record_detached(fd), 0x80000001);
	ck_assert(!record_find_service(fd, 1, &since));
	for (unsigned i = 0; i < DEXT_LIMIT_SERVICES_HOST; i++)
		services[i] = (struct record_service){i + 1, i * 10};
	record_set_services(fd, services, DEXT_LIMIT_SERVICES_HOST);
	ck_assert(record_find_service(fd, DEXT_LIMIT_SERVICES_HOST, &since));
	ck_assert_uint_eq(since, (DEXT_LIMIT_SERVICES_HOST - 1) * 10);
	record_set_services(fd, services, 1);
	ck_assert(record_find_service(fd, 1, &since));
	ck_assert(!record_find_service(fd, 2, &since));
	ck_assert_uint_eq(record_detached(fd), 0x80000001);
	has_facts(fd);
	fd_close(&fd);
}
END_TEST

/* Of another version, cut off, or something else altogether. */
START_TEST(what_is_no_record)
{
	static const uint32_t other = RECORD_VERSION + 1;
	OSDictionary *facts = NULL;
	uint64_t since;
	int fd = create(), whole = memfd_create("whole", MFD_CLOEXEC), ends[2];
	char bytes[8192];
	ssize_t length = pread(fd, bytes, sizeof(bytes), 0);

	ck_assert_int_gt(length, 0);
	for (ssize_t cut = 0; cut < length; cut += 16) {
		ck_assert_int_eq(ftruncate(whole, 0), 0);
		ck_assert_int_eq(pwrite(whole, bytes, (size_t)cut, 0), cut);
		if (record_read(whole, &facts) == kIOReturnSuccess)
			OSSafeReleaseNULL(facts); /* the rest of the last page is not the facts */
		else
			ck_assert_ptr_null(facts);
	}
	ck_assert_int_eq(pwrite(fd, &other, sizeof(other), 0), sizeof(other));
	ck_assert_int_eq(record_read(fd, &facts), kIOReturnBadArgument);
	ck_assert_uint_eq(record_detached(fd), 0);
	ck_assert(!record_find_service(fd, 0, &since));
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(record_read(ends[0], &facts), kIOReturnBadArgument);
	fd_close(&fd);
	fd_close(&whole);
}
END_TEST

UNIT_MAIN("record", facts_come_back, what_changes_comes_back, what_is_no_record)
