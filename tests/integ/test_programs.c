/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs as they are written for macOS (tests/programs), in C and in C++, run against real
 * drivers: what each prints, and how it ends.
 */
#include "harness.h"
#include "plugging.h"
#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

#define OUTPUT_MAX 65536

static struct harness harness;
static char output[OUTPUT_MAX]; /* of the program that ran last */

static void
exec_program(void *context)
{
	char *const *arguments = context;

	dup2(STDERR_FILENO, STDOUT_FILENO); /* which unit_child reads */
	execv(arguments[0], arguments);
	_exit(127);
}

/* False: it was not built in this language. */
static bool
find_program(const char *name, const char *language, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/program_%s_%s", harness_bundle("PROGRAMS"), name, language);
	return access(path, X_OK) == 0;
}

/* Runs a program in one language; false if it was not built in it. */
static bool
run_in(const char *name, const char *language, const char *const *arguments, int wanted)
{
	char *argv[16] = {NULL};
	char path[PATH_MAX];
	int status;

	if (!find_program(name, language, path))
		return false;
	argv[0] = path;
	for (unsigned i = 0; arguments != NULL && arguments[i] != NULL && i < 14; i++)
		argv[i + 1] = (char *)(uintptr_t)arguments[i];
	status = unit_child(exec_program, argv, output, sizeof(output));
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == wanted,
		      "%s: status %#x, printed:\n%s\nthe drivers:\n%s", path, status, output,
		      harness.pid > 0 ? harness_log_end(&harness) : "");
	return true;
}

/* Every text must be printed, in this order. */
static void
expect(const char *name, const char *const *texts)
{
	const char *at = output;

	for (; *texts != NULL; texts++) {
		const char *found = strstr(at, *texts);

		ck_assert_msg(found != NULL, "%s: no '%s' in its place in:\n%s", name, *texts,
			      output);
		at = found + strlen(*texts);
	}
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
run(const char *name, const char *const *arguments, int wanted, const char *const *texts)
{
	unsigned languages = 0;

	if (run_in(name, "c", arguments, wanted)) {
		expect(name, texts);
		languages++;
	}
	if (run_in(name, "cxx", arguments, wanted)) {
		expect(name, texts);
		languages++;
	}
	ck_assert_msg(languages > 0, "%s is in no language", name);
}

static void
start_echo(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
}

static void
start_boards(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), "--virtual",
						 "sink:serial=LEFT", "--virtual",
						 "source:serial=RIGHT", NULL});
}

START_TEST(client_tool)
{
	start_echo();
	run("client_tool", TEXTS("Echo", "echo", "3", "0x10"), 0,
	    TEXTS("echo was successful: 3 16\n"));
	run("client_tool", TEXTS("Echo", "clients"), 0, TEXTS("clients was successful: 1\n"));
	run("client_tool", TEXTS("Echo", "fill", "7"), 0, TEXTS("fill was successful:\n"));
	run("client_tool", TEXTS("Echo", "bogus"), 1, TEXTS("bogus returned 0xe00002c7 ("));
	run("client_tool", TEXTS("Nobody", "clients"), 1, TEXTS("No Nobody found."));
	run("client_tool", TEXTS("Echo", "what"), 2, TEXTS("what: no such command"));
	harness_stop(&harness);
}
END_TEST

START_TEST(structs)
{
	start_echo();
	run("structs", NULL, 0,
	    TEXTS("magic 4f44, first byte 4f, length 47, cookie 123456789abcdef\n",
		  "little endian\n", "block: 0x0, 4096 bytes, same\n", "no room: 0x"));
	harness_stop(&harness);
}
END_TEST

