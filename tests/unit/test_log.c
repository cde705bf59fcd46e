/* SPDX-License-Identifier: Apache-2.0 */
/* The log: silent unless asked, one line per call, errno kept. */
#include "unit.h"

#include "log.h"

#include <fcntl.h>
#include <os/log.h>

#include <CoreFoundation/CFString.h>
#include <DriverKit/OSCollections.h>

static char text[4096];

static void
set_environment(const char *level)
{
	if (level == NULL)
		unsetenv("OPENDEXT_LOG");
	else
		setenv("OPENDEXT_LOG", level, 1);
}

static void
say_each(void *context)
{
	set_environment(context);
	log_error("an error");
	log_info("some news");
	log_debug("a detail");
	os_log(OS_LOG_DEFAULT, "from os_log");
}

START_TEST(an_app_is_silent)
{
	ck_assert_int_eq(unit_child(say_each, NULL, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "");
	unit_child(say_each, (char[]){"nonsense"}, text, sizeof(text));
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(the_environment_sets_the_level)
{
	unit_child(say_each, (char[]){"error"}, text, sizeof(text));
	ck_assert_str_eq(text, "an error\n");
	unit_child(say_each, (char[]){"info"}, text, sizeof(text));
	ck_assert_str_eq(text, "an error\nsome news\nfrom os_log\n");
	unit_child(say_each, (char[]){"debug"}, text, sizeof(text));
	ck_assert_str_eq(text, "an error\nsome news\na detail\nfrom os_log\n");
}
END_TEST

static void
say_as_driver(void *context)
{
	set_environment(context);
	log_set_name("bulk");
	log_set_level(LOG_LEVEL_INFO);
	log_info("some news");
	log_debug("a detail");
	os_log_debug(OS_LOG_DEFAULT, "number %d", 4);
}

START_TEST(a_driver_has_its_name_and_is_always_heard)
{
	unit_child(say_as_driver, NULL, text, sizeof(text));
	ck_assert_str_eq(text, "bulk: some news\nbulk: number 4\n");
	unit_child(say_as_driver, (char[]){"off"}, text, sizeof(text));
	ck_assert_str_eq(text, "bulk: number 4\n");
}
END_TEST

static void
say_objects(void)
{
	OSDictionary *dictionary = OSDictionaryCreate(1);

	OSDictionarySetStringValue(dictionary, "key", "value");
	os_log(OS_LOG_DEFAULT, "%{public}@ has %d of %@", CFSTR("it"), 3, dictionary);
	/* What CFString does not know, so the address; and no conversion at all. */
	errno = ENOENT;
	os_log(OS_LOG_DEFAULT, "%@ %m", NULL);
	os_log(OS_LOG_DEFAULT, "me@here %d", 1);
	OSRelease(dictionary);
}

static void
say_apple(void *context)
{
	set_environment("debug");
	os_log(OS_LOG_DEFAULT, "%{public}s is %{private}#06x of %{public, uuid_t}.3s%%", "this",
	       255, "abcdef");
	os_log(OS_LOG_DEFAULT, "%@ then %d", NULL, 7);
	say_objects();
	os_log(OS_LOG_DEFAULT, "%{public");
	os_log(OS_LOG_DEFAULT, "%ld%n", 3L, (void *)0x10);
	errno = ENOENT;
	os_log(OS_LOG_DEFAULT, "%m");
}

START_TEST(apples_annotations_are_accepted)
{
	char expected[512];

	/* How an address of NULL is written is the C library's. */
	snprintf(expected, sizeof(expected),
		 "this is 0x00ff of abc%%\n(null) then 7\n"
		 "it has 3 of {     key = value; }\n"
		 "CFString format: \"%%m\" is not known\n%p No such file or directory\n"
		 "me@here 1\n"
		 "os_log: format too long or with an open %%{\n30x10\n"
		 "No such file or directory\n",
		 NULL);
	ck_assert_int_eq(unit_child(say_apple, NULL, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
}
END_TEST

static void
say_oddly(void *context)
{
	char *large = malloc(10000);

	set_environment("debug");
	memset(large, 'x', 9999);
	large[9999] = '\0';
	log_info("one\ntwo\033[31m\xc2\x9b\n");
	log_info("%s", large);
	log_info("after");
	free(large);
}

START_TEST(a_call_is_one_line_whatever_is_in_it)
{
	const char *at = text;
	int lines = 0;

	unit_child(say_oddly, NULL, text, sizeof(text));
	ck_assert_int_eq(strncmp(text, "one two\\x1b[31m\\xc2\\x9b\n", 24), 0);
	while ((at = strchr(at, '\n')) != NULL) {
		lines++;
		at++;
	}
	ck_assert_int_eq(lines, 3);
	ck_assert_ptr_nonnull(strstr(text, "x\nafter\n"));
}
END_TEST

START_TEST(errno_is_kept)
{
	set_environment("debug");
	close(STDERR_FILENO);
	errno = ENOTTY;
	log_error("nowhere to go");
	ck_assert_int_eq(errno, ENOTTY);
	os_log(OS_LOG_DEFAULT, "%{public}s", "nowhere");
	ck_assert_int_eq(errno, ENOTTY);
}
END_TEST

START_TEST(a_reader_that_has_gone_does_not_kill)
{
	int ends[2];
	sigset_t pending;

	set_environment("debug");
	signal(SIGPIPE, SIG_DFL);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[0]);
	log_error("to nobody");
	sigpending(&pending);
	ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
}
END_TEST

static void
end(void *context)
{
	set_environment("off");
	log_abort("this is the %s", "end");
}

START_TEST(an_abort_is_always_heard)
{
	ck_assert(unit_killed_by(unit_child(end, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_str_eq(text, "this is the end\n");
}
END_TEST

static void
write_to_named_logs(void *context)
{
	os_log_t usb = os_log_create("org.example", "100%s");

	os_log(usb, "opened %{public}s", "it");
	os_log(OS_LOG_DISABLED, "nothing");
	os_log(OS_LOG_DEFAULT, "plain");
	_exit(usb == os_log_create("org.example", "100%s") &&
			      usb != os_log_create("org.example", "hid") &&
			      os_log_type_enabled(usb, OS_LOG_TYPE_ERROR) &&
			      !os_log_type_enabled(OS_LOG_DISABLED, OS_LOG_TYPE_FAULT)
		      ? 0
		      : 1);
}

START_TEST(logs_have_names)
{
	log_set_level(LOG_LEVEL_INFO);
	ck_assert_int_eq(unit_child(write_to_named_logs, NULL, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "org.example:100%s: opened it\nplain\n");
}
END_TEST

static void
say_many(void *context)
{
	struct log_share share = {.most = 3};

	set_environment("error");
	log_set_share(&share);
	for (unsigned i = 0; i < 10; i++)
		log_error("line %u", i);
	/* A second later. */
	share.began -= 1000000000;
	for (unsigned i = 10; i < 14; i++)
		log_error("line %u", i);
	log_set_share(NULL);
	log_error("mine");
}

START_TEST(lines_of_a_share_are_written_up_to_its_most)
{
	ck_assert_int_eq(unit_child(say_many, NULL, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "line 0\nline 1\nline 2\n7 lines like the next were left out\n"
			       "line 10\nline 11\nline 12\nmine\n");
}
END_TEST

UNIT_MAIN("log", logs_have_names, an_app_is_silent, the_environment_sets_the_level,
	  a_driver_has_its_name_and_is_always_heard, apples_annotations_are_accepted,
	  a_call_is_one_line_whatever_is_in_it, errno_is_kept, a_reader_that_has_gone_does_not_kill,
	  an_abort_is_always_heard, lines_of_a_share_are_written_up_to_its_most)
