/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "policy.h"

#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

static char folder[] = "/tmp/opendext-policy-XXXXXX";
static char access_path[64], seats_path[64];

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void
make_folder(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(access_path, sizeof(access_path), "%s/access", folder);
	snprintf(seats_path, sizeof(seats_path), "%s/seats", folder);
}

static void
remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* The groups are this process's own; the rest of the peer is made up. */
static bool
asks(struct policy *policy, uid_t uid, gid_t gid, char reason[POLICY_REASON_MAX])
{
	struct ucred who = {.pid = 1, .uid = uid, .gid = gid};
	bool allowed;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	allowed = policy_allows(policy, ends[0], &who, "a.driver", reason);
	close(ends[0]);
	close(ends[1]);
	return allowed;
}

static bool
allows(const char *text, uid_t uid, gid_t gid, char reason[POLICY_REASON_MAX])
{
	struct policy *policy = NULL;
	bool allowed;

	if (access_path[0] == '\0')
		make_folder();
	write_file(access_path, text);
	ck_assert_int_eq(policy_open(access_path, seats_path, &policy), 0);
	allowed = asks(policy, uid, gid, reason);
	policy_close(policy);
	return allowed;
}

static const struct {
	const char *text;
	bool allowed; /* user 4001 of group 4002 */
} rules[] = {
	{"", false},
	{"a.driver everyone\n", true},
	{"a.driver everyone", true},
	{"  a.driver\teveryone", true},
	{"a.driver user:4001", true},
	{"a.driver user:4002", false},
	{"a.driver group:4002", true},
	{"a.driver group:4001", false},
	{"a.driver user:1 group:1   group:4002 ", true},
	{"a.driver # everyone", false},
	{"# a.driver everyone", false},
	{"a.drivers everyone", false},
	{"* everyone", true},
	{"* everyone\na.driver user:1", false},
	{"a.driver user:1\n* everyone", false},
	{"* user:1\na.driver everyone", true},
	{"* user:1\n* everyone", false},
	{"* everyone\n* user:1", true},
	{"a.driver user:1\na.driver everyone", false},
	{"a.driver", false},
	{"a.driver User:4001", false},
	{"a.driver seats", false},
	{"a.driver user:", false},
	{"a.driver user:4001x", false},
	{"a.driver user: 4001", false},
	{"a.driver user:-1", false},
	{"a.driver 4001", false},
	{"\n\n \na.driver everyone", true},
};
#define RULES (int)(sizeof(rules) / sizeof(rules[0]))

START_TEST(rules_are_read)
{
	char reason[POLICY_REASON_MAX] = "";

	for (int i = 0; i < RULES; i++) {
		reason[0] = '\0';
		ck_assert_msg(allows(rules[i].text, 4001, 4002, reason) == rules[i].allowed,
			      "'%s': %s", rules[i].text, reason);
		if (!rules[i].allowed)
			ck_assert_ptr_nonnull(strstr(reason, "\"access\": a.driver is for"));
	}
	remove_folder();
}
END_TEST

START_TEST(root_and_the_own_user_may_always)
{
	char reason[POLICY_REASON_MAX] = "";

	ck_assert(allows("a.driver user:1", 0, 4002, reason));
	ck_assert(allows("a.driver user:1", geteuid(), 4002, reason));
	remove_folder();
}
END_TEST

START_TEST(long_lines_allow_nobody)
{
	char text[2048], reason[POLICY_REASON_MAX] = "";

	memset(text, 'x', sizeof(text));
	snprintf(text + 1022, sizeof(text) - 1022, "\na.driver everyone");
	ck_assert(allows(text, 4001, 4002, reason));
	snprintf(text + 1022, sizeof(text) - 1022, "x\na.driver everyone");
	ck_assert(!allows(text, 4001, 4002, reason));
	ck_assert_ptr_nonnull(strstr(reason, "more than 1022 bytes"));
	remove_folder();
}
END_TEST

/* Nobody waits for a file that is no access file. */
START_TEST(a_long_file_allows_nobody)
{
	char reason[POLICY_REASON_MAX] = "", *text = malloc((1 << 20) + 2);

	ck_assert_ptr_nonnull(text);
	memset(text, '\n', 1 << 20);
	memcpy(text, "a.driver everyone", 17);
	text[1 << 20] = '\0';
	ck_assert(allows(text, 4001, 4002, reason));
	text[1 << 20] = '\n';
	text[(1 << 20) + 1] = '\0';
	ck_assert(!allows(text, 4001, 4002, reason));
	ck_assert_ptr_nonnull(strstr(reason, "more than 1048576 bytes"));
	free(text);
	remove_folder();
}
END_TEST

static unsigned looked_up;

/* In the C library's place. */
struct passwd *
getpwnam(const char *name)
{
	looked_up++;
	return NULL;
}

