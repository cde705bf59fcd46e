/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile app: `hostile ATTACK SERVICE HOST DAEMON USER` does what ATTACK says to the service
 * (its registry id) of the test driver Echo, as this user, says "ready" when it has, and keeps
 * whatever it holds until its standard input ends. HOST and DAEMON are the processes that it
 * attacks. "not here: ..." is said instead where this system has not got what an attack needs.
 * `hostile own` lists the attacks by a program of the registry's own user, `hostile other` those by
 * another user's.
 *
 * The registry's directory is OPENDEXT_RUNTIME_DIR. test_hostile.c starts it and looks at what it
 * does to others.
 */
#include "attacks.h"
#include "slow_files.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum whose {
	ANY,
	OWN,   /* asks for what others may not */
	OTHER, /* one user's programs are not protected from each other */
};

static const struct {
	const char *name;
	void (*run)(void);
	enum whose whose;
	/* Before it is that user: what a system may let its users have, and this one may not. */
	void (*prepare)(void);
} attacks[] = {
	{"each message truncated", truncated, ANY},
	{"each message oversized", oversized, ANY},
	{"each message repeated", repeated, ANY},
	{"messages out of order", out_of_order, ANY},
	{"too few descriptors", fewer_fds, ANY},
	{"too many descriptors", more_fds, ANY},
	{"other descriptors than the header says", lies_of_fds, ANY},
	{"another length than the header says", lies_of_length, ANY},
	{"descriptors of the wrong kind", wrong_kinds, ANY},
	{"a huge sparse file", sparse_file, ANY},
	{"sockets whose close waits", files_that_linger, ANY},
	{"files of a file system of its own", files_of_its_own, ANY, slow_file_prepare},
	{"more such files than can be closed", many_files_of_its_own, OTHER, slow_file_prepare},
	{"reads into memory that does not come", memory_that_does_not_come, ANY, fault_prepare},
	{"truncates what it handed over", truncates, ANY},
	{"cuts holes while the driver reads", cuts_holes, ANY},
	{"changes shared memory between check and use", changes_memory, ANY},
	{"forges indices", forges_indices, ANY},
	{"stops reading completions", stops_reading, ANY},
	{"leaves messages with descriptors unread", leaves_descriptors, ANY},
	{"asks the registry and does not read", asks_and_does_not_read, ANY},
	{"rings without end", rings_without_end, ANY},
	{"makes its eventfd blocking and full", full_blocking_eventfd, ANY},
	{"opens to the limit", opens_to_the_limit, ANY},
	{"maps to the limit", maps_to_the_limit, ANY},
	{"connects to the registry without end", connects_to_the_limit, ANY},
	{"watches to the limit", watches_to_the_limit, ANY},
	{"looks on to the limit", looks_on_to_the_limit, ANY},
	{"opens and closes without end", opens_and_closes, ANY},
	{"is stopped while events wait", is_stopped_while_events_wait, OWN},
	{"hands memory over to the limit", keeps_to_the_limit, ANY},
	{"cuts and seals mapped memory", writes_and_cuts, ANY},
	{"writes to a read-only mapping", writes_read_only, ANY},
	{"traces the host and the registry", traces, OTHER},
	{"forks and execs with the connection open", leaves_child, ANY},
	{"dies and leaves a child with the connection", dies_with_child, ANY},
	{"is stopped", is_stopped, ANY},
};

#define COUNT (sizeof(attacks) / sizeof(attacks[0]))

void
attack_is_not_here(const char *why)
{
	printf("not here: %s\n", why);
	fflush(stdout);
	_exit(0);
}

void
attack_say_ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

void
attack_is_done(void)
{
	attack_say_ready();
	while (read(STDIN_FILENO, bytes, 1) > 0)
		;
	/* What it leaks is the attack: no sanitizer is to look for that, and wait. */
	_exit(0);
}

/* Of descriptors: the kernel counts all that a user's messages have under way against it. */
static void
take_the_most_there_is(void)
{
	struct rlimit files;

	NEED(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	NEED(setrlimit(RLIMIT_NOFILE, &files) == 0);
}

static void
become(uid_t uid)
{
	NEED(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
	     setresuid(uid, uid, uid) == 0);
	/* Its own files in /proc are its own, as if it had never been another. */
	NEED(prctl(PR_SET_DUMPABLE, 1) == 0);
}

int
main(int argc, char **argv)
{
	enum whose not_of = argc == 2 && strcmp(argv[1], "own") == 0 ? OTHER : OWN;
	bool is_user;
	uid_t uid;

	for (unsigned i = 0; argc == 2 && i < COUNT; i++)
		if (attacks[i].whose != not_of)
			puts(attacks[i].name);
	if (argc != 6)
		return argc == 2 ? 0 : 2;
	uid = (uid_t)strtoul(argv[5], NULL, 0);
	is_user = uid == geteuid();
	signal(SIGPIPE, SIG_IGN);
	take_the_most_there_is();
	enemy_service = strtoull(argv[2], NULL, 0);
	enemy_host = atoi(argv[3]);
	enemy_daemon = atoi(argv[4]);
	for (unsigned i = 0; i < COUNT; i++) {
		if (strcmp(attacks[i].name, argv[1]) != 0)
			continue;
		if (attacks[i].prepare != NULL)
			attacks[i].prepare();
		if (!is_user)
			become(uid);
		attacks[i].run();
		attack_is_done();
	}
	return 2;
}
