/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext send and dext recv as a user types them: bytes, exit statuses, sentences, JSON. With --calls
 * if the environment has STREAM_WAY=calls.
 */
#include "harness.h"
#include "unit.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char said[65536];
static char folder[64];

/*
 * Runs a shell command line, in which send and recv are the subcommands and F a folder of the
 * test's own, inside `dext run` with bulkstream on a virtual device. What it says goes to `said`.
 */
static int
run_with(const char *bundle, const char *spec, const char *command)
{
	const char *way = getenv("STREAM_WAY");
	const char *option = way != NULL && strcmp(way, "calls") == 0 ? "--calls" : "";
	char line[4096];
	size_t length;
	FILE *output;
	int status;

	snprintf(line, sizeof(line),
		 "exec 2>&1; exec '%s' run '%s' --virtual %s -- bash -o pipefail -c '"
		 "send() { \"%s\" send %s \"$@\"; }; recv() { \"%s\" recv %s \"$@\"; }; WAY=%s; "
		 "F=%s; "
		 "%s'",
		 harness_bundle("DEXT"), harness_bundle(bundle), spec, harness_bundle("DEXT"),
		 option, harness_bundle("DEXT"), option, option, folder, command);
	output = popen(line, "re");
	ck_assert_ptr_nonnull(output);
	length = fread(said, 1, sizeof(said) - 1, output);
	said[length] = '\0';
	status = pclose(output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
run(const char *spec, const char *command)
{
	return run_with("BULKSTREAM_BUNDLE", spec, command);
}

#define expect(spec, code, command)                                                            \
	do {                                                                                   \
		int expect_got = run(spec, command);                                           \
		ck_assert_msg(expect_got == (code), "%s: %d:\n%s", command, expect_got, said); \
	} while (0)

#define expect_text(text) ck_assert_msg(strstr(said, text) != NULL, "no '%s' in:\n%s", text, said)

static void
make_folder(void)
{
	strcpy(folder, "/tmp/opendext-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
remove_folder(void)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -r '%s'", folder);
	ck_assert_int_eq(system(line), 0);
}

/* The JSON object among what was said. */
static json_object *
find_json(void)
{
	const char *start = strchr(said, '{');
	json_object *object = start != NULL ? json_tokener_parse(start) : NULL;

	ck_assert_msg(object != NULL, "no JSON in:\n%s", said);
	return object;
}

static json_object *
member(json_object *object, const char *name)
{
	json_object *value = NULL;

	ck_assert_msg(json_object_object_get_ex(object, name, &value), "no %s in:\n%s", name, said);
	return value;
}

static void
expect_json(int64_t bytes, bool verified)
{
	json_object *object = find_json();
	json_object *device = member(object, "device");

	ck_assert_int_eq(json_object_get_int64(member(object, "bytes")), bytes);
	ck_assert(json_object_get_boolean(member(object, "verified")) == verified);
	ck_assert_int_eq(json_object_get_int64(member(object, "copied_bytes")), 0);
	ck_assert_int_eq(strlen(json_object_get_string(member(object, "xxh3_64"))), 16);
	ck_assert_ptr_null(member(object, "error"));
	ck_assert_ptr_nonnull(device);
	json_object_put(object);
}

START_TEST(files_of_all_sizes)
{
	static const struct {
		const char *make;
		int64_t bytes;
	} files[] = {
		{":", 0},
		{"printf x", 1},
		{"head -c 512 /dev/urandom", 512},
		{"head -c 4097 /dev/urandom", 4097},
		{"head -c 33554433 /dev/urandom", 33554433},
	};
	char command[512];

	make_folder();
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(command, sizeof(command), "{ %s; } > $F/a; send --json $F/a",
			 files[i].make);
		expect("sink", 0, command);
		expect_json(files[i].bytes, true);
		snprintf(command, sizeof(command), "{ %s; } | send --json -", files[i].make);
		expect("sink", 0, command);
		expect_json(files[i].bytes, true);
	}
	remove_folder();
}
END_TEST

START_TEST(buffers_of_all_sizes)
{
	make_folder();
	expect("sink", 0, "head -c 300 /dev/urandom | send --json --size 1 --buffers 1 -");
	expect_json(300, true);
	expect("sink", 0, "head -c 100000 /dev/urandom | send --json --size 777 --buffers 4096 -");
	expect_json(100000, true);
	expect("sink", 0, "head -c 1000000 /dev/urandom | send --json --size 129M --buffers 1 -");
	expect_json(1000000, true);
	expect("sink", 2, "send --buffers 4097 /dev/null");
	expect_text("from 1 to 4096");
	expect("sink", 2, "send --size 2G /dev/null");
	expect("sink", 2, "send --size 1x /dev/null");
	expect("sink", 2, "send --bytes 1 /dev/null");
	expect("sink", 2, "send");
	expect_text("exactly one FILE");
	expect("sink", 2, "recv --bytes -1 /dev/null");
	remove_folder();
}
END_TEST

START_TEST(comes_back_through_a_loopback)
{
	make_folder();
	expect("loopback", 0,
	       "head -c 5000001 /dev/urandom > $F/a; recv --json --bytes 5000001 $F/b & "
	       "send --size 10000 $F/a && wait $! && cmp $F/a $F/b");
	expect("loopback", 0,
	       "head -c 1000000 /dev/urandom > $F/a; "
	       "recv --size 1000 --buffers 3 --bytes 1000000 - 2>/dev/null | cmp - $F/a & "
	       "cat $F/a | send - && wait $!");
	remove_folder();
}
END_TEST

START_TEST(receives_what_the_source_sends)
{
	make_folder();
	expect("source", 0,
	       "recv --json --bytes 1000001 $F/a && test $(stat -c %s $F/a) = 1000001");
	expect_json(1000001, true);
	expect("source", 0, "recv --json --bytes 0 $F/a");
	expect_json(0, true);
	expect("source:corrupt-every=3", 6, "recv --bytes 10M $F/a");
	expect_text("lost or changed");
	expect("source:short-every=2", 0, "recv --json --bytes 3M $F/a");
	expect_json(3 << 20, true);
	expect("source:stall-every=4", 0, "recv --json --bytes 10M $F/a");
	expect_json(10 << 20, true);
	remove_folder();
}
END_TEST

/* Two of one name: their ids tell them apart. */
START_TEST(a_service_by_its_id)
{
	make_folder();
	expect("sink --virtual source", 0,
	       "id() { $DEXT list | sed -n \"s/.*virtual:$1 .* \\(0x[0-9a-f]*\\)$/\\1/p\"; }; "
	       "recv --service $(id source) --bytes 1000 $F/a && "
	       "send --service $(id sink) $F/a && ! recv --service $(id sink) --bytes 1 $F/a");
	expect("sink", 3, "send --service 0x123456789abcdef /dev/null");
	remove_folder();
}
END_TEST

START_TEST(survives_and_reports_faults)
{
	make_folder();
	expect("sink:stall-every=3", 0, "head -c 10000000 /dev/urandom | send --json -");
	expect_json(10000000, true);
	expect("sink:stall-every=5", 0,
	       "head -c 300000 /dev/urandom | send --json --size 1000 --buffers 64 -");
	expect_json(300000, true);
	expect("sink:stall-every=1", 5, "printf x | send -");
	expect_text("stalled");
	expect("sink:unplug-after=1000000", 5, "send /dev/zero");
	expect_text("unplugged");
	expect("sink:unplug-after=1000000", 5, "truncate -s 64M $F/a; send $F/a");
	expect_text("unplugged");
	/* It fails before it is seen to have gone; one that only fails is there for longer. */
	expect("sink:unplug-after=1000000,unplug-late=100", 5, "send /dev/zero");
	expect_text("unplugged after 9");
	expect("source:unplug-after=1000000,unplug-late=100", 5, "recv /dev/null");
	expect_text("unplugged after 9");
	expect("sink:unplug-after=1000000,unplug-late=60000", 5, "send /dev/zero");
	expect_text("check the cable");
	expect("sink:corrupt-every=2", 6, "head -c 1M /dev/zero | send -");
	expect_text("lost or changed");
	remove_folder();
}
END_TEST

START_TEST(sentences_for_each_refusal)
{
	make_folder();
	expect("sink", 7, "send $F/none");
	expect_text("cannot be opened: No such file");
	expect("sink", 7, "send $F");
	expect_text("tar -c");
	expect("source", 7, "recv --bytes 1M /dev/full");
	expect_text("No space left");
	expect("sink", 5, "recv --bytes 1 $F/a");
	expect_text("no bulk IN endpoint");
	expect("sink", 3, "send --service Nobody /dev/null");
	expect_text("no service Nobody");
	expect("sink", 3, "OPENDEXT_RUNTIME_DIR=$F send /dev/null");
	remove_folder();
}
END_TEST

/* An endless stream, and a file, of which reading never waits. */
#define UNTIL_IT_READS \
	"until [ $(awk \"/rchar/ {print \\$2}\" /proc/$P/io) -gt 1000000 ]; do :; done; "
#define INTERRUPT(file)                                                                \
	"truncate -s 4G $F/a; $DEXT send $WAY --json " file " & P=$!; " UNTIL_IT_READS \
	"kill -INT $P; wait $P"

/* Ctrl-C in the middle, and on a device that takes nothing more. */
START_TEST(interrupted)
{
	static const char *const commands[] = {INTERRUPT("/dev/zero"), INTERRUPT("$F/a")};

	make_folder();
	for (unsigned i = 0; i < 2; i++) {
		expect("sink", 130, commands[i]);
		expect_text("\"interrupted\": true");
		expect_text("\"verified\": true");
		expect("sink:nak=500000", 130, commands[i]);
		expect_text("\"interrupted\": true");
		expect_text("\"verified\": true");
	}
	remove_folder();
}
END_TEST

#define FIND_HOST "H=$($DEXT list --json | sed -n \"s/.*hostPid.:\\([0-9]*\\).*/\\1/p\"); "

/* The second Ctrl-C needs nobody's answer. A zombie has no command line. */
START_TEST(interrupted_while_the_driver_hangs)
{
	expect("sink:nak=500000", 130,
	       "$DEXT send $WAY /dev/zero & P=$!; " FIND_HOST UNTIL_IT_READS
	       "kill -STOP $H; while grep -q . /proc/$P/cmdline; do kill -INT $P; done; wait $P");
}
END_TEST

#define KILL_THE_HOST(file)                                                               \
	"truncate -s 4G $F/a; $DEXT send $WAY " file " & P=$!; " FIND_HOST UNTIL_IT_READS \
	"kill -KILL $H; wait $P"

START_TEST(the_driver_is_killed)
{
	static const char *const commands[] = {KILL_THE_HOST("/dev/zero"), KILL_THE_HOST("$F/a")};

	make_folder();
	for (unsigned i = 0; i < 2; i++) {
		const char *first;

		expect("sink:nak=500000", 5, commands[i]);
		first = strstr(said, "dext send:");
		ck_assert_ptr_nonnull(first);
		ck_assert_ptr_null(strstr(first + 1, "dext send:"));
	}
	remove_folder();
}
END_TEST

#define NO_RING "the driver offers no ring: one call for each buffer, as with --calls."

/* A driver of before the ring: said, and done by calls; nothing is said where calls are wanted. */
START_TEST(a_driver_without_a_ring)
{
	make_folder();
	ck_assert_int_eq(run_with("RINGLESS_BUNDLE", "sink",
				  "head -c 300000 /dev/urandom | $DEXT send --json -"),
			 0);
	expect_text("dext send: " NO_RING);
	expect_json(300000, true);
	ck_assert_int_eq(
		run_with("RINGLESS_BUNDLE", "source", "$DEXT recv --json --bytes 300000 $F/a"), 0);
	expect_text("dext recv: " NO_RING);
	expect_json(300000, true);
	ck_assert_int_eq(run_with("RINGLESS_BUNDLE", "sink",
				  "head -c 300000 /dev/urandom | $DEXT send --calls --json -"),
			 0);
	ck_assert_ptr_null(strstr(said, NO_RING));
	ck_assert_int_eq(run_with("BULKSTREAM_BUNDLE", "sink", "printf x | $DEXT send --json -"),
			 0);
	ck_assert_ptr_null(strstr(said, NO_RING));
	remove_folder();
}
END_TEST

UNIT_MAIN("send_recv", files_of_all_sizes, buffers_of_all_sizes, comes_back_through_a_loopback,
	  receives_what_the_source_sends, a_service_by_its_id, survives_and_reports_faults,
	  sentences_for_each_refusal, interrupted, interrupted_while_the_driver_hangs,
	  the_driver_is_killed, a_driver_without_a_ring)
