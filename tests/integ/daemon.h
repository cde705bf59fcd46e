/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts and ends `dextd` for a test, as root or as an ordinary user, with everything that it uses
 * in a directory of the test's own. It is ended by process id, and ends with this process.
 *
 *	static struct daemon dextd;
 *	daemon_prepare(&dextd, 0);
 *	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
 *	daemon_start(&dextd, (const char *[]){"--allow-virtual", NULL});
 *	... libiokit finds the services ...
 *	daemon_stop(&dextd);
 *
 * Environment beside the harness's: DEXTD, the program; DEXT_HOST; DEXTD_SANDBOX, the level that
 * this build can have.
 */
#ifndef TESTS_INTEG_DAEMON_H
#define TESTS_INTEG_DAEMON_H

#include "harness.h"

#define DAEMON_NOBODY 65534

struct daemon {
	struct harness harness; /* harness_log and harness_wait_log take it */
	uid_t uid;
	char folder[32];       /* holds run, bundles, access, notify */
	int notified;	       /* the socket that stands for systemd's */
	unsigned starts;       /* with the keeper */
	struct keeper *keeper; /* NULL: nobody keeps descriptors */
};

/*
 * False: this process is not root, or other users cannot reach the programs, and the test says so
 * and does nothing.
 */
bool daemon_prepare(struct daemon *daemon, uid_t uid);
/* Starts and waits until it has said that it is ready. The list ends with NULL. */
void daemon_start(struct daemon *daemon, const char *const *arguments);
/* The same in two steps, with a keeper. */
void daemon_start_begin(struct daemon *daemon, const char *const *arguments);
void daemon_start_end(struct daemon *daemon);
/* SIGTERM, and waits; removes the directory. Returns the exit status. */
int daemon_stop(struct daemon *daemon);
/* Without a chance to stop anything; the directory stays. */
void daemon_kill(struct daemon *daemon);
/* Waits for its end; the exit status. */
int daemon_wait(struct daemon *daemon);

/*
 * Copies a bundle and moves the copy into the folder in one step, in the place of one that is there
 * already. `version`: of the key TestVersion in each of its personalities; NULL: none.
 */
void daemon_drop(struct daemon *daemon, const char *bundle, const char *name, const char *version);
void daemon_remove(struct daemon *daemon, const char *name);
/* The access file's text. */
void daemon_allow(struct daemon *daemon, const char *text);
/* Runs a shell command, in which $D is the directory; the test fails if that does. */
void daemon_shell(const struct daemon *daemon, const char *command);

/*
 * Runs a shell command as this user with this one supplementary group (0: none); returns its exit
 * status.
 */
int daemon_as(uid_t uid, gid_t group, const char *command);

#endif
