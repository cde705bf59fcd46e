/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of a host: forking and executing it, watching it, sending it what it starts with, and
 * reaping it.
 *
 * A process is watched through its pidfd (its end) and its control socket (its packets), and is
 * killed through the former; when it is known to have ended `pid` is 0. One that came back from the
 * store is not a child: its end is seen in the same way, and there is no exit status.
 *
 * The loop has one thread here, and that thread forks: the parent-death signal, which makes hosts
 * end with the registry even when that is killed, is tied to the thread. A host that goes into the
 * store has none.
 *
 * Left out: when to start and to end it (launch.c), and what it sends (launch_packets.c).
 */
#include "launch_private.h"

#include "closing.h"
#include "log.h"
#include "packet.h"
#include "plist.h"
#include "status.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_FD	   3
#define KILL_PATIENCE_MSEC 1000
#define LOG_PIPE_BYTES	   (256 * 1024)

static void
control_removed(struct loop_source *source)
{
	host_of_control(source)->control_watched = false;
}

static void
exit_removed(struct loop_source *source)
{
	host_of_exit(source)->exit_watched = false;
}

/*
 * In the child: a user and a group of its own, no other groups, and no capability that it has or
 * could get back. The calls are the kernel's own: the C library's would tell threads that a forked
 * child does not have.
 */
static bool
become_user(uid_t uid)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
		if (prctl(PR_CAPBSET_DROP, capability) < 0)
			return false;
	}
	return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, uid, uid, uid) == 0 &&
	       syscall(SYS_setresuid, uid, uid, uid) == 0;
}

/* In the child: only what is allowed after fork. */
static void
become_host(const struct host *host, char *const *arguments, int control, int log, pid_t parent)
{
	sigset_t none;
	int null;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Not in the terminal's foreground group: Ctrl-C is for the registry, which stops us. */
	setpgid(0, 0);
	if (host->uid != 0 && !become_user(host->uid))
		_exit(EXIT_NO_USER);
	/* After the change of user, which clears it. */
	if (!host->outlives && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(126);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(126);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	if (control == CONTROL_FD)
		fcntl(control, F_SETFD, 0);
	else if (dup2(control, CONTROL_FD) < 0)
		_exit(126);
	execv(arguments[0], arguments);
	_exit(127);
}

/*
 * Neither side waits for the other: a host whose lines are not taken loses them and goes on. Roomy,
 * since a burst of lines is written faster than this thread is woken.
 */
static int
open_log(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	fcntl(ends[1], F_SETPIPE_SZ, LOG_PIPE_BYTES);
	/* Standard descriptors of the child are 0 to 2, its control socket is CONTROL_FD. */
	for (unsigned i = 0; i < 2; i++) {
		int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, CONTROL_FD + 1);

		fd_close(&ends[i]);
		ends[i] = moved;
	}
	if (ends[0] >= 0 && ends[1] >= 0)
		return 0;
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	return -1;
}

/* On threads of this process; its end is seen in the same way. */
static IOReturn
start_inside(struct host *host)
{
	const struct registry_inside *inside = host->registry->inside;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return status_from_errno(errno, "socketpair");
	host->pidfd = inside->start(inside->context, ends[1]);
	if (host->pidfd < 0) {
		fd_close(&ends[0]);
		return kIOReturnNoResources;
	}
	host->control = ends[0];
	host->inside = host->listing = host->withdrew = true;
	host->pid = getpid();
	return kIOReturnSuccess;
}

IOReturn
host_spawn(struct host *host)
{
	char number[16];
	char *arguments[] = {host->registry->host_program, "--control", number, NULL};
	pid_t parent = getpid(), child;
	int ends[2], log[2];
	IOReturn status;

	if (host->registry->inside != NULL)
		return start_inside(host);
	snprintf(number, sizeof(number), "%d", CONTROL_FD);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return status_from_errno(errno, "socketpair");
	if (open_log(log) < 0) {
		status = status_from_errno(errno, "pipe");
		fd_close(&ends[0]);
		fd_close(&ends[1]);
		return status;
	}
	host->outlives = keep_has_room(host);
	child = fork();
	if (child == 0)
		become_host(host, arguments, ends[1], log[1], parent);
	fd_close(&ends[1]);
	fd_close(&log[1]);
	if (child < 0) {
		status = status_from_errno(errno, "fork");
		fd_close(&ends[0]);
		fd_close(&log[0]);
		return status;
	}
	host->log.pipe = log[0];
	host->pid = child;
	host->adopted = host->asked = false;
	host->listing = host->withdrew = true;
	host->control = ends[0];
	host->pidfd = pidfd_open(child, 0); /* not reaped yet, so the number is still its own */
	if (host->pidfd < 0) {
		log_error("pidfd_open: %s; it needs Linux 5.3, and a container's seccomp profile "
			  "that allows it",
			  strerror(errno));
		return status_from_errno(errno, "pidfd_open");
	}
	return kIOReturnSuccess;
}

