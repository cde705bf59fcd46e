/* SPDX-License-Identifier: Apache-2.0 */
/* dext run and dext list as commands: exit statuses, sentences, and that nothing is left behind. */
#define UNIT_TIMEOUT_SEC 60
#include "bounds.h"
#include "echo.h"
#include "harness.h"
#include "shell.h"

#include "unit.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int
connect_to(const struct harness *harness)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/registry",
		 harness->runtime_dir);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

START_TEST(ends_with_the_commands_status)
{
	ck_assert_int_eq(run("$DEXT run $ECHO -- sh -c 'exit 0'"), 0);
	ck_assert_int_eq(run("$DEXT run $ECHO -- sh -c 'exit 7'"), 7);
	ck_assert_int_eq(run("$DEXT run $ECHO -- sh -c 'kill -15 $$'"), 128 + SIGTERM);
	ck_assert_int_eq(run("$DEXT run $ECHO -- /nonexistent/command"), 127);
	check_said("/nonexistent/command");
}
END_TEST

START_TEST(lists_services)
{
	ck_assert_int_eq(run("$DEXT run $ECHO -- $DEXT list"), 0);
	check_said("Echo");
	check_said("org.opendext.test.echo");
	ck_assert_int_eq(run("$DEXT run $ECHO -- $DEXT list --json"), 0);
	check_said("\"name\":\"Echo\"");
	check_said("\"hostPid\":");
	ck_assert_int_eq(run("OPENDEXT_RUNTIME_DIR=/nonexistent $DEXT list"), 3);
	check_said("dext run BUNDLE");
}
END_TEST

/* Each command says so, whatever way it asks. */
START_TEST(a_registry_without_room_is_named)
{
	static const char *const commands[] = {
		"list",
		"list --json",
		"trace",
		"logs",
		"plug sink",
		"unplug 1",
		"tree",
		"send --service BulkStream /dev/null",
		"recv --service BulkStream --bytes 1 /dev/null",
	};
	static struct harness harness;
	static int fds[DEXT_LIMIT_REGISTRY_CLIENTS];
	struct rlimit files;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_msg(files.rlim_max > 4 * DEXT_LIMIT_REGISTRY_CLIENTS,
		      "ulimit -Hn is too small for this test");
	harness_start(&harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), "--virtual",
						 "sink", NULL});
	for (unsigned i = 0; i < DEXT_LIMIT_REGISTRY_CLIENTS; i++)
		fds[i] = connect_to(&harness);
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int code = run("$DEXT %s", commands[i]);

		ck_assert_msg(code != 0 && strstr(said, "DEXT_LIMIT_REGISTRY_CLIENTS") != NULL,
			      "dext %s: exit status %d, and says: %s", commands[i], code, said);
		ck_assert_ptr_null(strstr(said, "broke the protocol"));
		ck_assert_ptr_null(strstr(said, "no driver of that name"));
	}
	for (unsigned i = 0; i < DEXT_LIMIT_REGISTRY_CLIENTS; i++)
		close(fds[i]);
	harness_stop(&harness);
}
END_TEST

START_TEST(several_drivers_and_devices)
{
	ck_assert_int_eq(run("$DEXT run $ECHO $BULK --virtual sink --virtual source -- $DEXT list"),
			 0);
	check_said("Echo ");
	check_said("virtual:sink");
	check_said("virtual:source");
}
END_TEST

START_TEST(says_what_is_wrong_with_the_command_line)
{
	ck_assert_int_eq(run("$DEXT"), 2);
	ck_assert_int_eq(run("$DEXT frobnicate"), 2);
	check_said("no command 'frobnicate'");
	ck_assert_int_eq(run("$DEXT run"), 2);
	check_said("NAME.dext");
	ck_assert_int_eq(run("$DEXT run $ECHO --usb 1-4"), 2);
	check_said("BUS:DEV");
	ck_assert_int_eq(run("$DEXT run $ECHO --"), 2);
	ck_assert_int_eq(run("$DEXT run $ECHO --wait 0"), 2);
	ck_assert_int_eq(run("$DEXT run /nonexistent.dext"), 2);
	check_said("/nonexistent.dext");
	ck_assert_int_eq(run("$DEXT run $BULK --virtual nosuch"), 2);
	check_said("nosuch");
	check_said("loopback");
	ck_assert_int_eq(run("$DEXT --help"), 0);
	ck_assert_int_eq(run("$DEXT run --help"), 0);
	ck_assert_int_eq(run("$DEXT list --help"), 0);
}
END_TEST

