/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What test_older_client.c is for a host, for the registry: an app of version 1 as it was recorded.
 * Nothing here comes from the structures of this source.
 */
#include "registry_fixture.h"

#include <unistd.h>

/* {IOProviderClass = IOUSBHostInterface} */
static const uint8_t matching[] = {
	0x62, 0x70, 0x6c, 0x69, 0x73, 0x74, 0x30, 0x30, 0xd1, 0x01, 0x02, 0x5f, 0x10, 0x0f, 0x49,
	0x4f, 0x50, 0x72, 0x6f, 0x76, 0x69, 0x64, 0x65, 0x72, 0x43, 0x6c, 0x61, 0x73, 0x73, 0x5f,
	0x10, 0x12, 0x49, 0x4f, 0x55, 0x53, 0x42, 0x48, 0x6f, 0x73, 0x74, 0x49, 0x6e, 0x74, 0x65,
	0x72, 0x66, 0x61, 0x63, 0x65, 0x08, 0x0b, 0x1d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
	0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x32,
};

static uint8_t reply[8192];

/* A packet of that type with the body, and its answer; returns the length of the answer's body. */
static size_t
exchange(int fd, uint16_t type, uint32_t sequence, const void *body, size_t length,
	 uint32_t *ret_status)
{
	uint8_t bytes[256] = {0};
	uint32_t total = 16 + (uint32_t)length;
	ssize_t got;

	/* Length, type, descriptors, sequence, status. */
	memcpy(bytes, &total, 4);
	memcpy(bytes + 4, &type, 2);
	memcpy(bytes + 8, &sequence, 4);
	memcpy(bytes + 16, body, length);
	ck_assert_int_eq(send(fd, bytes, total, 0), total);
	got = recv(fd, reply, sizeof(reply), 0);
	ck_assert_int_ge(got, 16);
	memcpy(&total, reply, 4);
	ck_assert_uint_eq(total, got);
	ck_assert_mem_eq(reply + 4, &type, 2);
	ck_assert_mem_eq(reply + 8, &sequence, 4);
	memcpy(ret_status, reply + 12, 4);
	return (size_t)got - 16;
}

START_TEST(an_older_app_is_answered)
{
	/* An id, a type, a version, flags, 0; and a watch, an entry, a dictionary. */
	uint8_t open[24] = {0}, watch[16 + sizeof(matching)] = {0x11};
	uint32_t status;
	int fd;

	set_up();
	fd = connect_registry();
	ck_assert_uint_eq(exchange(fd, 0x0201, 1, matching, sizeof(matching), &status), 8);
	ck_assert_uint_eq(status, 0);
	memcpy(open, reply + 16, 8);
	ck_assert_uint_gt(exchange(fd, 0x0202, 2, open, 8, &status), 8);
	ck_assert_uint_eq(status, 0);
	ck_assert_mem_eq(reply + 16, "bplist00", 8);
	/* A device's interface cannot be opened: kIOReturnUnsupported. */
	open[12] = 1;
	ck_assert_uint_eq(exchange(fd, 0x0203, 3, open, sizeof(open), &status), 0);
	ck_assert_uint_eq(status, 0xe00002c7);
	memcpy(watch + 16, matching, sizeof(matching));
	ck_assert_uint_eq(exchange(fd, 0x0206, 4, watch, sizeof(watch), &status), 8);
	ck_assert_uint_eq(status, 0);
	ck_assert_mem_eq(reply + 16, open, 8);
	close(fd);
	tear_down();
}
END_TEST

UNIT_MAIN("older_app", an_older_app_is_answered)
