/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of attempts. Each would succeed, or fail in another way, for an ordinary process of the
 * user that runs the tests; EACCES is Landlock's answer, EPERM is seccomp's.
 */
#include "attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ATTEMPT(name, expression)            \
	static long name(const char *bundle) \
	{                                    \
		(void)bundle;                \
		return (long)(expression);   \
	}

static long
open_in(const char *bundle, const char *file, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", bundle, file);
	return open(path, flags | O_CLOEXEC, 0600);
}

static long
try_chmod(const char *bundle)
{
	return chmod(bundle, 0777);
}

static long
try_unlink(const char *bundle)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/Info.plist", bundle);
	return unlink(path);
}

static long
try_exec(const char *bundle)
{
	char *const arguments[] = {"/bin/true", NULL};

	return execv(arguments[0], arguments);
}

/* A child of it would be a second process of this driver: it ends at once where there is one. */
static long
try_fork(const char *bundle)
{
	long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (child == 0)
		_exit(0);
	return child;
}

static long
try_clone3(const char *bundle)
{
	struct {
		unsigned long long flags, pidfd, child, parent, signal, stack, size, tls;
	} arguments = {.signal = SIGCHLD};
	long child = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (child == 0)
		_exit(0);
	return child;
}

static long
try_read_parent(const char *bundle)
{
	char byte;
	struct iovec mine = {&byte, 1}, theirs = {&byte, 1};

	return process_vm_readv(getppid(), &mine, 1, &theirs, 1, 0);
}

static long
try_limit(const char *bundle)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	return setrlimit(RLIMIT_CORE, &limit);
}

ATTEMPT(read_bundle, open_in(bundle, "Info.plist", O_RDONLY))
ATTEMPT(write_bundle, open_in(bundle, "Info.plist", O_RDWR))
ATTEMPT(create_in_bundle, open_in(bundle, "new", O_WRONLY | O_CREAT))
ATTEMPT(read_library, open("/usr/lib/os-release", O_RDONLY | O_CLOEXEC))
ATTEMPT(read_passwd, open("/etc/passwd", O_RDONLY | O_CLOEXEC))
ATTEMPT(read_proc, open("/proc/self/maps", O_RDONLY | O_CLOEXEC))
ATTEMPT(read_sys, open("/sys/kernel", O_RDONLY | O_CLOEXEC))
ATTEMPT(read_root, open("/", O_RDONLY | O_CLOEXEC))
ATTEMPT(read_devices, open("/dev", O_RDONLY | O_CLOEXEC))
ATTEMPT(write_null, open("/dev/null", O_WRONLY | O_CLOEXEC))
ATTEMPT(create_in_tmp, open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600))
ATTEMPT(open_by_handle, syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0))
ATTEMPT(openat2, syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0))
ATTEMPT(make_directory, mkdir("/tmp/prisoner", 0700))
ATTEMPT(make_link, symlink("/etc/passwd", "/tmp/prisoner"))
ATTEMPT(go_elsewhere, chdir("/"))
ATTEMPT(socket_unix, socket(AF_UNIX, SOCK_STREAM, 0))
ATTEMPT(socket_inet, socket(AF_INET, SOCK_DGRAM, 0))
ATTEMPT(socket_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
ATTEMPT(pair_netlink, socketpair(AF_NETLINK, SOCK_RAW, 0, (int[2]){0}))
ATTEMPT(listen_somewhere, listen(3, 1))
ATTEMPT(accept_one, accept(3, NULL, NULL))
ATTEMPT(connect_control, connect(3, &(struct sockaddr){.sa_family = AF_UNSPEC}, 2))
ATTEMPT(kill_parent, kill(getppid(), 0))
ATTEMPT(kill_group, kill(0, 0))
ATTEMPT(signal_parent, syscall(SYS_tgkill, getppid(), getppid(), 0))
ATTEMPT(pidfd_of_parent, syscall(SYS_pidfd_open, getppid(), 0))
ATTEMPT(descriptor_of_app, syscall(SYS_pidfd_getfd, 3, 0, 0))
ATTEMPT(trace_parent, ptrace(PTRACE_SEIZE, getppid(), NULL, NULL))
ATTEMPT(new_user_namespace, unshare(CLONE_NEWUSER))
ATTEMPT(join_namespace, setns(3, 0))
ATTEMPT(mount_something, mount("none", "/tmp", "tmpfs", 0, NULL))
ATTEMPT(change_root, chroot("/"))
ATTEMPT(become_root, setuid(0))
ATTEMPT(dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
ATTEMPT(death_signal, prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0))
ATTEMPT(priority, setpriority(PRIO_PROCESS, 0, 0))
ATTEMPT(affinity, syscall(SYS_sched_setaffinity, 0, 0, NULL))
ATTEMPT(raise_limit, try_limit(bundle))
ATTEMPT(shared_segment, shmget(IPC_PRIVATE, 4096, 0600))
ATTEMPT(watch_files, inotify_init1(IN_CLOEXEC))
ATTEMPT(ring, syscall(SYS_io_uring_setup, 1, NULL))
ATTEMPT(fault_handler, syscall(SYS_userfaultfd, O_CLOEXEC))
ATTEMPT(filter_program, syscall(SYS_bpf, 0, NULL, 0))
ATTEMPT(counters, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))
ATTEMPT(keys, syscall(SYS_keyctl, 0, 0, 0, 0, 0))
ATTEMPT(module, syscall(SYS_init_module, NULL, 0, ""))
ATTEMPT(type_into_terminal, ioctl(0, TIOCSTI, "x"))
ATTEMPT(usb_port_power, ioctl(0, USBDEVFS_IOCTL, NULL))
ATTEMPT(usb_disconnect, ioctl(0, USBDEVFS_DISCONNECT, NULL))
ATTEMPT(other_filter, syscall(SYS_seccomp, 0, 0, NULL))
ATTEMPT(time_of_day, syscall(SYS_settimeofday, NULL, NULL))

