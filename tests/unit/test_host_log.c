/* SPDX-License-Identifier: Apache-2.0 */
/* What of a host's lines is kept, passed on and dropped; tests/integ/test_logs.c has the rest. */
#include "unit.h"

#include "log.h"
#include "registry_private.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

static struct registry registry;
static struct bundle bundle = {.identifier = "org.example.talker"};
static struct personality personality = {.bundle = &bundle, .user_class = "Talker"};
static struct device device = {.kind = DEVICE_RESOURCES};
static struct host host = {
	.registry = &registry,
	.personality = &personality,
	.device = &device,
	.interface = -1,
};
static int writing, passed_on = -1;

/* What is passed on goes to standard error: a file, which is looked at afterwards. */
static void
begin(void)
{
	char path[] = "/tmp/opendext-test-XXXXXX";
	int ends[2];

	passed_on = mkstemp(path);
	ck_assert_int_ge(passed_on, 0);
	unlink(path);
	ck_assert_int_ge(dup2(passed_on, STDERR_FILENO), 0);
	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(loop_create(&registry.loop), kIOReturnSuccess);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20), 1 << 18);
	ck_assert_int_eq(host_log_begin_take(&host, ends[0]), kIOReturnSuccess);
	writing = ends[1];
}

static void
finish(void)
{
	host_log_end(&host);
	loop_destroy(registry.loop);
	host_log_free(&host);
	close(writing);
	close(passed_on);
}

/* `count` lines of `length` letters. */
static void
talk(unsigned count, size_t length)
{
	char *text = malloc(count * (length + 1));

	memset(text, 'x', count * (length + 1));
	for (unsigned i = 1; i <= count; i++)
		text[i * (length + 1) - 1] = '\n';
	ck_assert_int_eq(write(writing, text, count * (length + 1)),
			 (ssize_t)(count * (length + 1)));
	free(text);
}

/* As if the process still ran: what the loop calls, until the pipe is empty. */
static void
take(void)
{
	struct pollfd item = {.fd = host.log.pipe, .events = POLLIN};

	while (poll(&item, 1, 0) == 1)
		host.log.source.handler(&host.log.source, EPOLLIN);
}

static unsigned
count_passed_on(void)
{
	char bytes[4096];
	unsigned lines = 0;
	ssize_t length;

	ck_assert_int_eq(lseek(passed_on, 0, SEEK_SET), 0);
	while ((length = read(passed_on, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < length; i++)
			lines += bytes[i] == '\n';
	return lines;
}

START_TEST(a_line_is_split_past_the_limit)
{
	begin();
	talk(1, DEXT_LIMIT_LOG_LINE_BYTES);
	take();
	ck_assert_uint_eq(host.log.count, 1);
	ck_assert_uint_eq(host.log.first->length, DEXT_LIMIT_LOG_LINE_BYTES);
	talk(1, DEXT_LIMIT_LOG_LINE_BYTES + 1);
	take();
	ck_assert_uint_eq(host.log.count, 3);
	ck_assert_uint_eq(host.log.first->next->length, DEXT_LIMIT_LOG_LINE_BYTES);
	ck_assert_uint_eq(host.log.last->length, 1);
	finish();
}
END_TEST

START_TEST(lines_are_kept_up_to_the_limit)
{
	begin();
	talk(DEXT_LIMIT_LOG_LINES_KEPT, 1);
	take();
	ck_assert_uint_eq(host.log.count, DEXT_LIMIT_LOG_LINES_KEPT);
	ck_assert_uint_eq(host.log.first->sequence, 1);
	/* The oldest goes for one more. */
	talk(1, 1);
	take();
	ck_assert_uint_eq(host.log.count, DEXT_LIMIT_LOG_LINES_KEPT);
	ck_assert_uint_eq(host.log.first->sequence, 2);
	ck_assert_uint_eq(host.log.last->sequence, DEXT_LIMIT_LOG_LINES_KEPT + 1);
	finish();
}
END_TEST

START_TEST(bytes_are_kept_up_to_the_limit)
{
	begin();
	talk(DEXT_LIMIT_LOG_BYTES_KEPT / DEXT_LIMIT_LOG_LINE_BYTES, DEXT_LIMIT_LOG_LINE_BYTES);
	take();
	ck_assert_uint_eq(host.log.bytes, DEXT_LIMIT_LOG_BYTES_KEPT);
	ck_assert_uint_eq(host.log.first->sequence, 1);
	/* One byte more costs the oldest line. */
	talk(1, 1);
	take();
	ck_assert_uint_eq(host.log.bytes,
			  DEXT_LIMIT_LOG_BYTES_KEPT - DEXT_LIMIT_LOG_LINE_BYTES + 1);
	ck_assert_uint_eq(host.log.first->sequence, 2);
	finish();
}
END_TEST

/* The time of a second that a slow machine takes for one write would begin another: so all at once.
 */
START_TEST(lines_of_a_second_are_passed_on_up_to_the_limit)
{
	uint64_t last;

	begin();
	talk(DEXT_LIMIT_LOG_LINES, 1);
	host_log_drain(&host);
	ck_assert_uint_eq(count_passed_on(), DEXT_LIMIT_LOG_LINES);
	ck_assert_uint_eq(host.log.last->length, 1);
	/* One more is counted, and said. */
	last = registry.last_line;
	talk(DEXT_LIMIT_LOG_LINES + 1, 1);
	host_log_drain(&host);
	ck_assert_uint_eq(count_passed_on(), 2 * DEXT_LIMIT_LOG_LINES + 1);
	ck_assert_ptr_nonnull(strstr(host.log.last->text, ": 1 lines of its log were dropped"));
	ck_assert_ptr_nonnull(strstr(host.log.last->text, "DEXT_LIMIT_LOG_LINES (1000)"));
	/* What a process has left is kept all the same. */
	ck_assert_uint_eq(registry.last_line, last + DEXT_LIMIT_LOG_LINES + 2);
	finish();
}
END_TEST

UNIT_MAIN("host_log", a_line_is_split_past_the_limit, lines_are_kept_up_to_the_limit,
	  bytes_are_kept_up_to_the_limit, lines_of_a_second_are_passed_on_up_to_the_limit)
