/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file view, by Landlock: one rule set in which every right that this kernel knows is handled,
 * so denied, and reading is given back beneath a few folders. Files are mapped as code by dlopen,
 * for which reading is enough; nothing may be executed.
 *
 * Landlock does not hide names: stat of a path still answers. What it leaves out, seccomp covers:
 * sockets of all kinds, and chmod, chown, utime and the like, which are no opens.
 */
#include "sandbox_private.h"

#include "log.h"
#include "packet.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where libraries are, as the loader's cache and its built-in search have it. */
static const char *const system_paths[] = {
	"/lib",		"/lib64",	  "/usr/lib",	      "/usr/lib64",
	"/usr/libexec", "/usr/local/lib", "/etc/ld.so.cache",
};

#define READ_FILE LANDLOCK_ACCESS_FS_READ_FILE
#define READ_TREE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* The rule set's attributes as of ABI 6; a kernel takes the length that its version has. */
struct ruleset_attributes {
	uint64_t files;
	uint64_t network; /* since 4 */
	uint64_t scopes;  /* since 6 */
};

#define NETWORK_ALL 0x3 /* TCP bind and connect */
#define SCOPES_ALL  0x3 /* abstract sockets, signals */

/* How many file rights each version knows: EXECUTE to MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV. */
static unsigned
count_rights(int abi)
{
	if (abi == 1)
		return 13;
	if (abi == 2)
		return 14;
	return abi < 5 ? 15 : 16;
}

static int
create_ruleset(int abi)
{
	struct ruleset_attributes attributes = {.files = (UINT64_C(1) << count_rights(abi)) - 1};
	size_t size = sizeof(attributes.files);

	if (abi >= 4) {
		attributes.network = NETWORK_ALL;
		size = offsetof(struct ruleset_attributes, scopes);
	}
	if (abi >= 6) {
		attributes.scopes = SCOPES_ALL;
		size = sizeof(attributes);
	}
	return (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
}

/* A path that is not there needs no rule. */
static IOReturn
allow_reading(int ruleset, const char *path)
{
	struct landlock_path_beneath_attr rule;
	IOReturn res = kIOReturnSuccess;
	struct stat status;
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? kIOReturnSuccess : status_from_errno(errno, path);
	if (fstat(fd, &status) < 0) {
		res = status_from_errno(errno, path);
	} else {
		rule.parent_fd = fd;
		rule.allowed_access = S_ISDIR(status.st_mode) ? READ_TREE : READ_FILE;
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) <
		    0)
			res = status_from_errno(errno, path);
	}
	fd_close(&fd);
	return res;
}

IOReturn
files_restrict(const char *bundle, const char *executable, int *ret_abi)
{
	int abi =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	IOReturn res = kIOReturnSuccess;
	int ruleset;

	if (abi < 1)
		return kIOReturnUnsupported;
	ruleset = create_ruleset(abi);
	if (ruleset < 0)
		return status_from_errno(errno, "landlock_create_ruleset");
	for (unsigned i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]); i++)
		if (res == kIOReturnSuccess)
			res = allow_reading(ruleset, system_paths[i]);
	if (res == kIOReturnSuccess)
		res = allow_reading(ruleset, bundle);
	if (res == kIOReturnSuccess)
		res = allow_reading(ruleset, executable);
	if (res == kIOReturnSuccess && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		res = status_from_errno(errno, "landlock_restrict_self");
	fd_close(&ruleset);
	if (res == kIOReturnSuccess)
		*ret_abi = abi;
	return res;
}