const struct attempt attempts[] = {
	{"read a file of its bundle", read_bundle, 0},
	{"read below /usr/lib", read_library, 0},
	{"open a file of its bundle for writing", write_bundle, EPERM},
	{"create a file in its bundle", create_in_bundle, EPERM},
	{"chmod its bundle", try_chmod, EPERM},
	{"remove a file of its bundle", try_unlink, EPERM},
	{"read /etc/passwd", read_passwd, EACCES},
	{"read /proc/self/maps", read_proc, EACCES},
	{"open /sys/kernel", read_sys, EACCES},
	{"open /", read_root, EACCES},
	{"open /dev", read_devices, EACCES},
	{"open /dev/null for writing", write_null, EPERM},
	{"make a file in /tmp", create_in_tmp, EPERM},
	{"open_by_handle_at", open_by_handle, EPERM},
	{"openat2", openat2, EPERM},
	{"mkdir", make_directory, EPERM},
	{"symlink", make_link, EPERM},
	{"chdir", go_elsewhere, EPERM},
	{"socket(AF_UNIX)", socket_unix, EPERM},
	{"socket(AF_INET)", socket_inet, EPERM},
	{"socket(AF_NETLINK)", socket_netlink, EPERM},
	{"socketpair(AF_NETLINK)", pair_netlink, EPERM},
	{"listen", listen_somewhere, EPERM},
	{"accept", accept_one, EPERM},
	{"connect", connect_control, EPERM},
	{"execve", try_exec, EPERM},
	{"fork", try_fork, EPERM},
	{"clone3", try_clone3, ENOSYS},
	{"kill the registry", kill_parent, EPERM},
	{"kill its group", kill_group, EPERM},
	{"tgkill the registry", signal_parent, EPERM},
	{"pidfd_open", pidfd_of_parent, EPERM},
	{"pidfd_getfd", descriptor_of_app, EPERM},
	{"ptrace", trace_parent, EPERM},
	{"process_vm_readv", try_read_parent, EPERM},
	{"unshare a user namespace", new_user_namespace, EPERM},
	{"setns", join_namespace, EPERM},
	{"mount", mount_something, EPERM},
	{"chroot", change_root, EPERM},
	{"setuid", become_root, EPERM},
	{"prctl(PR_SET_DUMPABLE)", dumpable, EPERM},
	{"prctl(PR_SET_PDEATHSIG)", death_signal, EPERM},
	{"setpriority", priority, EPERM},
	{"sched_setaffinity", affinity, EPERM},
	{"setrlimit", raise_limit, EPERM},
	{"shmget", shared_segment, EPERM},
	{"inotify_init1", watch_files, EPERM},
	{"io_uring_setup", ring, EPERM},
	{"userfaultfd", fault_handler, EPERM},
	{"bpf", filter_program, EPERM},
	{"perf_event_open", counters, EPERM},
	{"keyctl", keys, EPERM},
	{"init_module", module, EPERM},
	{"ioctl(TIOCSTI)", type_into_terminal, EPERM},
	{"ioctl(USBDEVFS_IOCTL)", usb_port_power, EPERM},
	{"ioctl(USBDEVFS_DISCONNECT)", usb_disconnect, EPERM},
	{"a second seccomp filter", other_filter, EPERM},
	{"settimeofday", time_of_day, EPERM},
};

const size_t attempt_count = sizeof(attempts) / sizeof(attempts[0]);
