/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dextd: bundles that are dropped in, replaced and removed; users of their own for hosts; who may
 * connect; and what happens when it is killed. As root, and as an ordinary user.
 */
#include "bounds.h"
#include "daemon.h"
#include "plugging.h"
#include "unit.h"

#include <IOKit/IOMessage.h>
#include <mach/mach.h>

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define NONE	 ((const char *[]){NULL})
#define SOME_GID 54321

static struct daemon dextd;

static uint64_t
now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- bundles --- */

static bool
is_gone(void *context)
{
	io_service_t service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(context));

	if (service != MACH_PORT_NULL)
		IOObjectRelease(service);
	return service == MACH_PORT_NULL;
}

struct interest {
	io_object_t iterator;
	bool terminated;
};

static void
on_message(void *context, io_service_t service, uint32_t message, void *argument)
{
	struct interest *interest = context;

	interest->terminated |= message == kIOMessageServiceIsTerminated;
}

static void
await_termination(IONotificationPortRef port, struct interest *interest)
{
	uint64_t deadline = now_msec() + HARNESS_DEADLINE_SEC * 1000;

	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
			   kCFRunLoopDefaultMode);
	while (!interest->terminated && now_msec() < deadline)
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, 1, true);
	ck_assert(interest->terminated);
}

static void
has_version(io_service_t service, const char *version)
{
	CFStringRef found = IORegistryEntryCreateCFProperty(service, CFSTR("TestVersion"),
							    kCFAllocatorDefault, 0);
	char text[16] = "";

	ck_assert_ptr_nonnull(found);
	ck_assert(CFStringGetCString(found, text, sizeof(text), kCFStringEncodingUTF8));
	ck_assert_str_eq(text, version);
	CFRelease(found);
}

static void
drops_replaces_and_removes(uid_t uid)
{
	IONotificationPortRef port;
	struct interest interest = {0};
	io_connect_t connect;
	io_service_t service;
	uint64_t id = 0, began;

	if (!daemon_prepare(&dextd, uid))
		return;
	daemon_start(&dextd, NONE);
	ck_assert(is_gone((void *)"Echo"));
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "one");
	service = harness_wait_new_service("Echo", &id);
	has_version(service, "one");
	connect = harness_open("Echo", 0);
	port = IONotificationPortCreate(kIOMainPortDefault);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service, kIOGeneralInterest,
							  on_message, &interest,
							  &interest.iterator),
			 0);
	began = now_msec();
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "two");
	IOObjectRelease(service);
	service = harness_wait_new_service("Echo", &id);
	printf("# replaced and served again after %u ms, copying included\n",
	       (unsigned)(now_msec() - began));
	has_version(service, "two");
	IOObjectRelease(service);
	await_termination(port, &interest);
	IOServiceClose(connect);
	IOObjectRelease(interest.iterator);
	IONotificationPortDestroy(port);
	daemon_remove(&dextd, "echo.dext");
	ck_assert(harness_until(is_gone, (void *)"Echo"));
	/* Nothing of this is a crash. */
	ck_assert_ptr_null(strstr(harness_log(&dextd.harness), "starting it again"));
	ck_assert_ptr_null(strstr(harness_log(&dextd.harness), "is killed"));
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}

START_TEST(root_drops_replaces_and_removes)
{
	drops_replaces_and_removes(0);
}
END_TEST

START_TEST(user_drops_replaces_and_removes)
{
	drops_replaces_and_removes(DAEMON_NOBODY);
}
END_TEST

/* Files that change in their place, and one that is not a bundle any more. */
START_TEST(changed_files_count_when_they_are_good)
{
	io_service_t service;
	uint64_t id = 0;

	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "one");
	daemon_start(&dextd, NONE);
	service = harness_wait_new_service("Echo", &id);
	IOObjectRelease(service);
	daemon_shell(&dextd, "echo nonsense >$D/good && cp $D/bundles/echo.dext/Info.plist $D/good "
			     "&& echo nonsense >$D/bundles/echo.dext/Info.plist");
	harness_wait_log(&dextd.harness, "the version of before goes on");
	service = harness_wait_service("Echo");
	has_version(service, "one");
	IOObjectRelease(service);
	daemon_shell(&dextd, "sed s/one/two/ $D/good >$D/bundles/echo.dext/Info.plist");
	service = harness_wait_new_service("Echo", &id);
	has_version(service, "two");
	IOObjectRelease(service);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

