/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering the sandbox: the files first, because seccomp forbids Landlock's own calls.
 *
 * One line of the log says what holds, so that nobody has to guess. A part that is missing is
 * tolerated with SANDBOX_BEST and an error with SANDBOX_REQUIRED; one that fails is always an
 * error.
 */
#include "sandbox.h"

#include "sandbox_private.h"

#include "log.h"
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static const char *const names[] = {
	[SANDBOX_OFF] = "off",
	[SANDBOX_BEST] = "best",
	[SANDBOX_REQUIRED] = "required",
};

bool
sandbox_level_of(const char *name, enum sandbox_level *ret_level)
{
	for (unsigned i = SANDBOX_OFF; i <= SANDBOX_REQUIRED; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*ret_level = (enum sandbox_level)i;
		return true;
	}
	return false;
}

const char *
sandbox_level_name(enum sandbox_level level)
{
	return names[level];
}

IOReturn
sandbox_hide(void)
{
	if (!SANDBOX_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return status_from_errno(errno, "prctl(PR_SET_DUMPABLE)");
	return kIOReturnSuccess;
}

static IOReturn
refuse(const char *missing, const char *remedy)
{
	log_error("sandbox: required, but %s is missing: %s", missing, remedy);
	return kIOReturnUnsupported;
}

IOReturn
sandbox_enter(enum sandbox_level level, const char *bundle, const char *executable)
{
	char files[64] = "files: NOT restricted", calls[64] = "system calls: NOT restricted";
	IOReturn res = kIOReturnUnsupported;
	unsigned count = 0;
	int abi = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return status_from_errno(errno, "prctl(PR_SET_NO_NEW_PRIVS)");
	if (level == SANDBOX_OFF) {
		log_info("sandbox: off; no new privileges");
		return kIOReturnSuccess;
	}
	if (!SANDBOX_SANITIZED)
		res = files_restrict(bundle, executable, &abi);
	if (res == kIOReturnSuccess)
		snprintf(files, sizeof(files), "files: Landlock %d", abi);
	else if (res != kIOReturnUnsupported)
		return res;
	else if (level == SANDBOX_REQUIRED)
		return refuse("Landlock",
			      "Linux 5.13 or newer with `landlock` in its list of "
			      "security modules (lsm=), in a container a seccomp "
			      "profile that allows its calls, and a build without "
			      "sanitizer; `dext doctor` tells more, --sandbox=best goes "
			      "on without");
	res = calls_restrict(&count);
	if (res == kIOReturnSuccess)
		snprintf(calls, sizeof(calls), "system calls: %u by seccomp", count);
	else if (res != kIOReturnUnsupported)
		return res;
	else if (level == SANDBOX_REQUIRED)
		return refuse("seccomp", "a kernel with CONFIG_SECCOMP_FILTER, and a build without "
					 "sanitizer; `dext doctor` tells more, --sandbox=best goes "
					 "on without");
	log_info("sandbox: %s; %s; no new privileges", files, calls);
	return kIOReturnSuccess;
}