START_TEST(async_runloop)
{
	start_echo();
	run("async_runloop", NULL, 0,
	    TEXTS("completion 0: 0x00000000, 3 arguments\n", "completion 4: ", "sum 555\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(mach_loop)
{
	start_echo();
	run("mach_loop", NULL, 0,
	    TEXTS("by hand: 0x0, reference by callout\n", "by callout: 0x0 21 42\n",
		  "nothing more: timed out, after 20 ms\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(mapped)
{
	start_echo();
	run("mapped", NULL, 0,
	    TEXTS("mapped 10000 bytes, page aligned: yes\n", "filled: 0x0, right\n",
		  "again: 0x0, same place: yes, last byte 11\n", "no such type: 0xe00002c2\n",
		  "elsewhere: 0xe00002c2\n", "unmapped: 0x0\n", "vm_allocate: 0, zeroed: right\n",
		  "vm_deallocate: 0\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(errors)
{
	start_echo();
	run("errors", NULL, 0,
	    TEXTS("unknown selector: ", "(system 0x38, sub 0x0, code 0x2c7)", "(iokit/common) (ipc/rcv)\n", "0 failures\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(old_style)
{
	start_echo();
	run("old_style", NULL, 0,
	    TEXTS("found device 1, a IOUserService\n", "scalars: 00000000, 7 9\n",
		  "clients: 00000000, 1\n", "structure: 00000000, 8 abcdefg\n", "deallocate: 0\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(raii)
{
	start_echo();
	run("raii", NULL, 0, TEXTS("Echo: 1 2 3\n", "caught selector 999: ", "1 service, true\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(usb_list)
{
	start_boards();
	run("usb_list", NULL, 0,
	    TEXTS("1209:", "serial LEFT (high speed)\n", "serial RIGHT", "2 devices\n"));
	run("usb_list", TEXTS("-v", "1209", "-s", "RIGHT"), 0,
	    TEXTS("serial RIGHT (high speed)\n", "1 device\n"));
	run("usb_list", TEXTS("-v", "1209", "-p", "ffff"), 1, TEXTS("0 devices\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(registry_dump)
{
	start_boards();
	run("registry_dump", TEXTS("-c", "IOUSBHostDevice"), 0,
	    TEXTS("+-o Root", "+-o OpenDext sink@80100000", "\"USB Serial Number\" = \"LEFT\"\n",
		  "+-o IOUSBHostInterface@0", "+-o BulkStream"));
	run("registry_dump", TEXTS("-p", "IOUSB"), 0, TEXTS("+-o Root", "+-o OpenDext sink"));
	run("registry_dump", TEXTS("-c", "NoSuchClass"), 1, TEXTS("+-o Root"));
	harness_stop(&harness);
}
END_TEST

START_TEST(match)
{
	start_boards();
	run("match", NULL, 0,
	    TEXTS("boards: 2\n", "left: 1\n", "without callbacks: 2\n", "by entry id: 1\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(serial_ports)
{
	start_echo();
	run("serial_ports", NULL, 0, TEXTS("No port was found (10.3).\n"));
	harness_stop(&harness);
}
END_TEST

/* These need no driver. */
START_TEST(plist)
{
	run("plist", NULL, 0,
	    TEXTS("xml: same\n", "binary: same\n", "<plist", "<string>board-007</string>",
		  "<integer>115200</integer>", "caf\xc3\xa9 &amp; &lt;co", "old names: same\n",
		  "3840: ", "a set is no list\n"));
}
END_TEST

START_TEST(strings)
{
	run("strings", NULL, 0,
	    TEXTS("descriptor: FT232\xc2\xae\n", "length 6, wide 6 as expected\n",
		  "small: too small\n", "ascii: no\n", "mac roman: a8\n",
		  "big endian: 2 bytes 00ae\n", "characters: same, last U+2126\n",
		  "path: /dev/cu.usbserial-0A\n", "prefix 1, suffix 1, found at 8\n",
		  "replaced: /dev/tty.usbserial-0A\n", "part: tty\n", "table: 0403..6001..10C4..\n",
		  "hex 511, int 42, double 3.25\n", "compare 1 -1 0\n", "maximum 10 30 20\n"));
}
END_TEST

START_TEST(containers)
{
	run("containers", NULL, 0,
	    TEXTS("4 devices, 4 freed\n", "adapter, hub, keyboard, mouse\n",
		  "at 0, in the set: adapter\n", "pointers: 0\n", "by location: hub\n",
		  "described\n", "mouse 3, hub 1, pad 0\n", "4 freed\n", "8 freed\n"));
}
END_TEST

START_TEST(property_kinds)
{
	start_echo();
	run("property_kinds", NULL, 0,
	    TEXTS("Number8\n", "Number16\n", "Number32\n", "Number64\n", "location 0xfd120000\n",
		  "String\n", "Data\n", "NoData\n", "True\n", "False\n", "Array\n", "Dictionary\n",
		  "0 failures\n"));
	harness_stop(&harness);
}
END_TEST

/* Reads more of what the program says; false at its end. */
static bool
read_more(int from, size_t *used)
{
	struct pollfd item = {.fd = from, .events = POLLIN};
	ssize_t got;

	ck_assert_msg(poll(&item, 1, HARNESS_DEADLINE_SEC * 1000) == 1,
		      "it says no more than:\n%s\nthe drivers:\n%s", output,
		      harness_log_end(&harness));
	got = read(from, output + *used, sizeof(output) - *used - 1);
	*used += got > 0 ? (size_t)got : 0;
	output[*used] = '\0';
	return got > 0;
}

/*
 * Devices come and go while the program watches, each when the program has said that it looks at
 * the one before: one that goes before it is looked at gives no notification of its end.
 */
static void
plug_for(int from, unsigned count)
{
	static const char came[] = "came: OpenDext sink at 0x80100000\n";
	const char *at = output, *found;
	uint64_t id = plug("sink");
	unsigned gone = 0;
	size_t used = 0;

	output[0] = '\0';
	while (read_more(from, &used)) {
		while ((found = strstr(at, came)) != NULL) {
			at = found + strlen(came);
			unplug(id);
			if (++gone < count)
				id = plug("sink");
		}
	}
	ck_assert_msg(gone == count, "%u devices came:\n%s", gone, output);
}

static void
exec_with_output(const char *path, int to)
{
	dup2(to, STDOUT_FILENO);
	dup2(to, STDERR_FILENO);
	execl(path, path, "0x1209", "3", NULL);
	_exit(127);
}

static bool
watch_usb_in(const char *language)
{
	int ends[2], status = -1;
	char path[PATH_MAX];
	pid_t pid;

	if (!find_program("usb_notification", language, path))
		return false;
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		exec_with_output(path, ends[1]);
	close(ends[1]);
	plug_for(ends[0], 3);
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "%s: status %#x, printed:\n%s", path, status, output);
	expect("usb_notification",
	       TEXTS("came: OpenDext sink at 0x80100000\n", "gone: 0x80100000\n",
		     "gone: 0x80100000\n", "gone: 0x80100000\n", "enough: yes\n"));
	return true;
}

START_TEST(usb_notification)
{
	bool in_c, in_cxx;

	harness_start(&harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), NULL});
	in_c = watch_usb_in("c");
	in_cxx = watch_usb_in("cxx");
	ck_assert(in_c || in_cxx);
	harness_stop(&harness);
}
END_TEST

UNIT_MAIN("programs", property_kinds, usb_notification, client_tool, structs, async_runloop, mach_loop, mapped, errors, old_style,
	  raii, usb_list, registry_dump, match, serial_ports, plist, strings, containers)
