/* SPDX-License-Identifier: Apache-2.0 */
/* Starts and ends `dextd` for a test. */
#include "daemon.h"

#include "keeper.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32

static bool
become(uid_t uid, gid_t group)
{
	if (setgroups(group != 0 ? 1 : 0, &group) < 0)
		return false;
	return uid == 0 || (setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
}

int
daemon_as(uid_t uid, gid_t group, const char *command)
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (become(uid, group))
			execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(126);
	}
	ck_assert_int_gt(pid, 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void
daemon_shell(const struct daemon *daemon, const char *command)
{
	ck_assert_int_eq(setenv("D", daemon->folder, 1), 0);
	ck_assert_msg(daemon_as(0, 0, command) == 0, "%s", command);
}

static void
listen_for_notes(struct daemon *daemon)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", daemon->folder);
	daemon->notified = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(daemon->notified, 0);
	ck_assert_int_eq(bind(daemon->notified, (const struct sockaddr *)&address, sizeof(address)),
			 0);
	ck_assert_int_eq(chmod(address.sun_path, 0666), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
}

bool
daemon_prepare(struct daemon *daemon, uid_t uid)
{
	if (geteuid() != 0) {
		printf("# SKIP: only root can start dextd as root and as others\n");
		return false;
	}
	if (daemon_as(DAEMON_NOBODY, 0, "test -x $DEXTD && test -x $DEXT_HOST") != 0) {
		printf("# SKIP: other users cannot reach the build folder, so no host could\n");
		return false;
	}
	umask(022);
	memset(daemon, 0, sizeof(*daemon));
	daemon->uid = uid;
	snprintf(daemon->folder, sizeof(daemon->folder), "/tmp/opendext-dextd-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(daemon->folder));
	ck_assert_int_eq(setenv("DAEMON_UID", uid == 0 ? "0" : "65534", 1), 0);
	daemon_shell(daemon, "chmod 755 $D && mkdir $D/bundles && touch $D/log && "
			     "chown $DAEMON_UID $D $D/bundles $D/log");
	snprintf(daemon->harness.log_path, sizeof(daemon->harness.log_path), "%s/log",
		 daemon->folder);
	snprintf(daemon->harness.runtime_dir, sizeof(daemon->harness.runtime_dir), "%s/run",
		 daemon->folder);
	listen_for_notes(daemon);
	ck_assert_int_eq(setenv("OPENDEXT_RUNTIME_DIR", daemon->harness.runtime_dir, 1), 0);
	return true;
}

static void
become_dextd(const struct daemon *daemon, const char *const *arguments, pid_t parent)
{
	char bundles[96], access_file[96], no_pci[96], sandbox[64];
	char *argv[ARGUMENTS_MAX] = {
		(char *)harness_bundle("DEXTD"),
		(char *)"--bundles",
		bundles,
		(char *)"--access",
		access_file,
		(char *)"--pci-devices", /* this machine's are no part of a test */
		no_pci,
		sandbox,
	};
	unsigned count = 8;
	int log = open(daemon->harness.log_path, O_WRONLY | O_APPEND | O_CLOEXEC);

	snprintf(bundles, sizeof(bundles), "%s/bundles", daemon->folder);
	snprintf(access_file, sizeof(access_file), "%s/access", daemon->folder);
	snprintf(no_pci, sizeof(no_pci), "%s/no-pci", daemon->folder);
	snprintf(sandbox, sizeof(sandbox), "--sandbox=%s", harness_bundle("DEXTD_SANDBOX"));
	for (; *arguments != NULL && count < ARGUMENTS_MAX - 1; arguments++)
		argv[count++] = (char *)*arguments;
	if (!become(daemon->uid, 0) || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 ||
	    getppid() != parent || log < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	if (daemon->keeper != NULL)
		keeper_hand_over(daemon->keeper);
	execv(argv[0], argv);
	_exit(127);
}

void
daemon_start_begin(struct daemon *daemon, const char *const *arguments)
{
	pid_t parent = getpid();

	if (daemon->keeper != NULL)
		keeper_settle(daemon->keeper);
	fflush(NULL);
	daemon->harness.pid = fork();
	if (daemon->harness.pid == 0)
		become_dextd(daemon, arguments, parent);
	ck_assert_int_gt(daemon->harness.pid, 0);
}

void
daemon_start_end(struct daemon *daemon)
{
	struct pollfd note = {.fd = daemon->notified, .events = POLLIN};
	char text[64] = "";

	/* The keeper's thread reads what dextd says. */
	if (daemon->keeper != NULL) {
		ck_assert_msg(keeper_wait_ready(daemon->keeper, ++daemon->starts),
			      "dextd is not ready:\n%s", harness_log_end(&daemon->harness));
		return;
	}
	ck_assert_msg(poll(&note, 1, HARNESS_DEADLINE_SEC * 1000) == 1 &&
			      recv(daemon->notified, text, sizeof(text) - 1, 0) > 0,
		      "dextd is not ready:\n%s", harness_log_end(&daemon->harness));
	ck_assert_str_eq(text, "READY=1");
}

void
daemon_start(struct daemon *daemon, const char *const *arguments)
{
	daemon_start_begin(daemon, arguments);
	daemon_start_end(daemon);
}

int
daemon_wait(struct daemon *daemon)
{
	int status = -1;

	while (waitpid(daemon->harness.pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
daemon_stop(struct daemon *daemon)
{
	int status;

	ck_assert_int_eq(kill(daemon->harness.pid, SIGTERM), 0);
	status = daemon_wait(daemon);
	harness_expect_no_report(&daemon->harness);
	if (daemon->keeper == NULL)
		close(daemon->notified);
	daemon_shell(daemon, "rm -rf $D");
	return status;
}

void
daemon_kill(struct daemon *daemon)
{
	ck_assert_int_eq(kill(daemon->harness.pid, SIGKILL), 0);
	ck_assert_int_eq(daemon_wait(daemon), 128 + SIGKILL);
	if (daemon->keeper != NULL)
		keeper_settle(daemon->keeper);
}

/*
 * Puts what is in the folder `new` in the place of the bundle, if there is one: in one step, or the
 * daemon may look between two and see none.
 */
static void
put_in_place(const struct daemon *daemon, const char *name)
{
	char made[PATH_MAX], place[PATH_MAX];
	int status;

	snprintf(made, sizeof(made), "%s/new", daemon->folder);
	snprintf(place, sizeof(place), "%s/bundles/%s", daemon->folder, name);
	status = renameat2(AT_FDCWD, made, AT_FDCWD, place, RENAME_EXCHANGE);
	if (status < 0 && errno == ENOENT)
		status = rename(made, place);
	ck_assert_msg(status == 0, "%s: %s", place, strerror(errno));
}

void
daemon_drop(struct daemon *daemon, const char *bundle, const char *name, const char *version)
{
	ck_assert_int_eq(setenv("BUNDLE", bundle, 1), 0);
	ck_assert_int_eq(setenv("NAME", name, 1), 0);
	ck_assert_int_eq(setenv("VERSION", version != NULL ? version : "", 1), 0);
	daemon_shell(daemon,
		     "mkdir $D/new && cp -rL $BUNDLE/. $D/new && "
		     "if [ -n \"$VERSION\" ]; then sed -i \"s|<key>IOUserClass</key>|"
		     "<key>TestVersion</key><string>$VERSION</string>&|\" $D/new/Info.plist; fi && "
		     "chown -R $DAEMON_UID $D/new && chmod -R go=rX $D/new");
	put_in_place(daemon, name);
	daemon_shell(daemon, "rm -rf $D/new");
}

void
daemon_remove(struct daemon *daemon, const char *name)
{
	ck_assert_int_eq(setenv("NAME", name, 1), 0);
	daemon_shell(daemon, "rm -r $D/bundles/$NAME");
}

void
daemon_allow(struct daemon *daemon, const char *text)
{
	ck_assert_int_eq(setenv("TEXT", text, 1), 0);
	daemon_shell(daemon, "printf '%s\\n' \"$TEXT\" >$D/access");
}
