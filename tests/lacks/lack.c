/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program on a kernel that lacks something, or in a container that forbids it:
 *
 *	lack landlock populate -- COMMAND [ARGUMENT...]
 *	lack linux-5.10 -- COMMAND
 *	lack --list
 *
 * A seccomp filter answers the calls as a kernel without them does (ENOSYS, EINVAL for a flag or an
 * option that it does not know) or as a container does (EPERM), and stays for all that the command
 * starts. What an older kernel lacks inside of a call that it has cannot be had this way.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MFD_NOEXEC_SEAL_FLAG 0x8u
#define MFD_EXEC_FLAG	     0x10u
#define PR_SET_VMA_OPTION    0x53564d41
#define SO_PEERPIDFD_OPTION  77

/* One call, or one use of it, that is not there. */
struct absence {
	const char *lack;
	const char *call;
	int error;
	unsigned conditions;
	struct scmp_arg_cmp conditions_of[2];
};

#define WHOLE(lack, call, error)      \
	{                             \
		lack, call, error, 0, \
		{                     \
		}                     \
	}
#define FLAG(lack, call, error, argument, bits)                              \
	{                                                                    \
		lack, call, error, 1,                                        \
		{                                                            \
			{                                                    \
				argument, SCMP_CMP_MASKED_EQ, (bits), (bits) \
			}                                                    \
		}                                                            \
	}
#define VALUE(lack, call, error, argument, value)                 \
	{                                                         \
		lack, call, error, 1,                             \
		{                                                 \
			{                                         \
				argument, SCMP_CMP_EQ, (value), 0 \
			}                                         \
		}                                                 \
	}

static const struct absence absences[] = {
	/* 6.3 */
	FLAG("memfd-noexec", "memfd_create", EINVAL, 1, MFD_NOEXEC_SEAL_FLAG),
	FLAG("memfd-noexec", "memfd_create", EINVAL, 1, MFD_EXEC_FLAG),
	/* 5.13; not in the list of security modules; a container */
	WHOLE("landlock", "landlock_create_ruleset", ENOSYS),
	WHOLE("landlock", "landlock_add_rule", ENOSYS),
	WHOLE("landlock", "landlock_restrict_self", ENOSYS),
	WHOLE("landlock-off", "landlock_create_ruleset", EOPNOTSUPP),
	WHOLE("landlock-off", "landlock_add_rule", EOPNOTSUPP),
	WHOLE("landlock-off", "landlock_restrict_self", EOPNOTSUPP),
	WHOLE("landlock-forbidden", "landlock_create_ruleset", EPERM),
	WHOLE("landlock-forbidden", "landlock_add_rule", EPERM),
	WHOLE("landlock-forbidden", "landlock_restrict_self", EPERM),
	/* CONFIG_SECCOMP_FILTER */
	VALUE("seccomp", "prctl", EINVAL, 0, PR_GET_SECCOMP),
	VALUE("seccomp", "prctl", EINVAL, 0, PR_SET_SECCOMP),
	WHOLE("seccomp", "seccomp", ENOSYS),
	/* CONFIG_USERFAULTFD; a container */
	WHOLE("userfaultfd", "userfaultfd", ENOSYS),
	WHOLE("userfaultfd-forbidden", "userfaultfd", EPERM),
	/* 5.11: UFFD_USER_MODE_ONLY; 5.19: write protection of shared memory */
	FLAG("userfaultfd-user-mode", "userfaultfd", EINVAL, 0, 1),
	VALUE("write-protection", "ioctl", EINVAL, 1, UFFDIO_WRITEPROTECT),
	/* 5.14 */
	VALUE("populate", "madvise", EINVAL, 2, 22),
	VALUE("populate", "madvise", EINVAL, 2, 23),
	/* CONFIG_RSEQ; a container of before its time */
	WHOLE("rseq", "rseq", ENOSYS),
	WHOLE("rseq-forbidden", "rseq", EPERM),
	/* 6.5 */
	{"peerpidfd",
	 "getsockopt",
	 ENOPROTOOPT,
	 2,
	 {{1, SCMP_CMP_EQ, SOL_SOCKET, 0}, {2, SCMP_CMP_EQ, SO_PEERPIDFD_OPTION, 0}}},
	/* 5.3, so older than what is promised; a container of before its time */
	WHOLE("pidfd", "pidfd_open", ENOSYS),
	WHOLE("pidfd-forbidden", "pidfd_open", EPERM),
	/* 5.9 and 5.3, and what containers answer */
	WHOLE("close-range", "close_range", ENOSYS),
	WHOLE("close-range-forbidden", "close_range", EPERM),
	WHOLE("clone3", "clone3", ENOSYS),
	/* CONFIG_MEMBARRIER; a container */
	WHOLE("membarrier", "membarrier", ENOSYS),
	WHOLE("membarrier-forbidden", "membarrier", EPERM),
	/* 5.17, CONFIG_ANON_VMA_NAME */
	VALUE("vma-name", "prctl", EINVAL, 0, PR_SET_VMA_OPTION),
	/* 5.6 to 6.x: what a library might use */
	WHOLE("later-calls", "epoll_pwait2", ENOSYS),
	WHOLE("later-calls", "openat2", ENOSYS),
	WHOLE("later-calls", "faccessat2", ENOSYS),
	WHOLE("later-calls", "futex_waitv", ENOSYS),
	WHOLE("later-calls", "process_mrelease", ENOSYS),
	WHOLE("later-calls", "memfd_secret", ENOSYS),
	WHOLE("later-calls", "mount_setattr", ENOSYS),
	WHOLE("io-uring", "io_uring_setup", EPERM),
	WHOLE("io-uring", "io_uring_enter", EPERM),
	WHOLE("io-uring", "io_uring_register", EPERM),
	/* What containers keep for those with privileges. */
	WHOLE("privileged", "bpf", EPERM),
	WHOLE("privileged", "perf_event_open", EPERM),
	WHOLE("privileged", "kcmp", EPERM),
	WHOLE("privileged", "process_vm_readv", EPERM),
	WHOLE("privileged", "process_vm_writev", EPERM),
	WHOLE("privileged", "keyctl", EPERM),
	WHOLE("privileged", "add_key", EPERM),
	WHOLE("privileged", "request_key", EPERM),
	WHOLE("privileged", "mount", EPERM),
	WHOLE("privileged", "umount2", EPERM),
	WHOLE("privileged", "unshare", EPERM),
	WHOLE("privileged", "setns", EPERM),
	WHOLE("privileged", "name_to_handle_at", EPERM),
	WHOLE("privileged", "open_by_handle_at", EPERM),
	WHOLE("privileged", "move_pages", EPERM),
	WHOLE("privileged", "mbind", EPERM),
	WHOLE("privileged", "get_mempolicy", EPERM),
	WHOLE("privileged", "set_mempolicy", EPERM),
	FLAG("privileged", "clone", EPERM, 0, CLONE_NEWUSER),
};

