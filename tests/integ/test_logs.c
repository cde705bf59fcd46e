/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of drivers that crash, and what others may see of their logs. */
#define UNIT_TIMEOUT_SEC 60
#include "echo.h"
#include "harness.h"
#include "shell.h"

#include "unit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <sys/stat.h>

static struct harness harness;

static io_connect_t
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	return harness_open("Echo", 0);
}

static kern_return_t
talk(io_connect_t connect, uint64_t lines, uint64_t end)
{
	const uint64_t input[] = {lines, end};

	return IOConnectCallScalarMethod(connect, ECHO_TALK, input, 2, NULL, NULL);
}

/* The drivers, and the last lines: `said` does not hold all. */
static bool
is_said(void *text)
{
	run("$DEXT logs | awk 'NR < 4 {print} {line[NR] = $0} "
	    "END {for (i = NR < 84 ? 4 : NR - 80; i <= NR; i++) print line[i]}'");
	return strstr(said, text) != NULL;
}

/* Somewhere in all of it. */
static void
check_logged(const char *text)
{
	ck_assert_msg(run("$DEXT logs | grep -F '%s'", text) == 0, "no '%s'", text);
}

static bool
is_in_tree(void *text)
{
	run("$DEXT tree -l");
	return strstr(said, text) != NULL;
}

/* A sanitizer has a handler of its own for most of them, whose lines come after ours. */
START_TEST(a_crash_leaves_a_backtrace)
{
	static const struct {
		uint64_t how;
		const char *first;
	} ways[] = {
		{ECHO_TALK_SEGV, "crashed: SIGSEGV, address 0x0, at /"},
		{ECHO_TALK_ABORT, "crashed: SIGABRT"},
		{ECHO_TALK_ILL, "crashed: SIGILL"},
		{ECHO_TALK_FPE, "crashed: SIGFPE"},
		{ECHO_TALK_BUS, "crashed: SIGBUS"},
	};
	io_connect_t connect = start();

	ck_assert_int_eq(talk(connect, 1, ways[_i].how), kIOReturnOffline);
	ck_assert_msg(harness_until(is_said, (void *)"its host was killed by signal") ||
			      harness_until(is_said, (void *)"its host ended with status"),
		      "%s", said);
	check_logged(ways[_i].first);
	/* The driver's own functions, by the names that only the file has. */
	check_logged("(echo_fall");
	check_logged("(echo_stumble+");
	check_logged("  #1 ");
	check_logged("1 crashes");
	ck_assert_int_eq(run("$DEXT logs --json org.opendext.test.echo | "
			     "grep -F '\"function\":\"echo_stumble+'"),
			 0);
	run("$DEXT tree");
	check_said("!- driver Echo (org.opendext.test.echo): ");
	/* Its last lines, which a sanitizer's may be. */
	ck_assert_int_eq(run("$DEXT tree -l | grep -E 'echo_stumble|Sanitizer'"), 0);
	harness_forget_crash(&harness);
	IOServiceClose(connect);
	harness_stop(&harness);
}
END_TEST

START_TEST(so_does_a_stack_that_is_used_up)
{
	io_connect_t connect = start();

	ck_assert_int_eq(talk(connect, 1, ECHO_TALK_RECURSE), kIOReturnOffline);
	ck_assert_msg(harness_until(is_said, (void *)"its host was killed by signal") ||
			      harness_until(is_said, (void *)"its host ended with status"),
		      "%s", said);
	check_logged("crashed: SIGSEGV, address 0x");
	check_logged("the stack of this thread is used up");
	check_logged("  #2 ");
	check_logged("(echo_recurse");
	harness_forget_crash(&harness);
	IOServiceClose(connect);
	harness_stop(&harness);
}
END_TEST

START_TEST(control_characters_are_escaped)
{
	io_connect_t connect = start();

	ck_assert_int_eq(talk(connect, 1, ECHO_TALK_ENDS), kIOReturnSuccess);
	ck_assert(harness_until(is_said, (void *)"talk 0 \\x1b[31mred\\x1b[0m \\xc2\\x9b \\xff"));
	ck_assert_ptr_null(strchr(said, '\033'));
	/* Where the registry's own log goes, too, and with the driver's name. */
	harness_wait_log(&harness, "org.opendext.test.echo: talk 0 \\x1b[31mred");
	ck_assert_ptr_null(strchr(harness_log(&harness), '\033'));
	IOServiceClose(connect);
	harness_stop(&harness);
}
END_TEST