START_TEST(names_the_missing_device)
{
	ck_assert_int_eq(run("$DEXT run $BULK --usb 250:120"), 5);
	check_said("/dev/bus/usb/250/120");
}
END_TEST

/*
 * A copy of the echo bundle with a personality for each mode of EchoStart, the first with the
 * highest score.
 */
static void
make_bundle(const char *folder, const char *provider, const unsigned *modes, unsigned count)
{
	char path[PATH_MAX], target[PATH_MAX];
	FILE *info;

	snprintf(path, sizeof(path), "%s/echo.so", folder);
	snprintf(target, sizeof(target), "%s/echo.so", harness_bundle("ECHO_BUNDLE"));
	ck_assert_int_eq(symlink(target, path), 0);
	snprintf(path, sizeof(path), "%s/Info.plist", folder);
	info = fopen(path, "we");
	ck_assert_ptr_nonnull(info);
	fprintf(info,
		"<plist version=\"1.0\"><dict><key>CFBundleIdentifier</key><string>t.e</string>"
		"<key>CFBundleExecutable</key><string>echo</string><key>IOKitPersonalities</key>"
		"<dict>");
	for (unsigned i = 0; i < count; i++)
		fprintf(info,
			"<key>Echo%u</key><dict><key>IOProviderClass</key><string>%s</string>"
			"<key>IOUserClass</key><string>Echo</string><key>IOProbeScore</"
			"key><integer>"
			"%u</integer><key>EchoStart</key><integer>%u</integer></dict>",
			i, provider, 100 - i, modes[i]);
	fprintf(info, "</dict></dict></plist>");
	fclose(info);
}

START_TEST(says_why_nothing_matched)
{
	char folder[] = "/tmp/opendext-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	make_bundle(folder, "IOPCIDevice", (const unsigned[]){ECHO_START_REGISTERS}, 1);
	ck_assert_int_eq(run("$DEXT run %s --virtual sink", folder), 3);
	check_said("personality Echo");
	check_said("IOProviderClass is to be IOPCIDevice");
	run("rm -r %s", folder);
	ck_assert_int_eq(run("$DEXT run $ECHO $BULK -- true"), 0);
	check_said("personality VirtualSink"); /* others serve; still said */
	check_said("IOProviderClass is to be IOUSBHostInterface");
}
END_TEST

START_TEST(says_why_a_driver_did_not_start)
{
	static const struct {
		unsigned mode;
		const char *says;
	} cases[] = {
		{ECHO_START_FAILS, "Start failed: kIOReturnNotPermitted"},
		{ECHO_START_SILENT, "IOService_RegisterService"},
	};
	char folder[] = "/tmp/opendext-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	make_bundle(folder, "IOUserResources", &cases[_i].mode, 1);
	ck_assert_int_eq(run("$DEXT run %s --wait 2 -- echo was run", folder), 3);
	check_said(cases[_i].says);
	ck_assert_ptr_null(strstr(said, "was run"));
	run("rm -r %s", folder);
}
END_TEST

/* As on macOS, matching goes on. */
START_TEST(tries_the_next_personality)
{
	static const unsigned modes[] = {ECHO_START_FAILS, ECHO_START_FAILS, ECHO_START_REGISTERS};
	char folder[] = "/tmp/opendext-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	make_bundle(folder, "IOUserResources", modes, 3);
	ck_assert_int_eq(run("$DEXT run %s -- $DEXT list", folder), 0);
	check_said("Start failed: kIOReturnNotPermitted");
	check_said("Echo  ");
	run("rm -r %s", folder);
	ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/opendext-test-XXXXXX")));
	make_bundle(folder, "IOUserResources", modes, 2);
	ck_assert_int_eq(run("$DEXT run %s -- $DEXT list", folder), 3);
	run("rm -r %s", folder);
}
END_TEST

