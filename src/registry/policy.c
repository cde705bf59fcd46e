/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access file. What is not understood refuses: a line with an error, or with a name that the
 * system does not know, allows nobody by that word, and the log says which line.
 *
 * It is the administrator's, so it is not checked as a peer's bytes are; it has to belong to root
 * or to the registry's user. Left out: how it is read (policy_rules.c). One thread, the registry's.
 */
#include "policy_private.h"

#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_GROUP "opendext"
#define GROUPS_MAX    65536 /* NGROUPS_MAX of the kernel */

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

/* --- seats --- */

/* Whether the session that is active there is this user's. */
static bool
is_active(const char *folder, const char *seat, uid_t uid)
{
	static const char key[] = "ACTIVE_UID=";
	char path[PATH_MAX], line[256];
	bool active = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, seat);
	file = fopen(path, "re");
	while (file != NULL && !active && fgets(line, sizeof(line), file) != NULL) {
		unsigned id;

		line[strcspn(line, "\n")] = '\0';
		active = strncmp(line, key, strlen(key)) == 0 &&
			 policy_parse_id(line + strlen(key), &id) && id == uid;
	}
	if (file != NULL)
		fclose(file);
	return active;
}

/* False, and *ret_logind says whether anybody could be. */
static bool
is_at_seat(const char *folder, uid_t uid, bool *ret_logind)
{
	DIR *seats = opendir(folder);
	struct dirent *entry;
	bool found = false;

	*ret_logind = seats != NULL;
	while (seats != NULL && !found && (entry = readdir(seats)) != NULL)
		found = entry->d_name[0] != '.' && is_active(folder, entry->d_name, uid);
	if (seats != NULL)
		closedir(seats);
	return found;
}

/* --- */

IOReturn
policy_open(const char *file, const char *seats, struct policy **ret_policy)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (policy == NULL)
		return kIOReturnNoMemory;
	policy->seats = strdup(seats);
	policy->file = file != NULL ? strdup(file) : NULL;
	if (policy->seats == NULL || (file != NULL && policy->file == NULL)) {
		policy_close(policy);
		return kIOReturnNoMemory;
	}
	policy->default_rule.words = &policy->default_word;
	policy->default_rule.count = 1;
	snprintf(policy->default_rule.text, sizeof(policy->default_rule.text),
		 "group:" DEFAULT_GROUP);
	if (file != NULL) {
		snprintf(policy->default_rule.where, sizeof(policy->default_rule.where),
			 "the default, as %.180s has no line for it", file);
		policy_parse_word(policy->default_rule.text, NULL, &policy->default_word);
		policy_refresh(policy);
	}
	*ret_policy = policy;
	return kIOReturnSuccess;
}

void
policy_close(struct policy *policy)
{
	if (policy == NULL)
		return;
	policy_forget_rules(policy);
	free(policy->file);
	free(policy->seats);
	free(policy);
}

static const struct policy_rule *
find_rule(const struct policy *policy, const char *driver)
{
	const struct policy_rule *found = &policy->default_rule;

	for (const struct policy_rule *rule = policy->rules; rule != NULL; rule = rule->next) {
		if (strcmp(rule->driver, driver) == 0)
			return rule;
		if (strcmp(rule->driver, "*") == 0 && found == &policy->default_rule)
			found = rule;
	}
	return found;
}

static bool
allows(const struct policy *policy, const struct peer *peer, const struct policy_word *word,
       const char **ret_remark)
{
	bool logind = true, allowed;

	switch (word->kind) {
	case POLICY_EVERYONE:
		return true;
	case POLICY_USER:
		return peer->who->uid == word->id;
	case POLICY_GROUP:
		return is_member(peer, word->id);
	case POLICY_SEAT:
		allowed = is_at_seat(policy->seats, peer->who->uid, &logind);
		if (!logind)
			*ret_remark = "; there is no logind here that says who is at the seat";
		return allowed;
	default:
		return false;
	}
}

bool
policy_allows(struct policy *policy, int socket, const struct ucred *who, const char *driver,
	      char reason[POLICY_REASON_MAX])
{
	struct peer peer = {.who = who};
	const struct policy_rule *rule;
	const char *remark = "";
	bool allowed = false;

	if (who->uid == geteuid())
		return true;
	if (policy->file == NULL) {
		snprintf(
			reason, POLICY_REASON_MAX,
			"\"same user\": this registry serves uid %u only; run the app as that user",
			geteuid());
		return false;
	}
	if (who->uid == 0)
		return true;
	policy_refresh(policy);
	if (policy->broken[0] != '\0') {
		snprintf(reason, POLICY_REASON_MAX, "\"access\": %.400s", policy->broken);
		return false;
	}
	rule = find_rule(policy, driver);
	get_groups(socket, &peer);
	for (unsigned i = 0; i < rule->count && !allowed; i++)
		allowed = allows(policy, &peer, &rule->words[i], &remark);
	free(peer.groups);
	if (!allowed)
		snprintf(reason, POLICY_REASON_MAX,
			 "\"access\": %.80s is for %.80s (%.100s)%s; put the user into such a "
			 "group and log in again, or give the driver a line in %.60s",
			 driver, rule->text[0] != '\0' ? rule->text : "nobody", rule->where, remark,
			 policy->file);
	return allowed;
}