IOReturn
host_watch(struct host *host)
{
	struct loop *loop = host->registry->loop;
	IOReturn status;

	assert(!host->control_watched && !host->exit_watched);
	host->control_source = (struct loop_source){
		.fd = host->control,
		.events = EPOLLIN,
		.handler = host_control_ready,
		.removed = control_removed,
	};
	host->exit_source = (struct loop_source){
		.fd = host->pidfd,
		.events = EPOLLIN,
		.handler = host_exit_ready,
		.removed = exit_removed,
	};
	status = loop_source_add(loop, &host->control_source);
	if (status != kIOReturnSuccess)
		return status;
	host->control_watched = true;
	status = loop_source_add(loop, &host->exit_source);
	if (status != kIOReturnSuccess)
		return status;
	host->exit_watched = true;
	return host_log_begin_take(host, host->log.pipe);
}

OSDictionary *
host_make_start(const struct host *host)
{
	const struct bundle *bundle = host->personality->bundle;
	const struct device *device = host->device;
	OSDictionary *start = OSDictionaryCreate(10), *described = OSDictionaryCreate(2);
	bool complete = start != NULL && described != NULL;

	complete = complete &&
		   OSDictionarySetStringValue(start, "Executable", bundle->executable) &&
		   OSDictionarySetStringValue(start, "Bundle", bundle->identifier) &&
		   OSDictionarySetStringValue(start, "BundlePath", bundle->path) &&
		   OSDictionarySetStringValue(start, "Sandbox",
					      sandbox_level_name(host->registry->sandbox)) &&
		   OSDictionarySetValue(start, "Personality", host->personality->properties) &&
		   OSDictionarySetUInt64Value(start, "ProviderID", host->provider->id);
	if (complete && host->registry->group != NULL)
		complete =
			OSDictionarySetUInt64Value(start, "MemoryMax", host->registry->memory_max);
	if (complete && host->interface >= 0)
		complete = OSDictionarySetUInt64Value(start, "InterfaceNumber",
						      (uint64_t)host->interface);
	if (complete && device->kind == DEVICE_VIRTUAL)
		complete = OSDictionarySetStringValue(described, "Backend", "virtual") &&
			   OSDictionarySetStringValue(described, "Spec", device->spec);
	if (complete && device->kind == DEVICE_USB)
		complete = OSDictionarySetStringValue(described, "Backend", "usb");
	if (complete && device->kind == DEVICE_PCI)
		complete = device_describe_pci(described, device);
	if (complete && device->kind != DEVICE_RESOURCES)
		complete = OSDictionarySetValue(start, "Device", described);
	OSSafeReleaseNULL(described);
	if (!complete)
		OSSafeReleaseNULL(start);
	return start;
}

IOReturn
host_send_start(struct host *host, const OSDictionary *start, const struct fd_list *files)
{
	struct packet_header header = {.type = PACKET_HOST_START, .sequence = 1};
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status = plist_encode(start, &bytes, &length);

	if (status == kIOReturnSuccess)
		status = packet_send(host->control, &header, bytes, length, files->fds,
				     files->count, false);
	free(bytes);
	return status;
}

void
host_kill(const struct host *host)
{
	if (host->inside)
		log_abort("a driver in this process would have to be killed");
	/* Of one that is no child the number may be another's by now. */
	if (host->pidfd >= 0)
		pidfd_send_signal(host->pidfd, SIGKILL, NULL, 0);
	else if (host->pid > 0)
		kill(host->pid, SIGKILL);
}

static void
await(const struct host *host)
{
	struct pollfd exited = {.fd = host->pidfd, .events = POLLIN};

	if (!host->adopted)
		waitpid(host->pid, NULL, 0);
	else if (poll(&exited, 1, KILL_PATIENCE_MSEC) == 0)
		log_error("process %d was killed and does not end", (int)host->pid);
}

void
host_discard(struct host *host)
{
	if (host->control_watched)
		loop_source_remove(host->registry->loop, &host->control_source);
	if (host->exit_watched)
		loop_source_remove(host->registry->loop, &host->exit_source);
	socket_close_foreign(&host->control, CLOSING_NOBODY);
	if (host->pid > 0) {
		host_kill(host);
		await(host);
		host_log_drain(host);
		limit_end(host);
	}
	host_log_end(host);
	fd_close(&host->pidfd);
	keep_forget_host(host);
	host->pid = 0;
}

void
host_reap(struct host *host, siginfo_t *ret_info)
{
	uint64_t ended;

	memset(ret_info, 0, sizeof(*ret_info));
	if (host->inside && read(host->pidfd, &ended, sizeof(ended)) == (ssize_t)sizeof(ended)) {
		ret_info->si_code = CLD_EXITED;
		ret_info->si_status = (int)(ended - 1);
	}
	while (!host->inside && !host->adopted &&
	       waitid(P_PIDFD, (id_t)host->pidfd, ret_info, WEXITED) < 0 && errno == EINTR)
		;
	if (host->exit_watched)
		loop_source_remove(host->registry->loop, &host->exit_source);
	fd_close(&host->pidfd);
	host_log_drain(host);
	host_log_end(host);
	limit_end(host);
	keep_forget_host(host);
	host->pid = 0;
}
