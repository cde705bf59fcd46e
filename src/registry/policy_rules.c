/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the access file: when it has changed, whole, names included. A name that is looked up may
 * be asked of a server on the network, for which the registry's one thread waits; so this is done
 * for each version of the file once, also of one that is broken, and never for an app.
 */
#include "policy_private.h"

#include "log.h"
#include "packet.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPACE	       " \t\r\n"
#define FILE_BYTES_MAX (1 << 20)

bool
policy_parse_id(const char *text, unsigned *ret_id)
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

	if (policy_parse_id(name, ret_uid))
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

	if (policy_parse_id(name, ret_gid))
		return true;
	group = getgrnam(name);
	if (group != NULL)
		*ret_gid = group->gr_gid;
	return group != NULL;
}

void
policy_parse_word(const char *text, const char *where, struct policy_word *ret_word)
{
	struct policy_word word = {POLICY_NOBODY, 0};

	if (strcmp(text, "everyone") == 0)
		word.kind = POLICY_EVERYONE;
	else if (strcmp(text, "seat") == 0)
		word.kind = POLICY_SEAT;
	else if (strncmp(text, "user:", 5) == 0 && get_user(text + 5, &word.id))
		word.kind = POLICY_USER;
	else if (strncmp(text, "group:", 6) == 0 && get_group(text + 6, &word.id))
		word.kind = POLICY_GROUP;
	else if (where != NULL)
		log_info("%s: '%s' is no user:NAME or group:NAME that exists, nor everyone nor "
			 "seat, and allows nobody",
			 where, text);
	*ret_word = word;
}

/* --- lines --- */

static bool
add_word(struct policy_rule *rule, const char *text)
{
	struct policy_word *grown =
		realloc(rule->words, (rule->count + 1) * sizeof(rule->words[0]));
	size_t length = strlen(rule->text);

	if (grown == NULL)
		return false;
	rule->words = grown;
	policy_parse_word(text, rule->where, &rule->words[rule->count++]);
	snprintf(rule->text + length, sizeof(rule->text) - length, "%s%s", length > 0 ? " " : "",
		 text);
	return true;
}

/* False: no memory. */
static bool
add_rule(struct policy *policy, struct policy_rule **last, char *line, unsigned number)
{
	struct policy_rule *rule = NULL;

	line[strcspn(line, "#")] = '\0';
	for (char *word; (word = strsep(&line, SPACE)) != NULL;) {
		if (word[0] == '\0')
			continue;
		if (rule != NULL) {
			if (!add_word(rule, word))
				return false;
			continue;
		}
		rule = calloc(1, sizeof(*rule));
		if (rule == NULL)
			return false;
		*last = rule;
		snprintf(rule->where, sizeof(rule->where), "%.200s:%u", policy->file, number);
		rule->driver = strdup(word);
		if (rule->driver == NULL)
			return false;
	}
	return true;
}

static void
read_rules(struct policy *policy, FILE *file)
{
	struct policy_rule **last = &policy->rules;
	char line[POLICY_LINE_MAX];

	for (unsigned number = 1; fgets(line, sizeof(line), file) != NULL; number++) {
		if (strchr(line, '\n') == NULL && !feof(file)) {
			snprintf(policy->broken, sizeof(policy->broken),
				 "%.140s has a line of more than %d bytes; make it shorter",
				 policy->file, POLICY_LINE_MAX - 2);
			return;
		}
		if (!add_rule(policy, last, line, number)) {
			snprintf(policy->broken, sizeof(policy->broken), "%.140s: no memory",
				 policy->file);
			memset(&policy->read, 0, sizeof(policy->read)); /* it is read again */
			return;
		}
		if (*last != NULL)
			last = &(*last)->next;
	}
	/* The lines that are missing may be those that refuse. */
	if (ferror(file)) {
		snprintf(policy->broken, sizeof(policy->broken), "%.140s cannot be read: %s",
			 policy->file, strerror(errno));
		memset(&policy->read, 0, sizeof(policy->read));
	}
}

/* --- */

void
policy_forget_rules(struct policy *policy)
{
	while (policy->rules != NULL) {
		struct policy_rule *rule = policy->rules;

		policy->rules = rule->next;
		free(rule->driver);
		free(rule->words);
		free(rule);
	}
	policy->broken[0] = '\0';
}

static bool
is_same(const struct stat *one, const struct stat *other)
{
	return one->st_dev == other->st_dev && one->st_ino == other->st_ino &&
	       one->st_mode == other->st_mode && one->st_uid == other->st_uid &&
	       one->st_size == other->st_size && one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
	       one->st_mtim.tv_nsec == other->st_mtim.tv_nsec &&
	       one->st_ctim.tv_sec == other->st_ctim.tv_sec &&
	       one->st_ctim.tv_nsec == other->st_ctim.tv_nsec;
}

/* Whatever is there: not waited for. What it is, is asked when it is open. */
static FILE *
open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (fd >= 0 && file == NULL)
		fd_close(&fd);
	return file;
}

void
policy_refresh(struct policy *policy)
{
	struct stat info = {0};
	FILE *file;

	if (stat(policy->file, &info) == 0 && is_same(&info, &policy->read))
		return;
	policy_forget_rules(policy);
	memset(&policy->read, 0, sizeof(policy->read));
	file = open_file(policy->file);
	if (file == NULL && errno == ENOENT)
		return;
	if (file == NULL) {
		snprintf(policy->broken, sizeof(policy->broken), "%.180s: %s", policy->file,
			 strerror(errno));
		return;
	}
	/* Before it is read: what is written meanwhile makes it another one. */
	if (fstat(fileno(file), &policy->read) < 0 ||
	    (policy->read.st_uid != 0 && policy->read.st_uid != geteuid()) ||
	    (policy->read.st_mode & 022) != 0)
		snprintf(policy->broken, sizeof(policy->broken),
			 "%.100s can be written by others than root, so nothing in it counts; "
			 "chown root and chmod go-w it",
			 policy->file);
	else if (!S_ISREG(policy->read.st_mode))
		snprintf(policy->broken, sizeof(policy->broken), "%.180s is no file", policy->file);
	else if (policy->read.st_size > FILE_BYTES_MAX)
		snprintf(policy->broken, sizeof(policy->broken),
			 "%.140s has more than %d bytes; make it shorter", policy->file,
			 FILE_BYTES_MAX);
	else
		read_rules(policy, file);
	fclose(file);
}
