/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access file. What is not understood refuses: a line with an error, or with a name that the
 * system does not know, allows nobody by that word, and the log says which line.
 *
 * It is the administrator's, so it is not checked as a peer's bytes are; it has to belong to root
 * or to the registry's user. One thread, the registry's.
 */
#include "policy.h"

#include "log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_RULE "group:opendext"
#define RULE_MAX     1024
#define GROUPS_MAX   65536 /* NGROUPS_MAX of the kernel */
#define SPACE	     " \t\r\n"

struct peer {
	const struct ucred *who;
	gid_t *groups;
	size_t count;
};

/* The groups that the app had when it connected; none if they cannot be had. */
static void
get_groups(int socket, struct peer *peer)
{
	socklen_t length = GROUPS_MAX * sizeof(gid_t);

	peer->groups = malloc(length);
	if (peer->groups == NULL)
		return;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &length) == 0)
		peer->count = length / sizeof(gid_t);
}

static bool
is_member(const struct peer *peer, gid_t group)
{
	for (size_t i = 0; i < peer->count; i++) {
		if (peer->groups[i] == group)
			return true;
	}
	return peer->who->gid == group;
}

/* A number that is written out. */
static bool
parse_id(const char *text, unsigned *ret_id)
{
	char *end;
	unsigned long value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || value >= UINT32_MAX)
		return false;
	*ret_id = (unsigned)value;
	return true;
}

static bool
get_user(const char *name, uid_t *ret_uid)
{
	const struct passwd *user;

	if (parse_id(name, ret_uid))
		return true;
	user = getpwnam(name);
	if (user != NULL)
		*ret_uid = user->pw_uid;
	return user != NULL;
}

static bool
get_group(const char *name, gid_t *ret_gid)
{
	const struct group *group;

	if (parse_id(name, ret_gid))
		return true;
	group = getgrnam(name);
	if (group != NULL)
		*ret_gid = group->gr_gid;
	return group != NULL;
}

/* One word of a rule. False: it does not allow this peer. */
static bool
allows(const struct peer *peer, const char *word, const char *where)
{
	unsigned id;

	if (strcmp(word, "everyone") == 0)
		return true;
	if (strncmp(word, "user:", 5) == 0 && get_user(word + 5, &id))
		return peer->who->uid == id;
	if (strncmp(word, "group:", 6) == 0 && get_group(word + 6, &id))
		return is_member(peer, id);
	log_info("%s: '%s' is no user:NAME or group:NAME that exists, nor everyone, and allows "
		 "nobody",
		 where, word);
	return false;
}

struct rule {
	char words[RULE_MAX];
	char where[256]; /* file and line */
};

/*
 * Looks through the lines for the driver's and that of `*`. False: one of them is too long to be
 * understood.
 */
static bool
find_rule(FILE *file, const char *path, const char *driver, struct rule *rule)
{
	char line[RULE_MAX];
	bool own = false;

	for (unsigned number = 1; !own && fgets(line, sizeof(line), file) != NULL; number++) {
		char *comment = strchr(line, '#'), *rest = line, *first;

		if (strchr(line, '\n') == NULL && !feof(file))
			return false;
		if (comment != NULL)
			*comment = '\0';
		first = strsep(&rest, SPACE);
		while (first != NULL && first[0] == '\0' && rest != NULL)
			first = strsep(&rest, SPACE);
		own = strcmp(first, driver) == 0;
		if (!own && strcmp(first, "*") != 0)
			continue;
		snprintf(rule->words, sizeof(rule->words), "%s", rest != NULL ? rest : "");
		snprintf(rule->where, sizeof(rule->where), "%.200s:%u", path, number);
	}
	return true;
}

/* False: nobody is allowed, because the file cannot be relied upon. */
static bool
read_rule(const char *path, const char *driver, struct rule *rule, char *reason)
{
	FILE *file = fopen(path, "re");
	struct stat info;
	bool usable;

	snprintf(rule->words, sizeof(rule->words), DEFAULT_RULE);
	snprintf(rule->where, sizeof(rule->where), "the default, as %.180s has no line for it",
		 path);
	if (file == NULL && errno == ENOENT)
		return true;
	if (file == NULL) {
		snprintf(reason, POLICY_REASON_MAX, "\"access\": %.200s: %s", path,
			 strerror(errno));
		return false;
	}
	usable = fstat(fileno(file), &info) == 0 &&
		 (info.st_uid == 0 || info.st_uid == geteuid()) && (info.st_mode & 022) == 0;
	if (!usable)
		snprintf(reason, POLICY_REASON_MAX,
			 "\"access\": %.200s can be written by others than root, so nothing in it "
			 "counts; chown root and chmod go-w it",
			 path);
	else if (!(usable = find_rule(file, path, driver, rule)))
		snprintf(reason, POLICY_REASON_MAX,
			 "\"access\": %.200s has a line of more than %d bytes; make it shorter",
			 path, RULE_MAX - 2);
	fclose(file);
	return usable;
}

/* The words that count, in one line. */
static void
tidy(char *words)
{
	char *to = words;

	for (char *word, *rest = words; (word = strsep(&rest, SPACE)) != NULL;) {
		size_t length = strlen(word);

		if (length == 0)
			continue;
		if (to != words)
			*to++ = ' ';
		memmove(to, word, length);
		to += length;
	}
	*to = '\0';
}

bool
policy_allows(const char *file, int socket, const struct ucred *who, const char *driver,
	      char reason[POLICY_REASON_MAX])
{
	struct peer peer = {.who = who};
	char *word, *rest, words[RULE_MAX];
	bool allowed = false;
	struct rule rule;

	if (who->uid == geteuid())
		return true;
	if (file == NULL) {
		snprintf(
			reason, POLICY_REASON_MAX,
			"\"same user\": this registry serves uid %u only; run the app as that user",
			geteuid());
		return false;
	}
	if (who->uid == 0)
		return true;
	if (!read_rule(file, driver, &rule, reason))
		return false;
	tidy(rule.words);
	memcpy(words, rule.words, sizeof(words));
	get_groups(socket, &peer);
	for (rest = words; !allowed && (word = strsep(&rest, SPACE)) != NULL;)
		allowed = word[0] != '\0' && allows(&peer, word, rule.where);
	free(peer.groups);
	if (!allowed)
		snprintf(reason, POLICY_REASON_MAX,
			 "\"access\": %.80s is for %.80s (%.100s); put the user into such a group "
			 "and log in again, or give the driver a line in %.60s",
			 driver, rule.words[0] != '\0' ? rule.words : "nobody", rule.where, file);
	return allowed;
}
