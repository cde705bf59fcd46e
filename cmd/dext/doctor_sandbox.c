/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a driver's sandbox. Each is tried in a way that changes nothing; dextd, and `dext
 * run --sandbox=required`, start no driver where Landlock or seccomp is missing.
 */
#include "doctor.h"

#include "defaults.h"

#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
has_filter(void)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

void
doctor_check_sandbox(struct doctor *doctor)
{
	int abi =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int error = errno;

	if (abi >= 1)
		doctor_ok(doctor, "landlock", "ABI %d", abi);
	else
		doctor_fix(doctor, "landlock",
			   error == EPERM ? "allow landlock_create_ruleset, landlock_add_rule and "
					    "landlock_restrict_self in the container's seccomp "
					    "profile, or give --sandbox=best"
			   : error == EOPNOTSUPP
				   ? "add landlock to lsm= on the kernel's command line (cat "
				     "/sys/kernel/security/lsm shows the list) and boot, or give "
				     "--sandbox=best"
				   : "boot Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK, or "
				     "give --sandbox=best",
			   "a driver's view of files cannot be restricted: %s", strerror(error));
	if (has_filter())
		doctor_ok(doctor, "seccomp", "system calls can be filtered");
	else
		doctor_fix(doctor, "seccomp",
			   "a kernel with CONFIG_SECCOMP_FILTER, or give --sandbox=best",
			   "system calls cannot be filtered: %s", strerror(errno));
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0)
		doctor_ok(doctor, "no-new-privs", "privileges can be given up for good");
	else
		doctor_fix(doctor, "no-new-privs", "boot Linux 5.10 or newer",
			   "prctl(PR_GET_NO_NEW_PRIVS): %s", strerror(errno));
}

void
doctor_check_cgroup(struct doctor *doctor)
{
	static const char remedy[] =
		"use the unit dextd.service, which has Delegate=memory, or: systemd-run --user "
		"--scope -p Delegate=yes dextd ...";
	char line[512] = "", path[PATH_MAX], group[600];

	if (!doctor_read(doctor, "/sys/fs/cgroup/cgroup.controllers", line, sizeof(line))) {
		doctor_hint(doctor, "cgroup-memory",
			    "boot with systemd.unified_cgroup_hierarchy=1; without, do not give "
			    "--memory-max",
			    "there is no cgroup v2 at /sys/fs/cgroup: drivers' memory is not "
			    "limited");
		return;
	}
	if (strstr(line, "memory") == NULL) {
		doctor_hint(doctor, "cgroup-memory",
			    "boot without cgroup_disable=memory; without, do not give --memory-max",
			    "cgroup v2 has no memory controller: drivers' memory is not limited");
		return;
	}
	if (!doctor_read(doctor, "/proc/self/cgroup", line, sizeof(line)) ||
	    strncmp(line, "0::/", 4) != 0)
		line[0] = '\0';
	snprintf(group, sizeof(group), "/sys/fs/cgroup%s/cgroup.subtree_control",
		 line[0] != '\0' ? line + 3 : "");
	doctor_path(doctor, group, path);
	if (access(path, W_OK) == 0)
		doctor_ok(doctor, "cgroup-memory", "drivers' memory can be limited");
	else
		doctor_hint(doctor, "cgroup-memory", remedy,
			    "this process's control group is not its own: a dextd started from "
			    "here cannot limit drivers' memory");
}

void
doctor_check_users(struct doctor *doctor)
{
	unsigned taken = 0;

	if (geteuid() != 0) {
		doctor_hint(doctor, "host-uids", "sudo systemctl start dextd",
			    "drivers that this user starts run as this user; with a dextd of root "
			    "each one has a user of its own");
		return;
	}
	for (uid_t uid = HOST_FIRST_UID; uid <= HOST_LAST_UID; uid++)
		taken += getpwuid(uid) != NULL;
	if (taken == HOST_LAST_UID - HOST_FIRST_UID + 1)
		doctor_fix(doctor, "host-uids", "dextd --host-uids FIRST-LAST with free ids",
			   "all user ids from %u to %u are taken", HOST_FIRST_UID, HOST_LAST_UID);
	else
		doctor_ok(doctor, "host-uids", "%u to %u, %u of them taken", HOST_FIRST_UID,
			  HOST_LAST_UID, taken);
}
