/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What root may do and this program does not need, given up for good: what is left is to give hosts
 * users of their own and to end them. It then has only what belongs to root, as files.
 */
#include "dextd.h"

#include "status.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT                                                                                  \
	(UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETPCAP | \
	 UINT64_C(1) << CAP_KILL)

IOReturn
privileges_drop(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return status_from_errno(errno, "prctl(PR_SET_NO_NEW_PRIVS)");
	if (syscall(SYS_capget, &header, sets) < 0)
		return status_from_errno(errno, "capget");
	/* What a unit has taken away already cannot be asked for again. */
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets[i].permitted &= (uint32_t)(KEPT >> (32 * i));
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, sets) < 0)
		return status_from_errno(errno, "capset");
	return kIOReturnSuccess;
}