/* Several at once. Docker's, of 20.10 on a host that knows the calls. */
static const struct profile {
	const char *name;
	const char *lacks[20];
} profiles[] = {
	{"linux-5.10",
	 {"memfd-noexec", "landlock", "populate", "peerpidfd", "vma-name", "later-calls",
	  "userfaultfd-user-mode", "write-protection"}},
	{"docker",
	 {"landlock-forbidden", "userfaultfd-forbidden", "clone3", "io-uring", "privileged"}},
	{"docker-old",
	 {"landlock-forbidden", "userfaultfd-forbidden", "clone3", "io-uring", "privileged",
	  "rseq-forbidden", "close-range-forbidden", "membarrier-forbidden"}},
	{"everything",
	 {"memfd-noexec", "landlock", "populate", "peerpidfd", "vma-name", "later-calls",
	  "userfaultfd", "rseq", "close-range", "clone3", "membarrier", "io-uring", "privileged",
	  "seccomp"}},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A call that this machine does not have is absent already. */
static bool
add(scmp_filter_ctx filter, const struct absence *absence)
{
	int number = seccomp_syscall_resolve_name(absence->call);
	int failed;

	if (number == __NR_SCMP_ERROR || number < 0)
		return true;
	failed = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint32_t)absence->error), number,
					absence->conditions, absence->conditions_of);
	return failed == 0 || failed == -EEXIST;
}

static bool
add_all(scmp_filter_ctx filter, const char *lack)
{
	bool known = false;

	for (size_t i = 0; i < COUNT(profiles); i++)
		for (size_t j = 0;
		     strcmp(profiles[i].name, lack) == 0 && profiles[i].lacks[j] != NULL; j++)
			if (!add_all(filter, profiles[i].lacks[j]))
				return false;
			else
				known = true;
	for (size_t i = 0; i < COUNT(absences); i++) {
		if (strcmp(absences[i].lack, lack) != 0)
			continue;
		if (!add(filter, &absences[i])) {
			fprintf(stderr, "lack: %s: no rule for %s\n", lack, absences[i].call);
			return false;
		}
		known = true;
	}
	if (!known)
		fprintf(stderr, "lack: %s is not known; --list lists\n", lack);
	return known;
}

static int
list(void)
{
	for (size_t i = 0; i < COUNT(profiles); i++)
		printf("%s\n", profiles[i].name);
	for (size_t i = 0; i < COUNT(absences); i++)
		if (i == 0 || strcmp(absences[i].lack, absences[i - 1].lack) != 0)
			printf("%s\n", absences[i].lack);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int at = 1;

	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	/* Shell, compilers and strace included: it is their kernel, too. */
	for (; at < argc && strcmp(argv[at], "--") != 0; at++)
		if (filter == NULL || !add_all(filter, argv[at]))
			return 125;
	if (at + 1 >= argc) {
		fprintf(stderr, "usage: lack NAME... -- COMMAND [ARGUMENT...]\n");
		return 125;
	}
	if (seccomp_load(filter) < 0) {
		perror("lack: seccomp_load");
		return 125;
	}
	seccomp_release(filter);
	execvp(argv[at + 1], argv + at + 1);
	perror(argv[at + 1]);
	return 127;
}