static unsigned
count_watched_folders(void)
{
	unsigned count = 0;
	char line[64];
	FILE *list;

	snprintf(line, sizeof(line), "cat /proc/%d/fdinfo/* | grep -c ^inotify",
		 (int)dextd.harness.pid);
	list = popen(line, "re");
	ck_assert_ptr_nonnull(list);
	ck_assert_int_eq(fscanf(list, "%u", &count), 1);
	pclose(list);
	return count;
}

/* To the root of all files: they are no bundle's, and none of them is looked at. */
START_TEST(a_link_out_of_a_bundle_is_not_followed)
{
	io_service_t service;
	unsigned before;

	if (!daemon_prepare(&dextd, DAEMON_NOBODY))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_start(&dextd, NONE);
	service = harness_wait_service("Echo");
	before = count_watched_folders();
	ck_assert_uint_gt(before, 0);
	daemon_shell(&dextd, "ln -s / $D/bundles/echo.dext/all");
	harness_wait_log(&dextd.harness, "echo.dext/all is not loaded: that is a link to a folder");
	ck_assert_uint_eq(count_watched_folders(), before);
	/* The version of before goes on, and a good one takes its place. */
	IOObjectRelease(service);
	service = harness_wait_service("Echo");
	IOObjectRelease(service);
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "two");
	harness_wait_log(&dextd.harness, "echo.dext: replaced");
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

START_TEST(root_loads_only_what_is_roots)
{
	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_start(&dextd, NONE);
	daemon_drop(&dextd, harness_bundle("BULKSTREAM_BUNDLE"), "bulkstream.dext", NULL);
	daemon_shell(&dextd, "chmod o+w $D/bundles/bulkstream.dext/Info.plist");
	harness_wait_log(&dextd.harness, "chown root and chmod go-w it");
	daemon_shell(&dextd, "mkdir $D/x.dext && chown 65534 $D/x.dext && mv $D/x.dext $D/bundles");
	harness_wait_log(&dextd.harness, "x.dext is not loaded: it belongs to uid 65534");
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

/* A folder of bundles that is a link, which leads elsewhere and nowhere later. */
START_TEST(a_folder_that_is_a_link)
{
	io_service_t service;
	uint64_t id = 0;

	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "one");
	daemon_shell(&dextd, "mv $D/bundles $D/one && mkdir $D/two && cp -r $D/one/* $D/two && "
			     "sed -i s/one/two/ $D/two/echo.dext/Info.plist && "
			     "ln -s one $D/bundles");
	daemon_start(&dextd, NONE);
	service = harness_wait_new_service("Echo", &id);
	has_version(service, "one");
	IOObjectRelease(service);
	daemon_shell(&dextd, "ln -s two $D/new && mv -T $D/new $D/bundles");
	service = harness_wait_new_service("Echo", &id);
	has_version(service, "two");
	IOObjectRelease(service);
	daemon_shell(&dextd, "rm $D/bundles");
	ck_assert(harness_until(is_gone, (void *)"Echo"));
	daemon_shell(&dextd, "mv $D/one $D/bundles");
	service = harness_wait_new_service("Echo", &id);
	has_version(service, "one");
	IOObjectRelease(service);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

static unsigned
count_lines(const char *text)
{
	unsigned count = 0;

	for (const char *at = harness_log(&dextd.harness); (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

/* However often the folders are looked at. */
START_TEST(what_is_wrong_with_a_folder_is_said_once)
{
	static const char *const names[] = {"a.dext", "b.dext", "c.dext"};
	char locked[96];

	if (!daemon_prepare(&dextd, 0))
		return;
	snprintf(locked, sizeof(locked), "%s/locked", dextd.folder);
	daemon_shell(&dextd, "mkdir -m 0 $D/locked && mkdir -m 777 $D/bundles/open.dext");
	daemon_start(&dextd, (const char *[]){"--bundles", locked, NULL});
	for (unsigned i = 0; i < 3; i++) {
		char said[64];

		/* The first is found, and the others have its identifier. */
		daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), names[i], NULL);
		snprintf(said, sizeof(said), "bundles/%s", names[i]);
		harness_wait_log(&dextd.harness, said);
	}
	ck_assert_uint_eq(count_lines("locked is not watched"), 1);
	ck_assert_uint_eq(count_lines("open.dext is not loaded"), 1);
	/* What comes into it counts as soon as it can be read. */
	daemon_shell(&dextd, "mkdir $D/locked/in.dext && chmod 755 $D/locked");
	harness_wait_log(&dextd.harness, "locked/in.dext");
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

/* --- hosts --- */

/* What /proc/PID/status says behind this key. */
static void
get_status(pid_t pid, const char *key, char text[64])
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	text[0] = '\0';
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0)
			snprintf(text, 64, "%.63s", line + strlen(key));
	}
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
}