START_TEST(a_flood_is_counted)
{
	io_connect_t connect = start();

	/* More than DEXT_LIMIT_LOG_LINES, and less than the pipe holds. */
	ck_assert_int_eq(talk(connect, 3000, ECHO_TALK_ENDS), kIOReturnSuccess);
	ck_assert(harness_until(is_said, (void *)"lines of its log were dropped"));
	ck_assert_int_eq(run("grep 'lines of its log were dropped' %s", harness.log_path), 0);
	ck_assert_int_eq(run("grep 'talk 900 ' %s", harness.log_path), 0);
	ck_assert_int_eq(run("grep 'talk 2999 ' %s", harness.log_path), 1);
	/* The registry goes on, and so does the log. */
	ck_assert_int_eq(talk(connect, 1, ECHO_TALK_ENDS), kIOReturnSuccess);
	ck_assert(harness_until(is_said, (void *)": talk 0 "));
	IOServiceClose(connect);
	harness_stop(&harness);
}
END_TEST

START_TEST(a_flood_does_not_hide_the_crash)
{
	io_connect_t connect = start();

	ck_assert_int_eq(talk(connect, 3000, ECHO_TALK_ABORT), kIOReturnOffline);
	ck_assert_msg(harness_until(is_said, (void *)"(echo_stumble+"), "no backtrace");
	ck_assert_int_eq(truncate(harness.log_path, 0), 0);
	IOServiceClose(connect);
	harness_stop(&harness);
}
END_TEST

/* A bundle whose driver crashes in Start, each time, once a device is there. */
static void
make_bundle(const char *folder, const char *identifier)
{
	char path[256];
	FILE *info;

	snprintf(path, sizeof(path), "%s/echo.so", folder);
	ck_assert_int_eq(run("ln -s $ECHO/echo.so %s", path), 0);
	snprintf(path, sizeof(path), "%s/Info.plist", folder);
	info = fopen(path, "we");
	ck_assert_ptr_nonnull(info);
	fprintf(info,
		"<plist "
		"version=\"1.0\"><dict><key>CFBundleIdentifier</key><string>%s</string>"
		"<key>CFBundleExecutable</key><string>echo</string><key>IOKitPersonalities</key>"
		"<dict><key>E</key><dict><key>IOProviderClass</key><string>IOUSBHostDevice</string>"
		"<key>IOUserClass</key><string>Echo</string><key>EchoStart</key><integer>%d</"
		"integer>"
		"</dict></dict></dict></plist>",
		identifier, ECHO_START_CRASHES);
	fclose(info);
}

/* A service that runs and a driver that was given up have the same keys. */
static void
check_json_of_list(void)
{
	static const char *const keys[] = {"name",    "class", "bundle", "bundlePath", "device",
					   "hostPid", "id",    "state",	 "reason"};
	struct json_object *all, *echo, *crashing, *value;

	ck_assert_int_eq(run("$DEXT list --json"), 0);
	all = json_tokener_parse(said);
	ck_assert_int_eq((int)json_object_array_length(all), 2);
	echo = json_object_array_get_idx(all, 0);
	crashing = json_object_array_get_idx(all, 1);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		ck_assert_msg(json_object_object_get_ex(echo, keys[i], NULL), "%s", keys[i]);
		ck_assert_msg(json_object_object_get_ex(crashing, keys[i], NULL), "%s", keys[i]);
	}
	value = json_object_object_get(echo, "state");
	ck_assert_str_eq(json_object_get_string(value), "running");
	ck_assert_ptr_null(json_object_object_get(echo, "reason"));
	value = json_object_object_get(crashing, "state");
	ck_assert_str_eq(json_object_get_string(value), "given up");
	value = json_object_object_get(crashing, "reason");
	ck_assert_ptr_nonnull(strstr(json_object_get_string(value), "its host "));
	ck_assert_ptr_null(json_object_object_get(crashing, "name"));
	ck_assert_ptr_null(json_object_object_get(crashing, "id"));
	json_object_put(all);
}