/* It gives itself 5 s, and the registry lets it have them. */
START_TEST(a_stop_that_hangs_ends_the_host_only)
{
	char folder[] = "/tmp/opendext-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	make_bundle(folder, "IOUSBHostDevice", (const unsigned[]){ECHO_START_HANGS_LATER}, 1);
	ck_assert_int_eq(run("$DEXT run %s --virtual sink -- $DEXT list", folder), 0);
	check_said("the driver's Stop has not ended");
	ck_assert_ptr_null(strstr(said, "is killed"));
	/* With its device, and the registry goes on. */
	ck_assert_int_eq(run("$DEXT run %s --virtual sink -- sh -c '$DEXT unplug virtual && "
			     "$DEXT unplug virtual'",
			     folder),
			 3);
	check_said("the driver's Stop has not ended");
	check_said("no device 'virtual'");
	run("rm -r %s", folder);
}
END_TEST

START_TEST(plugs_and_unplugs)
{
	ck_assert_int_eq(run("$DEXT run $BULK -- sh -c '$DEXT plug sink --serial B,latency=5 && "
			     "$DEXT plug --json source && $DEXT unplug B && $DEXT plug sink && "
			     "$DEXT unplug \"OpenDext sink\" && $DEXT unplug 0x80200000 && "
			     "$DEXT plug sink,latency=5 && $DEXT unplug sink && "
			     "$DEXT plug sink,latency=5 && $DEXT unplug sink,latency=5 && "
			     "$DEXT plug source && $DEXT unplug virtual:source && "
			     "$DEXT plug source && $DEXT unplug 80100000'"),
			 0);
	check_said("no device is there; waiting for `dext plug SPEC`");
	check_said("OpenDext sink 0x");
	check_said("\"name\":\"OpenDext source\"");
	check_said("\"locationID\":\"0x80200000\"");
	ck_assert_int_eq(run("$DEXT run $BULK -- $DEXT plug nosuch"), 2);
	check_said("no model 'nosuch'; there are sink, source, loopback and ftdi");
	ck_assert_int_eq(run("$DEXT run $BULK -- $DEXT plug sink,serial=a/b"), 2);
	check_said("1 to 31 letters");
	ck_assert_int_eq(run("$DEXT run $BULK -- $DEXT plug"), 2);
	ck_assert_int_eq(run("$DEXT run $BULK -- $DEXT plug $(printf %%0300d)"), 2);
	check_said("255 bytes");
	ck_assert_int_eq(run("$DEXT run $BULK -- $DEXT unplug virtual"), 3);
	check_said("no device 'virtual'");
	ck_assert_int_eq(run("$DEXT run $BULK --virtual sink --virtual source -- "
			     "$DEXT unplug virtual"),
			 2);
	check_said("2 devices are 'virtual'");
	ck_assert_int_eq(run("$DEXT run $BULK --virtual sink -- $DEXT unplug sin"), 3);
	check_said("no device 'sin'; `dext tree` shows");
	ck_assert_int_eq(run("OPENDEXT_RUNTIME_DIR=/nonexistent $DEXT plug sink"), 3);
	ck_assert_int_eq(run("$DEXT plug --help"), 0);
	ck_assert_int_eq(run("$DEXT unplug --help"), 0);
}
END_TEST

/* Waits until a process that is not our child has ended. */
static void
wait_gone(pid_t pid)
{
	struct pollfd wait = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	if (wait.fd < 0)
		return; /* gone already */
	ck_assert_msg(poll(&wait, 1, HARNESS_DEADLINE_SEC * 1000) == 1, "process %d goes on",
		      (int)pid);
	close(wait.fd);
}

START_TEST(stops_what_it_started)
{
	struct harness harness;
	pid_t host;

	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	host = harness_host_pid("Echo");
	ck_assert_int_eq(harness_stop(&harness), 0);
	wait_gone(host);
}
END_TEST

