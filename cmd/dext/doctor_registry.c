/* SPDX-License-Identifier: Apache-2.0 */
/* The registry, who may use it, and the bundles that it would find. */
#include "doctor.h"

#include "ask.h"
#include "bundle_lint.h"
#include "defaults.h"

#include <dirent.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUP "opendext"

void
doctor_check_registry(struct doctor *doctor)
{
	char where[256] = "";

	if (ask_try(where, sizeof(where)))
		doctor_ok(doctor, "registry", "answers at %s", where);
	else
		doctor_hint(doctor, "registry",
			    "sudo systemctl start dextd, or: dext run BUNDLE, and set "
			    "OPENDEXT_RUNTIME_DIR to what it prints",
			    "nobody answers at %s", where);
}

static bool
is_member(gid_t group)
{
	int count = getgroups(0, NULL);
	gid_t *groups = count > 0 ? calloc((size_t)count, sizeof(gid_t)) : NULL;
	bool found = getegid() == group;

	if (groups != NULL)
		count = getgroups(count, groups);
	for (int i = 0; groups != NULL && i < count; i++)
		found = found || groups[i] == group;
	free(groups);
	return found;
}

void
doctor_check_group(struct doctor *doctor)
{
	const struct group *group = getgrnam(GROUP);

	if (group == NULL)
		doctor_hint(doctor, "group",
			    "sudo groupadd --system " GROUP " && sudo usermod -aG " GROUP
			    " $USER, and log in again",
			    "there is no group " GROUP ", to which dextd opens drivers' services");
	else if (geteuid() == 0 || is_member(group->gr_gid))
		doctor_ok(doctor, "group", "services of dextd can be opened");
	else
		doctor_hint(doctor, "group", "sudo usermod -aG " GROUP " $USER, and log in again",
			    "this user is not in the group " GROUP
			    ", to which dextd opens drivers' services");
}

struct tally {
	unsigned bundles, bad, errors;
	char remedy[PATH_MAX + 64];
};

static void
count(void *context, const struct bundle_finding *finding)
{
	struct tally *tally = context;

	tally->errors += finding->severity != BUNDLE_WARNING;
}

static void
look_into(const char *path, struct tally *tally)
{
	static const char ending[] = ".dext";
	struct dirent *entry;
	DIR *folder = opendir(path);
	char bundle[PATH_MAX];

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		size_t length = strlen(entry->d_name);

		if (length <= strlen(ending) ||
		    strcmp(entry->d_name + length - strlen(ending), ending) != 0 ||
		    snprintf(bundle, sizeof(bundle), "%s/%s", path, entry->d_name) >=
			    (int)sizeof(bundle))
			continue;
		tally->bundles++;
		tally->errors = 0;
		bundle_lint(bundle, count, tally);
		if (tally->errors == 0)
			continue;
		tally->bad++;
		snprintf(tally->remedy, sizeof(tally->remedy), "dext lint %s", bundle);
	}
	if (folder != NULL)
		closedir(folder);
}

void
doctor_check_bundles(struct doctor *doctor)
{
	static const char *const folders[] = {BUNDLE_FOLDERS};
	struct tally tally = {0};
	char path[PATH_MAX];

	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		doctor_path(doctor, folders[i], path);
		look_into(path, &tally);
	}
	if (tally.bad > 0)
		doctor_fix(doctor, "bundles", tally.remedy, "%u of %u bundles have errors",
			   tally.bad, tally.bundles);
	else if (tally.bundles == 0)
		doctor_hint(doctor, "bundles",
			    "sudo cp -r NAME.dext /etc/opendext/bundles/, or: dext run NAME.dext",
			    "dextd would find none in its folders");
	else
		doctor_ok(doctor, "bundles", "%u, without errors", tally.bundles);
}
