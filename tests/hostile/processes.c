/* SPDX-License-Identifier: Apache-2.0 */
/* What it does with processes: its own, and those of others. */
#include "attacks.h"

#include <dirent.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* Its children have everything that it has, and outlive it: they end with the standard input. */
void
leaves_child(void)
{
	enemy_open_first();
	if (fork() != 0)
		return;
	if (fork() == 0) {
		fcntl(enemies[0].socket, F_SETFD, 0);
		fcntl(enemies[0].doorbell, F_SETFD, 0);
		execl("/bin/cat", "cat", (char *)NULL);
		_exit(127);
	}
	while (read(STDIN_FILENO, bytes, 1) > 0)
		;
	_exit(0);
}

void
dies_with_child(void)
{
	leaves_child();
	attack_say_ready();
	_exit(0);
}

void
is_stopped(void)
{
	enemy_open_first();
	enemy_request(&enemies[0], 0, CALL_MAP, 0)->scalar_in_count = 1;
	enemy_submit(&enemies[0], 0);
	attack_say_ready();
	raise(SIGSTOP);
}

/* --- the processes of others --- */

static bool
opens(pid_t pid, const char *name, int flags)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool
takes_descriptor(pid_t pid)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0);

	return process >= 0 && (syscall(SYS_pidfd_getfd, process, 0, 0) >= 0 ||
				syscall(SYS_pidfd_send_signal, process, SIGUSR1, NULL, 0) == 0);
}

static bool
looks_into_memory(pid_t pid)
{
	struct iovec here = {bytes, 8}, there = {(void *)(uintptr_t)0x400000, 8};

	return process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno != EPERM ||
	       process_vm_writev(pid, &here, 1, &there, 1, 0) >= 0 || errno != EPERM;
}

static bool
changes_how_it_runs(pid_t pid)
{
	const struct sched_param parameters = {0};
	const struct rlimit none = {0, 0};
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	return kill(pid, SIGURG) == 0 || kill(pid, SIGSTOP) == 0 ||
	       prlimit(pid, RLIMIT_NOFILE, &none, NULL) == 0 ||
	       prlimit(pid, RLIMIT_NOFILE, NULL, &(struct rlimit){0}) == 0 ||
	       sched_setaffinity(pid, sizeof(first), &first) == 0 ||
	       sched_setscheduler(pid, SCHED_IDLE, &parameters) == 0 ||
	       setpriority(PRIO_PROCESS, (id_t)pid, 19) == 0 ||
	       syscall(SYS_ioprio_set, 1, pid, 3 << 13) == 0 ||
	       syscall(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0) == 0;
}

/* Each of these is the kernel's to refuse, for as long as the other has another user id. */
static void
trace(pid_t pid)
{
	static const char *const to_read[] = {"mem",	 "maps", "environ", "auxv",	 "pagemap",
					      "syscall", "fd",	 "fd/0",    "map_files", "root",
					      "cwd",	 "exe",	 "ns/user"};
	static const char *const to_write[] = {"mem", "clear_refs", "oom_score_adj",
					       "coredump_filter", "comm"};

	NEED(ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 && errno == EPERM);
	NEED(ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0 && errno == EPERM);
	NEED(syscall(SYS_kcmp, pid, getpid(), KCMP_VM, 0, 0) < 0);
	NEED(!looks_into_memory(pid));
	NEED(!takes_descriptor(pid));
	NEED(!changes_how_it_runs(pid));
	for (unsigned i = 0; i < sizeof(to_read) / sizeof(to_read[0]); i++)
		if (opens(pid, to_read[i], O_RDONLY) && strcmp(to_read[i], "fd") != 0) {
			fprintf(stderr, "hostile: reads %s of %d\n", to_read[i], (int)pid);
			exit(3);
		}
	for (unsigned i = 0; i < sizeof(to_write) / sizeof(to_write[0]); i++)
		if (opens(pid, to_write[i], O_WRONLY)) {
			fprintf(stderr, "hostile: writes %s of %d\n", to_write[i], (int)pid);
			exit(3);
		}
}

void
traces(void)
{
	enemy_open_first();
	trace(enemy_host);
	trace(enemy_daemon);
	NEED(enemy_is_served(&enemies[0]));
}