/* Four times the same id: real, effective, saved, of the file system. */
static unsigned
only_id(pid_t pid, const char *key)
{
	unsigned ids[4] = {0};
	char text[64];

	get_status(pid, key, text);
	ck_assert_int_eq(sscanf(text, "%u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]), 4);
	for (unsigned i = 1; i < 4; i++)
		ck_assert_uint_eq(ids[i], ids[0]);
	return ids[0];
}

static unsigned
has_a_user_of_its_own(pid_t pid)
{
	static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
	unsigned uid = only_id(pid, "Uid:");
	char text[64], path[64];
	struct stat info;

	ck_assert_uint_ge(uid, 65100);
	ck_assert_uint_le(uid, 65109);
	ck_assert_uint_eq(only_id(pid, "Gid:"), uid);
	get_status(pid, "Groups:", text);
	ck_assert_uint_eq(strspn(text, " \t"), strlen(text));
	for (unsigned i = 0; i < 5; i++) {
		get_status(pid, sets[i], text);
		ck_assert_str_eq(text, "\t0000000000000000");
	}
	get_status(pid, "NoNewPrivs:", text);
	ck_assert_str_eq(text, "\t1");
	/* Of a process that others may not look into, /proc says that it is root's. */
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	ck_assert_int_eq(stat(path, &info), 0);
	if (strcmp(harness_bundle("DEXTD_SANDBOX"), "required") == 0)
		ck_assert_uint_eq(info.st_uid, 0);
	return uid;
}

START_TEST(hosts_have_users_of_their_own)
{
	unsigned echo, stream;
	char text[64];
	pid_t pid;

	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_drop(&dextd, harness_bundle("BULKSTREAM_BUNDLE"), "bulkstream.dext", NULL);
	daemon_start(&dextd,
		     (const char *[]){"--allow-virtual", "--host-uids", "65100-65109", NULL});
	plug("sink");
	IOObjectRelease(harness_wait_service("Echo"));
	IOObjectRelease(harness_wait_service("BulkStream"));
	echo = has_a_user_of_its_own(harness_host_pid("Echo"));
	stream = has_a_user_of_its_own(harness_host_pid("BulkStream"));
	ck_assert_uint_ne(echo, stream);
	/* Of root's power dextd itself has what this needs: kill, setgid, setuid, setpcap. */
	get_status(dextd.harness.pid, "CapEff:", text);
	ck_assert_str_eq(text, "\t00000000000001e0");
	get_status(dextd.harness.pid, "CapPrm:", text);
	ck_assert_str_eq(text, "\t00000000000001e0");
	/* It keeps it when it is started again. */
	pid = harness_host_pid("Echo");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	harness_wait_log(&dextd.harness, "starting it again");
	IOObjectRelease(harness_wait_service("Echo"));
	ck_assert_int_ne(harness_host_pid("Echo"), pid);
	ck_assert_uint_eq(has_a_user_of_its_own(harness_host_pid("Echo")), echo);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

START_TEST(the_range_of_users_ends)
{
	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_drop(&dextd, harness_bundle("BULKSTREAM_BUNDLE"), "bulkstream.dext", NULL);
	/* The first of the two is nobody's. */
	daemon_start(&dextd,
		     (const char *[]){"--allow-virtual", "--host-uids", "65534-65535", NULL});
	IOObjectRelease(harness_wait_service("Echo"));
	ck_assert_uint_eq(only_id(harness_host_pid("Echo"), "Uid:"), 65535);
	plug("sink");
	harness_wait_log(&dextd.harness, "no user id left for a host: 65534 to 65535");
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

/* --- who may connect --- */

/* What an app of this user and group gets. */
static IOReturn
open_as(uid_t uid, gid_t group, const char *name)
{
	int ends[2], status = -1;
	IOReturn result = -1;
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		io_connect_t connect = MACH_PORT_NULL;
		io_service_t service;

		if (setgroups(group != 0 ? 1 : 0, &group) < 0 || setresgid(uid, uid, uid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			_exit(1);
		service = IOServiceGetMatchingService(kIOMainPortDefault,
						      IOServiceNameMatching(name));
		result = IOServiceOpen(service, mach_task_self(), 0, &connect);
		_exit(write(ends[1], &result, sizeof(result)) != sizeof(result));
	}
	ck_assert_int_eq(read(ends[0], &result, sizeof(result)), sizeof(result));
	close(ends[0]);
	close(ends[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return result;
}

START_TEST(the_access_file_decides)
{
	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_start(&dextd, NONE);
	IOObjectRelease(harness_wait_service("Echo"));
	/* The default. */
	ck_assert_int_eq(open_as(0, 0, "Echo"), 0);
	ck_assert_int_eq(open_as(DAEMON_NOBODY, 0, "Echo"), kIOReturnNotPermitted);
	harness_wait_log(&dextd.harness,
			 "of uid 65534 was refused Echo: check \"access\": org.opendext.test.echo "
			 "is for group:opendext (the default");
	daemon_allow(&dextd, "org.opendext.test.echo group:54321 # scales\n* everyone");
	ck_assert_int_eq(open_as(DAEMON_NOBODY, 0, "Echo"), kIOReturnNotPermitted);
	ck_assert_int_eq(open_as(DAEMON_NOBODY, SOME_GID, "Echo"), 0);
	ck_assert_int_eq(open_as(SOME_GID, 0, "Echo"), 0); /* its first group */
	daemon_allow(&dextd, "* everyone\norg.opendext.test.echo user:7 user:nobody");
	ck_assert_int_eq(open_as(DAEMON_NOBODY, 0, "Echo"), 0);
	ck_assert_int_eq(open_as(8, SOME_GID, "Echo"), kIOReturnNotPermitted);
	daemon_allow(&dextd, "another.driver user:1\n* everyone");
	ck_assert_int_eq(open_as(8, 0, "Echo"), 0);
	daemon_allow(&dextd, "org.opendext.test.echo\n* everyone");
	ck_assert_int_eq(open_as(8, 0, "Echo"), kIOReturnNotPermitted);
	harness_wait_log(&dextd.harness, "is for nobody");
	daemon_allow(&dextd, "* group:nosuchgroup everybody");
	ck_assert_int_eq(open_as(8, 0, "Echo"), kIOReturnNotPermitted);
	harness_wait_log(&dextd.harness, "access:1: 'everybody' is no user:NAME");
	/* What others could have written does not count. */
	daemon_allow(&dextd, "* everyone");
	daemon_shell(&dextd, "chmod o+w $D/access");
	ck_assert_int_eq(open_as(8, 0, "Echo"), kIOReturnNotPermitted);
	harness_wait_log(&dextd.harness, "so nothing in it counts");
	ck_assert_int_eq(open_as(0, 0, "Echo"), 0);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

/* Each writes two lines: which rule was broken, and by whom. */
START_TEST(apps_do_not_fill_the_log)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t began;
	unsigned lines;
	char byte = 0;

	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_start(&dextd, NONE);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.60s/run/registry", dextd.folder);
	began = now_msec();
	for (unsigned i = 0; i < 2000; i++) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

		ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)),
				 0);
		ck_assert_int_eq(send(fd, &byte, 1, MSG_NOSIGNAL), 1);
		ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
		close(fd);
	}
	lines = count_lines("packet refused: ") + count_lines("its connection to the registry is");
	ck_assert_uint_ge(lines, DEXT_LIMIT_APP_LINES);
	ck_assert_uint_le(lines, DEXT_LIMIT_APP_LINES * (2 + (now_msec() - began) / 1000));
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

/* App and driver are of two users, neither of them the registry's. */
START_TEST(another_user_streams)
{
	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("BULKSTREAM_BUNDLE"), "bulkstream.dext", NULL);
	daemon_allow(&dextd, "org.opendext.bulkstream group:54321");
	daemon_start(&dextd, (const char *[]){"--allow-virtual", NULL});
	plug("loopback");
	IOObjectRelease(harness_wait_service("BulkStream"));
	daemon_shell(&dextd, "head -c 5000000 /dev/urandom >$D/sent && mkdir -m 777 $D/got");
	ck_assert_int_eq(daemon_as(DAEMON_NOBODY, SOME_GID,
				   "$DEXT send $D/sent >/dev/null & $DEXT recv --bytes 5000000 "
				   "$D/got/file >/dev/null && wait $!"),
			 0);
	daemon_shell(&dextd, "cmp $D/sent $D/got/file");
	ck_assert_int_eq(daemon_as(DAEMON_NOBODY, 0, "$DEXT send $D/sent 2>/dev/null"), 4);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

static bool
root_reads(void *context)
{
	return daemon_as(0, 0, "$DEXT logs | grep -q sandbox:") == 0;
}

/* How drivers stand is everybody's to know; what they say is not. */
START_TEST(who_may_open_may_read_the_log)
{
	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_allow(&dextd, "org.opendext.test.echo group:54321");
	daemon_start(&dextd, NONE);
	IOObjectRelease(harness_wait_service("Echo"));
	ck_assert(harness_until(root_reads, NULL));
	ck_assert_int_eq(daemon_as(DAEMON_NOBODY, SOME_GID, "$DEXT logs | grep -q sandbox:"), 0);
	ck_assert_int_eq(daemon_as(DAEMON_NOBODY, 0, "$DEXT logs | grep -q sandbox:"), 1);
	ck_assert_int_eq(daemon_as(DAEMON_NOBODY, 0, "$DEXT logs | grep -q '^# 1 Echo'"), 0);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

/* The bytes of transfers are not theirs to see. */
START_TEST(who_may_open_may_look_on)
{
	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_allow(&dextd, "org.opendext.test.echo group:54321");
	daemon_start(&dextd, NONE);
	IOObjectRelease(harness_wait_service("Echo"));
	ck_assert_int_eq(daemon_as(0, 0, "$DEXT trace --seconds 1"), 0);
	ck_assert_int_eq(daemon_as(DAEMON_NOBODY, SOME_GID, "$DEXT trace --seconds 1"), 0);
	ck_assert_int_eq(daemon_as(DAEMON_NOBODY, 0, "$DEXT trace --seconds 1"), 4);
	ck_assert_int_eq(daemon_as(0, 0, "$DEXT capture -w - --seconds 1 >/dev/null"), 0);
	ck_assert_int_eq(
		daemon_as(DAEMON_NOBODY, SOME_GID, "$DEXT capture -w - --seconds 1 >/dev/null"), 4);
	harness_wait_log(&dextd.harness, "of a capture");
	harness_wait_log(&dextd.harness, "of uid 65534 was refused to look on at driver Echo");
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

START_TEST(virtual_devices_are_asked_for)
{
	char sentence[PLUG_SENTENCE_MAX];
	uint64_t id = 0;

	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_start(&dextd, NONE);
	ck_assert_int_eq(try_plug("sink", &id, sentence), kIOReturnNotPermitted);
	ck_assert_ptr_nonnull(strstr(sentence, "--allow-virtual"));
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

/* --- its end --- */

static bool
has_ended(void *context)
{
	char path[64], text[64] = "";
	struct stat info;

	snprintf(path, sizeof(path), "/proc/%d", *(pid_t *)context);
	if (stat(path, &info) < 0)
		return true;
	get_status(*(pid_t *)context, "State:", text);
	return strstr(text, "Z") != NULL; /* whoever its parent is now will see it */
}

START_TEST(hosts_end_with_it)
{
	pid_t host;

	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_start(&dextd, NONE);
	IOObjectRelease(harness_wait_service("Echo"));
	host = harness_host_pid("Echo");
	daemon_kill(&dextd);
	ck_assert(harness_until(has_ended, &host));
	/* Its socket is still there, and in nobody's way. */
	daemon_start(&dextd, NONE);
	IOObjectRelease(harness_wait_service("Echo"));
	ck_assert_int_ne(harness_host_pid("Echo"), host);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

/* Where the group is not delegated: nothing runs if all of the sandbox is required. */
START_TEST(a_limit_that_cannot_be_had)
{
	char command[512];

	if (!daemon_prepare(&dextd, DAEMON_NOBODY))
		return;
	snprintf(command, sizeof(command),
		 "$DEXTD --bundles %s/bundles --sandbox=required --memory-max 64M 2>>%s",
		 dextd.folder, dextd.harness.log_path);
	ck_assert_int_eq(daemon_as(DAEMON_NOBODY, 0, command), 1);
	harness_wait_log(&dextd.harness, "the memory of hosts cannot be limited");
	daemon_start(&dextd, (const char *[]){"--sandbox=best", "--memory-max", "64M", NULL});
	harness_wait_log(&dextd.harness, "the memory of hosts is NOT limited");
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

START_TEST(two_cannot_have_the_same_place)
{
	char command[512];

	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_start(&dextd, NONE);
	snprintf(command, sizeof(command), "$DEXTD --bundles %s/bundles 2>>%s", dextd.folder,
		 dextd.harness.log_path);
	ck_assert_int_eq(daemon_as(0, 0, command), 1);
	harness_wait_log(&dextd.harness, "another dextd runs there");
	ck_assert(is_gone((void *)"Echo")); /* the first one still answers */
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

static void
path_of_lock(char path[PATH_MAX])
{
	ck_assert_int_eq(mkdir(dextd.harness.runtime_dir, 0755), 0);
	snprintf(path, PATH_MAX, "%s/lock", dextd.harness.runtime_dir);
}

/* Whoever can open something can lock it. */
START_TEST(nobody_else_can_take_the_place)
{
	char path[PATH_MAX], command[2 * PATH_MAX];
	int directory;

	if (!daemon_prepare(&dextd, 0))
		return;
	path_of_lock(path);
	directory = open(dextd.harness.runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(flock(directory, LOCK_EX | LOCK_NB), 0);
	daemon_start(&dextd, NONE);
	snprintf(command, sizeof(command), "exec 9<%s", path);
	ck_assert_int_ne(daemon_as(DAEMON_NOBODY, 0, command), 0);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
	close(directory);
}
END_TEST

/* What a killed one had forked has the lock until it is a host. */
START_TEST(the_place_is_free_soon)
{
	char path[PATH_MAX];
	int place;

	if (!daemon_prepare(&dextd, 0))
		return;
	path_of_lock(path);
	place = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(place, LOCK_EX | LOCK_NB), 0);
	daemon_start_begin(&dextd, NONE);
	harness_wait_log(&dextd.harness, "waiting for its end");
	close(place);
	daemon_start_end(&dextd);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

START_TEST(command_lines_that_are_wrong)
{
	ck_assert_int_eq(daemon_as(geteuid(), 0, "$DEXTD --nosuch 2>/dev/null"), 2);
	ck_assert_int_eq(daemon_as(geteuid(), 0, "$DEXTD --sandbox=some 2>/dev/null"), 2);
	ck_assert_int_eq(daemon_as(geteuid(), 0, "$DEXTD --host-uids 5 2>/dev/null"), 2);
	ck_assert_int_eq(daemon_as(geteuid(), 0, "$DEXTD --host-uids 0-7 2>/dev/null"), 2);
	ck_assert_int_eq(daemon_as(geteuid(), 0, "$DEXTD --memory-max 5T 2>/dev/null"), 2);
	ck_assert_int_eq(daemon_as(geteuid(), 0, "$DEXTD --memory-max 0 2>/dev/null"), 2);
	ck_assert_int_eq(daemon_as(geteuid(), 0, "$DEXTD more 2>/dev/null"), 2);
	ck_assert_int_eq(daemon_as(geteuid(), 0, "$DEXTD --help >/dev/null"), 0);
}
END_TEST

UNIT_MAIN("dextd", root_drops_replaces_and_removes, user_drops_replaces_and_removes,
	  changed_files_count_when_they_are_good, a_link_out_of_a_bundle_is_not_followed,
	  root_loads_only_what_is_roots, a_folder_that_is_a_link,
	  what_is_wrong_with_a_folder_is_said_once, hosts_have_users_of_their_own,
	  the_range_of_users_ends, the_access_file_decides, apps_do_not_fill_the_log,
	  another_user_streams, who_may_open_may_read_the_log, who_may_open_may_look_on,
	  virtual_devices_are_asked_for, hosts_end_with_it, a_limit_that_cannot_be_had,
	  two_cannot_have_the_same_place, nobody_else_can_take_the_place, the_place_is_free_soon,
	  command_lines_that_are_wrong)
