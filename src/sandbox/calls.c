/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of a host, by seccomp: a list of what the runtime and the C library use after
 * the driver's code is there. Everything else is EPERM, so that a driver that tries gets an error
 * that it can report, and not a signal that nobody can explain.
 *
 * Some calls are allowed only with certain arguments; those that are read through a pointer cannot
 * be looked at. clone3 is such a one: it is ENOSYS, and the C library takes clone.
 *
 * A test compares this list with what the hosts of the suites call.
 */
#include "sandbox_private.h"

#include "log.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/usbdevice_fs.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static const char *const plain_calls[] = {
	/* threads and their stacks */
	"exit",
	"exit_group",
	"futex",
	"getpid",
	"gettid",
	"madvise",
	"mprotect",
	"rseq",
	"rt_sigprocmask",
	"sched_getaffinity",
	"set_robust_list",
	/* memory; pwrite64 fills a window that is split off */
	"brk",
	"fallocate",
	"ftruncate",
	"memfd_create",
	"mmap",
	"mremap",
	"munmap",
	"pwrite64",
	/* packets, completions, bells; a bell whose reader has gone raises SIGPIPE, which is taken
	 */
	"close",
	"epoll_ctl",
	"epoll_wait",
	"eventfd2",
	"poll",
	"read",
	"recvmsg",
	"rt_sigpending",
	"rt_sigtimedwait",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	"write",
	/* loading the driver, and files of its bundle */
	"fstat",
	"fstatfs",
	"lseek",
	"newfstatat",
	"pread64",
	/* time and randomness; most of it without a system call, where the machine can */
	"clock_gettime",
	"clock_nanosleep",
	"getcpu",
	"getrandom",
	"gettimeofday",
	"time",
	/* libusb (its events, the kernel's version), and the timers of virtual devices */
	"epoll_create1",
	"pipe2",
	"timerfd_create",
	"timerfd_settime",
	"uname",
	/* the end of the process, and the handler that explains a fault; alarm is not everywhere */
	"alarm",
	"restart_syscall",
	"rt_sigaction",
	"rt_sigreturn",
	"sigaltstack",
	"setitimer",
/* Newer architectures have these in the place of epoll_wait and poll. */
#ifndef SYS_epoll_wait
	"epoll_pwait",
	"ppoll",
#endif
};

/* One condition under which a call is allowed. */
struct condition {
	const char *name;
	struct scmp_arg_cmp argument;
};

#define EQUAL(n, value)                      \
	{                                    \
		(n), SCMP_CMP_EQ, (value), 0 \
	}
#define MASKED(n, mask, value)                           \
	{                                                \
		(n), SCMP_CMP_MASKED_EQ, (mask), (value) \
	}

/* A thread of this process and nothing more: no process, no namespace. */
#define THREAD_FLAGS (CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)
#define CLONE_MASK                                                                                 \
	(THREAD_FLAGS | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | \
	 CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_VFORK | CLONE_PTRACE | CLONE_UNTRACED)
/* Anything by which an open could write or create. O_TMPFILE holds O_DIRECTORY, which is harmless
 * alone. */
#define OPEN_MASK (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))

static const struct condition conditions[] = {
	{"clone", MASKED(0, CLONE_MASK, THREAD_FLAGS)},
	{"openat", MASKED(2, OPEN_MASK, O_RDONLY)},
	{"socketpair", EQUAL(0, AF_UNIX)},
	{"prctl", EQUAL(0, PR_SET_NAME)},
	{"prctl", EQUAL(0, PR_SET_VMA)},
	/* A fence for both sides of a ring; the host has registered before. */
	{"membarrier", EQUAL(0, MEMBARRIER_CMD_GLOBAL_EXPEDITED)},
	{"fcntl", EQUAL(1, F_GETFD)},
	{"fcntl", EQUAL(1, F_SETFD)},
	{"fcntl", EQUAL(1, F_GETFL)},
	{"fcntl", EQUAL(1, F_SETFL)},
	{"fcntl", EQUAL(1, F_DUPFD_CLOEXEC)},
	{"fcntl", EQUAL(1, F_ADD_SEALS)},
	{"fcntl", EQUAL(1, F_GET_SEALS)},
	/* Only to look at a limit. */
	{"prlimit64", EQUAL(2, 0)},
	/* What libusb asks of a device's file; the registry has dropped what else it could do. */
	{"ioctl", EQUAL(1, USBDEVFS_SUBMITURB)},
	{"ioctl", EQUAL(1, USBDEVFS_REAPURBNDELAY)},
	{"ioctl", EQUAL(1, USBDEVFS_DISCARDURB)},
	{"ioctl", EQUAL(1, USBDEVFS_CLAIMINTERFACE)},
	{"ioctl", EQUAL(1, USBDEVFS_RELEASEINTERFACE)},
	{"ioctl", EQUAL(1, USBDEVFS_SETINTERFACE)},
	{"ioctl", EQUAL(1, USBDEVFS_SETCONFIGURATION)},
	{"ioctl", EQUAL(1, USBDEVFS_CLEAR_HALT)},
	{"ioctl", EQUAL(1, USBDEVFS_RESETEP)},
	{"ioctl", EQUAL(1, USBDEVFS_RESET)},
	{"ioctl", EQUAL(1, USBDEVFS_CONTROL)},
	{"ioctl", EQUAL(1, USBDEVFS_GET_CAPABILITIES)},
	{"ioctl", EQUAL(1, USBDEVFS_GET_SPEED)},
	{"ioctl", EQUAL(1, USBDEVFS_CONNECTINFO)},
	{"ioctl", EQUAL(1, USBDEVFS_GETDRIVER)},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A name that this machine does not have is no call that it could make. */
static int
allow(scmp_filter_ctx filter, const char *name, unsigned count, const struct scmp_arg_cmp *argument,
      unsigned *ret_count)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR || number < 0)
		return 0;
	(*ret_count)++;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, argument);
}

static int
fill(scmp_filter_ctx filter, unsigned *ret_count)
{
	const struct scmp_arg_cmp mine = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
	unsigned conditional = 0;
	int failed = 0;

	for (size_t i = 0; failed == 0 && i < COUNT(plain_calls); i++)
		failed = allow(filter, plain_calls[i], 0, NULL, ret_count);
	for (size_t i = 0; failed == 0 && i < COUNT(conditions); i++)
		failed = allow(filter, conditions[i].name, 1, &conditions[i].argument,
			       i == 0 || conditions[i].name != conditions[i - 1].name
				       ? ret_count
				       : &conditional);
	/* abort(). */
	if (failed == 0)
		failed = allow(filter, "tgkill", 1, &mine, ret_count);
	if (failed == 0)
		failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return failed;
}

IOReturn
calls_restrict(unsigned *ret_count)
{
	scmp_filter_ctx filter;
	unsigned count = 0;
	int failed;

	if (SANDBOX_SANITIZED)
		return kIOReturnUnsupported;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL)
		return kIOReturnUnsupported;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return kIOReturnNoMemory;
	failed = fill(filter, &count);
	if (failed == 0)
		failed = seccomp_load(filter);
	seccomp_release(filter);
	if (failed != 0)
		return status_from_errno(-failed, "seccomp");
	*ret_count = count;
	return kIOReturnSuccess;
}