START_TEST(takes_its_processes_with_it_when_killed)
{
	struct harness harness;
	pid_t host;

	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	host = harness_host_pid("Echo");
	ck_assert_int_eq(kill(harness.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(harness.pid, NULL, 0), harness.pid);
	wait_gone(host);
	unlink(harness.log_path);
	/* Only the runtime directory is left behind, and the next one removes it. */
	ck_assert_int_eq(access(harness.runtime_dir, F_OK), 0);
	ck_assert_int_eq(run("$DEXT run $ECHO -- true"), 0);
	ck_assert_int_eq(access(harness.runtime_dir, F_OK), -1);
}
END_TEST

/* Of others nothing is removed: of one that lives, and what is not just an abandoned socket. */
START_TEST(leaves_other_directories_alone)
{
	char empty[] = "/tmp/opendext-XXXXXX", full[] = "/tmp/opendext-XXXXXX", path[64];
	struct harness harness;

	ck_assert_ptr_nonnull(mkdtemp(empty));
	ck_assert_ptr_nonnull(mkdtemp(full));
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	snprintf(path, sizeof(path), "%s/other", full);
	ck_assert_int_eq(symlink("/nowhere", path), 0);
	ck_assert_int_eq(run("$DEXT run $ECHO -- true"), 0);
	ck_assert_int_eq(access(empty, F_OK), 0);
	ck_assert_int_eq(access(full, F_OK), 0);
	ck_assert_int_eq(run("$DEXT list"), 0);
	ck_assert_int_eq(harness_stop(&harness), 0);
	run("rm -r %s %s", empty, full);
}
END_TEST

START_TEST(keeps_its_directory_private)
{
	struct harness harness;
	struct stat info;

	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	ck_assert_int_eq(stat(harness.runtime_dir, &info), 0);
	ck_assert_uint_eq(info.st_mode & 07777, 0700);
	harness_wait_log(&harness, "in the sandbox that its first log line names");
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* Else the registry's socket gets the number, and with it what is read or written there. */
START_TEST(does_without_standard_descriptors)
{
	ck_assert_int_eq(run("$DEXT run $BULK --virtual sink -- timeout 20 $DEXT send - <&-"), 7);
	check_said("Bad file descriptor");
	ck_assert_int_eq(run("$DEXT run $BULK --virtual source -- "
			     "sh -c '$DEXT recv --bytes 1M - >&-'"),
			 7);
	check_said("Bad file descriptor");
	ck_assert_ptr_null(strstr(said, "packet"));
	ck_assert_int_eq(run("$DEXT run $BULK --virtual sink -- $DEXT send /bin/sh 0<&- 1>&- 2>&-"),
			 0);
}
END_TEST

/* The driver ends with its device: whichever is noticed first, the sentence is the useful one. */
START_TEST(names_the_unplugged_device)
{
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_int_eq(run("$DEXT run $BULK --virtual sink:unplug-after=5000000 -- "
				     "$DEXT send /dev/zero"),
				 5);
		/* Whole packets of 512 bytes. */
		check_said("the device was unplugged after 4999680 bytes were sent; plug it in");
		ck_assert_int_eq(run("$DEXT run $BULK --virtual source:unplug-after=5000000 -- "
				     "$DEXT recv /dev/null"),
				 5);
		check_said("the device was unplugged");
	}
}
END_TEST

UNIT_LOOP_MAIN("run", {ends_with_the_commands_status, 1}, {lists_services, 1},
	       {a_registry_without_room_is_named, 1}, {several_drivers_and_devices, 1},
	       {says_what_is_wrong_with_the_command_line, 1}, {names_the_missing_device, 1},
	       {says_why_nothing_matched, 1}, {says_why_a_driver_did_not_start, 2},
	       {tries_the_next_personality, 1}, {a_stop_that_hangs_ends_the_host_only, 1},
	       {plugs_and_unplugs, 1}, {stops_what_it_started, 1},
	       {takes_its_processes_with_it_when_killed, 1}, {leaves_other_directories_alone, 1},
	       {keeps_its_directory_private, 1}, {does_without_standard_descriptors, 1},
	       {names_the_unplugged_device, 1})
