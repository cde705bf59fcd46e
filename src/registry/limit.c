/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory a host may have, by a control group for each (cgroup v2).
 *
 * This process's own group has to be delegated to it, as systemd's Delegate= does. The kernel gives
 * limits to groups without processes of their own, so this process moves down into one beside
 * those of its hosts. A host is moved before it is sent START, so before anything of the driver
 * runs; it cannot leave, since it can open nothing.
 *
 * Memory counts for who touches it first. A host that would get more is killed by the kernel, and
 * started again as after any crash; what it shares with apps it refuses before (memory/budget.h).
 * One thread, the registry's.
 */
#include "registry_private.h"

#include "log.h"
#include "packet.h"
#include "status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MOUNT	       "/sys/fs/cgroup"
#define OWN_GROUP      "registry"
#define COMMANDS_GROUP ".control"
#define HOST_PREFIX    "host-"
#define GROUP_MAX      (PATH_MAX - 64)

static IOReturn
write_file(const char *group, const char *name, const char *text)
{
	IOReturn status = kIOReturnSuccess;
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		status = status_from_errno(errno, path);
	fd_close(&fd);
	return status;
}

/* The first line of the file that begins so, without that; false: there is none. */
static bool
read_line(const char *path, const char *begin, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(begin);
	bool found = false;

	while (file != NULL && !found && fgets(line, (int)size, file) != NULL)
		found = strncmp(line, begin, length) == 0;
	if (file != NULL)
		fclose(file);
	if (!found)
		return false;
	memmove(line, line + length, strlen(line + length) + 1);
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static bool
is_a_hosts(const struct registry *registry, int pid)
{
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->pid == pid)
			return true;
	}
	return false;
}

/* Those of hosts of an earlier process here. What still runs there is nobody's and is killed. */
static void
remove_old(const struct registry *registry, const char *group)
{
	DIR *folder = opendir(group);
	struct dirent *entry;
	char path[PATH_MAX];

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (strncmp(entry->d_name, HOST_PREFIX, strlen(HOST_PREFIX)) != 0 ||
		    is_a_hosts(registry, atoi(entry->d_name + strlen(HOST_PREFIX))))
			continue;
		if (unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR) == 0)
			continue;
		snprintf(path, sizeof(path), "%.3000s/%s", group, entry->d_name);
		write_file(path, "cgroup.kill", "1");
	}
	if (folder != NULL)
		closedir(folder);
}

/* systemd's DelegateSubgroup= has put this process there already; or it is a command of the unit.
 */
static void
leave_out_own(char *path)
{
	char *last = strrchr(path, '/');

	if (last != NULL &&
	    (strcmp(last + 1, OWN_GROUP) == 0 || strcmp(last + 1, COMMANDS_GROUP) == 0))
		*last = '\0';
}

/* This service's group; false: `error` says why there is none. */
static bool
find_group(char group[GROUP_MAX], char error[REGISTRY_ERROR_MAX])
{
	char own[PATH_MAX / 2];
	struct statfs info;

	if (statfs(MOUNT, &info) < 0 || info.f_type != CGROUP2_SUPER_MAGIC ||
	    !read_line("/proc/self/cgroup", "0::/", own, sizeof(own))) {
		snprintf(error, REGISTRY_ERROR_MAX, "there is no cgroup v2 at " MOUNT);
		return false;
	}
	snprintf(group, GROUP_MAX, MOUNT "/%s", own);
	leave_out_own(group);
	return true;
}

IOReturn
limit_release(char error[REGISTRY_ERROR_MAX])
{
	char group[GROUP_MAX];
	IOReturn status;

	if (!find_group(group, error))
		return kIOReturnUnsupported;
	status = write_file(group, "cgroup.subtree_control", "-memory");
	if (status != kIOReturnSuccess)
		snprintf(error, REGISTRY_ERROR_MAX, "%.300s: %s", group, status_string(status));
	return status;
}

IOReturn
limit_prepare(struct registry *registry, char error[REGISTRY_ERROR_MAX])
{
	char group[GROUP_MAX], inner[PATH_MAX], list[256];
	IOReturn status = kIOReturnUnsupported;

	if (!find_group(group, error))
		return status;
	snprintf(inner, sizeof(inner), "%s/cgroup.controllers", group);
	if (!read_line(inner, "", list, sizeof(list)) || strstr(list, "memory") == NULL) {
		snprintf(error, REGISTRY_ERROR_MAX, "%.300s has no memory controller", group);
		return status;
	}
	snprintf(inner, sizeof(inner), "%s/" OWN_GROUP, group);
	if (mkdir(inner, 0755) < 0 && errno != EEXIST)
		status = status_from_errno(errno, inner);
	else
		status = write_file(inner, "cgroup.procs", "0");
	if (status == kIOReturnSuccess)
		status = write_file(group, "cgroup.subtree_control", "+memory");
	if (status != kIOReturnSuccess) {
		snprintf(error, REGISTRY_ERROR_MAX,
			 "%.300s is not delegated to this process (%s); systemd does that by "
			 "Delegate=memory",
			 group, status_string(status));
		return status;
	}
	remove_old(registry, group);
	registry->group = strdup(group);
	return registry->group != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

static void
name_group(const struct host *host, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" HOST_PREFIX "%d", host->registry->group, (int)host->pid);
}

IOReturn
limit_begin(const struct host *host)
{
	char path[PATH_MAX], text[24];
	IOReturn status;

	if (host->registry->group == NULL)
		return kIOReturnSuccess;
	name_group(host, path);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return status_from_errno(errno, path);
	snprintf(text, sizeof(text), "%" PRIu64, host->registry->memory_max);
	status = write_file(path, "memory.max", text);
	snprintf(text, sizeof(text), "%d", (int)host->pid);
	return status == kIOReturnSuccess ? write_file(path, "cgroup.procs", text) : status;
}

void
limit_end(const struct host *host)
{
	char path[PATH_MAX];

	if (host->registry->group == NULL)
		return;
	name_group(host, path);
	if (rmdir(path) < 0 && errno != ENOENT)
		status_from_errno(errno, path);
}