START_TEST(a_crash_loop_ends_visibly)
{
	char folder[] = "/tmp/opendext-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	make_bundle(folder, "t.crashing");
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), folder, NULL});
	ck_assert_int_eq(run("$DEXT plug sink"), 0);
	ck_assert_msg(harness_until(is_in_tree, (void *)"!- driver Echo (t.crashing): given up; "),
		      "%s", said);
	ck_assert_int_eq(run("$DEXT logs t.crashing"), 0);
	check_said("given up: its host ");
	check_said("crashed: SIGABRT");
	check_said(": given up, ");
	/* And with the reason, for a program. */
	run("$DEXT tree --json");
	check_said("\"State\":\"given up\"");
	/* The other one is as it was. */
	ck_assert_int_eq(run("$DEXT list"), 0);
	check_said("org.opendext.test.echo");
	check_said("!- driver Echo (t.crashing) on virtual:sink: given up; its host ");
	/* What is looked for in a pipe can be opened. */
	ck_assert_int_eq(run("$DEXT list 2>/dev/null | grep t.crashing"), 1);
	check_json_of_list();
	ck_assert_int_eq(truncate(harness.log_path, 0), 0);
	harness_stop(&harness);
	run("rm -r %s", folder);
}
END_TEST

/* A mark that begins a command to a terminal, and the end of a line. */
START_TEST(so_are_names)
{
	static const char shown[] = "(t.\\xc2\\x9b31mred\\x0aline)";
	char folder[] = "/tmp/opendext-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	make_bundle(folder, "t.&#x9b;31mred&#10;line");
	harness_start(&harness, (const char *[]){folder, NULL});
	ck_assert_int_eq(run("$DEXT plug sink"), 0);
	harness_wait_log(&harness, "giving up");
	ck_assert_int_eq(run("$DEXT logs"), 0);
	check_said(shown);
	check_said(": given up, ");
	ck_assert_ptr_null(strchr(said, '\x9b'));
	ck_assert_ptr_null(strstr(said, "\nline"));
	/* Where the registry's own log goes, too. */
	ck_assert_ptr_nonnull(strstr(harness_log(&harness), "t.\\xc2\\x9b31mred"));
	ck_assert_ptr_null(strchr(harness_log(&harness), '\x9b'));
	ck_assert_ptr_null(strstr(harness_log(&harness), "\nline"));
	ck_assert_int_eq(truncate(harness.log_path, 0), 0);
	harness_stop(&harness);
	run("rm -r %s", folder);
}
END_TEST

START_TEST(follows)
{
	io_connect_t connect = start();
	char file[] = "/tmp/opendext-test-XXXXXX", line[128];
	int fd = mkstemp(file);
	FILE *output;

	ck_assert_int_ge(fd, 0);
	snprintf(line, sizeof(line), "%s logs --follow Echo", harness_bundle("DEXT"));
	output = popen(line, "re");
	ck_assert_ptr_nonnull(output);
	do
		ck_assert_ptr_nonnull(fgets(said, sizeof(said), output));
	while (strstr(said, "sandbox") == NULL && strstr(said, "# 1 ") == NULL);
	ck_assert_int_eq(talk(connect, 2, ECHO_TALK_ENDS), kIOReturnSuccess);
	do
		ck_assert_ptr_nonnull(fgets(said, sizeof(said), output));
	while (strstr(said, "talk 1 ") == NULL);
	IOServiceClose(connect);
	harness_stop(&harness);
	/* It ends with the registry. */
	while (fgets(said, sizeof(said), output) != NULL)
		;
	ck_assert_int_eq(pclose(output), 0);
	close(fd);
	unlink(file);
}
END_TEST

START_TEST(says_what_is_wrong)
{
	start();
	ck_assert_int_eq(run("$DEXT logs nosuch"), 3);
	check_said("there is no driver 'nosuch'");
	ck_assert_int_eq(run("$DEXT logs a b"), 2);
	ck_assert_int_eq(run("$DEXT logs --help"), 0);
	ck_assert_int_eq(run("OPENDEXT_RUNTIME_DIR=/nonexistent $DEXT logs"), 3);
	harness_stop(&harness);
}
END_TEST

UNIT_LOOP_MAIN("logs", {a_crash_leaves_a_backtrace, 5}, {so_does_a_stack_that_is_used_up, 1},
	       {control_characters_are_escaped, 1}, {so_are_names, 1}, {a_flood_is_counted, 1},
	       {a_flood_does_not_hide_the_crash, 1}, {a_crash_loop_ends_visibly, 1}, {follows, 1},
	       {says_what_is_wrong, 1})
