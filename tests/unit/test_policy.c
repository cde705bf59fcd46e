/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "policy.h"

#include <stdio.h>
#include <sys/stat.h>

/* The groups are this process's own; the rest of the peer is made up. */
static bool
allows(const char *text, uid_t uid, gid_t gid, char reason[POLICY_REASON_MAX])
{
	struct ucred who = {.pid = 1, .uid = uid, .gid = gid};
	char path[] = "/tmp/opendext-access-XXXXXX";
	int file = mkstemp(path), ends[2];
	bool allowed;

	ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	allowed = policy_allows(path, ends[0], &who, "a.driver", reason);
	close(ends[0]);
	close(ends[1]);
	close(file);
	unlink(path);
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
	{"a.driver", false},
	{"a.driver User:4001", false},
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
}
END_TEST

START_TEST(root_and_the_own_user_may_always)
{
	char reason[POLICY_REASON_MAX] = "";

	ck_assert(allows("a.driver user:1", 0, 4002, reason));
	ck_assert(allows("a.driver user:1", geteuid(), 4002, reason));
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
}
END_TEST

START_TEST(without_a_file_only_the_own_user_may)
{
	struct ucred who = {.pid = 1, .uid = geteuid() + 1};
	char reason[POLICY_REASON_MAX] = "";

	ck_assert(!policy_allows(NULL, -1, &who, "a.driver", reason));
	ck_assert_ptr_nonnull(strstr(reason, "\"same user\""));
	ck_assert(!policy_allows("/nonexistent/file", -1, &who, "a.driver", reason));
	ck_assert_ptr_nonnull(strstr(reason, "group:opendext (the default"));
}
END_TEST

UNIT_MAIN("policy", rules_are_read, root_and_the_own_user_may_always, long_lines_allow_nobody,
	  without_a_file_only_the_own_user_may)