/* Also in a file that counts for nothing, because a line further down is too long. */
START_TEST(names_are_looked_up_once)
{
	static const char line[] = "a.driver user:anna\n";
	char text[2048], reason[POLICY_REASON_MAX] = "";
	struct policy *policy = NULL;

	memset(text, 'x', sizeof(text));
	memcpy(text, line, strlen(line));
	text[sizeof(text) - 1] = '\0';
	make_folder();
	write_file(access_path, text);
	looked_up = 0;
	ck_assert_int_eq(policy_open(access_path, seats_path, &policy), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert(!asks(policy, 4001, 4002, reason));
	ck_assert_ptr_nonnull(strstr(reason, "make it shorter"));
	ck_assert_uint_eq(looked_up, 1);
	policy_close(policy);
	remove_folder();
}
END_TEST

START_TEST(without_a_file_only_the_own_user_may)
{
	struct policy *policy = NULL;
	char reason[POLICY_REASON_MAX] = "";

	ck_assert_int_eq(policy_open(NULL, "/nonexistent", &policy), 0);
	ck_assert(!asks(policy, geteuid() + 1, 4002, reason));
	ck_assert_ptr_nonnull(strstr(reason, "\"same user\""));
	policy_close(policy);
	ck_assert_int_eq(policy_open("/nonexistent/file", "/nonexistent", &policy), 0);
	ck_assert(!asks(policy, geteuid() + 1, 4002, reason));
	ck_assert_ptr_nonnull(strstr(reason, "group:opendext (the default"));
	policy_close(policy);
}
END_TEST

START_TEST(a_pipe_is_not_waited_for)
{
	struct policy *policy = NULL;
	char reason[POLICY_REASON_MAX] = "";

	make_folder();
	ck_assert_int_eq(mkfifo(access_path, 0600), 0);
	ck_assert_int_eq(policy_open(access_path, seats_path, &policy), 0);
	ck_assert(!asks(policy, 4001, 4002, reason));
	ck_assert_ptr_nonnull(strstr(reason, "is no file"));
	ck_assert_int_eq(unlink(access_path), 0);
	policy_close(policy);
	remove_folder();
}
END_TEST

/* The next open after a change sees it, and one that others could have made counts for nobody. */
START_TEST(changes_count)
{
	struct policy *policy = NULL;
	char reason[POLICY_REASON_MAX] = "";

	make_folder();
	ck_assert_int_eq(policy_open(access_path, seats_path, &policy), 0);
	ck_assert(!asks(policy, 4001, 4002, reason));
	write_file(access_path, "a.driver user:4001");
	ck_assert(asks(policy, 4001, 4002, reason));
	write_file(access_path, "a.driver user:4002 # as long as that one");
	ck_assert(!asks(policy, 4001, 4002, reason));
	write_file(access_path, "a.driver user:4001");
	ck_assert(asks(policy, 4001, 4002, reason));
	ck_assert_int_eq(chmod(access_path, 0666), 0);
	ck_assert(!asks(policy, 4001, 4002, reason));
	ck_assert_ptr_nonnull(strstr(reason, "nothing in it counts"));
	ck_assert_int_eq(chmod(access_path, 0600), 0);
	ck_assert(asks(policy, 4001, 4002, reason));
	ck_assert_int_eq(unlink(access_path), 0);
	ck_assert(!asks(policy, 4001, 4002, reason));
	policy_close(policy);
	remove_folder();
}
END_TEST

/* Files as logind writes them, of two seats, at one of which nobody is active. */
START_TEST(seats)
{
	char reason[POLICY_REASON_MAX] = "", path[96];

	ck_assert(!allows("a.driver seat", 4001, 4002, reason));
	ck_assert_ptr_nonnull(strstr(reason, "there is no logind here"));
	/* Which does not keep others away. */
	ck_assert(allows("a.driver seat user:4001", 4001, 4002, reason));
	ck_assert_int_eq(mkdir(seats_path, 0755), 0);
	snprintf(path, sizeof(path), "%s/seat1", seats_path);
	write_file(path, "# This is private data. Do not parse.\nIS_SEAT0=0\nCAN_TTY=0\n");
	snprintf(path, sizeof(path), "%s/seat0", seats_path);
	write_file(path, "# This is private data. Do not parse.\nIS_SEAT0=1\nACTIVE=2\n"
			 "ACTIVE_UID=4001\nSESSIONS=2 5\nUIDS=4001 4005\n");
	ck_assert(allows("a.driver seat", 4001, 4002, reason));
	ck_assert(allows("* group:1 seat", 4001, 4002, reason));
	/* One who is logged in there and not in front; one who is not. */
	ck_assert(!allows("a.driver seat", 4005, 4002, reason));
	ck_assert_ptr_null(strstr(reason, "logind"));
	ck_assert(!allows("a.driver seat", 400, 4002, reason));
	ck_assert(!allows("a.driver user:1", 4001, 4002, reason));
	write_file(path, "ACTIVE_UID=4001x\n");
	ck_assert(!allows("a.driver seat", 4001, 4002, reason));
	remove_folder();
}
END_TEST

UNIT_MAIN("policy", rules_are_read, root_and_the_own_user_may_always, long_lines_allow_nobody,
	  a_long_file_allows_nobody, names_are_looked_up_once, without_a_file_only_the_own_user_may,
	  a_pipe_is_not_waited_for, changes_count, seats)
