/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's version, what of its features is there (tried, since a container's seccomp profile
 * may refuse what the version has), and limits.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define USER_MODE_ONLY	1 /* UFFD_USER_MODE_ONLY, of Linux 5.11 */
#define OLDEST_MAJOR	5
#define OLDEST_MINOR	10
#define MAP_COUNT_LEAST 65530
#define FILES_LEAST	1024
#define FILES_GOOD	65536

void
doctor_check_kernel(struct doctor *doctor)
{
	char release[128] = "";
	unsigned major = 0, minor = 0;
	int fd;

	if (!doctor_read(doctor, "/proc/sys/kernel/osrelease", release, sizeof(release)))
		doctor_fix(doctor, "kernel", "mount -t proc proc /proc",
			   "there is no /proc, which libiokit reads");
	else if (sscanf(release, "%u.%u", &major, &minor) != 2 || major < OLDEST_MAJOR ||
		 (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
		doctor_fix(doctor, "kernel", "boot Linux 5.10 or newer", "Linux %s is too old",
			   release);
	else
		doctor_ok(doctor, "kernel", "Linux %s", release);
	fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (fd >= 0)
		doctor_ok(doctor, "pidfd", "the death of a process is noticed");
	else
		doctor_fix(doctor, "pidfd",
			   "allow pidfd_open in the seccomp profile of the container (docker run "
			   "--security-opt seccomp=FILE)",
			   "pidfd_open: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void
check_seals(struct doctor *doctor)
{
	int fd = memfd_create("doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, 4096) == 0 &&
	    fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0)
		doctor_ok(doctor, "memfd-seals", "memory can be handed over sealed");
	else
		doctor_fix(
			doctor, "memfd-seals",
			"allow memfd_create and fcntl(F_ADD_SEALS); they need CONFIG_MEMFD_CREATE "
			"and Linux 5.1",
			"memory cannot be sealed: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	fd = memfd_create("doctor", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd >= 0)
		doctor_ok(doctor, "memfd-noexec", "shared memory cannot be executed as a file");
	else
		doctor_hint(doctor, "memfd-noexec", "Linux 6.3 or newer",
			    "memfd_create(MFD_NOEXEC_SEAL): %s; memory is made without it",
			    strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void
check_populate(struct doctor *doctor)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED && madvise(page, 4096, MADV_POPULATE_WRITE) == 0)
		doctor_ok(doctor, "populate", "buffers are filled with pages at once");
	else
		doctor_hint(doctor, "populate", "Linux 5.14 or newer",
			    "madvise(MADV_POPULATE_WRITE): %s; buffers are filled page by page, "
			    "which takes longer when they are made",
			    strerror(errno));
	if (page != MAP_FAILED)
		munmap(page, 4096);
}

/* As src/client/adopt.c asks for it. */
static void
check_userfaultfd(struct doctor *doctor)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | USER_MODE_ONLY);
	if (fd >= 0)
		doctor_ok(doctor, "userfaultfd", "memory of malloc can be shared with a driver");
	else
		doctor_hint(
			doctor, "userfaultfd",
			errno == ENOSYS
				? "boot a kernel with CONFIG_USERFAULTFD, or use memory of "
				  "mach_vm_allocate in apps"
				: "allow userfaultfd in the container's seccomp profile, or sudo "
				  "sysctl -w vm.unprivileged_userfaultfd=1, or use memory of "
				  "mach_vm_allocate in apps",
			"%s; structures over 4096 bytes that a driver keeps stay copies",
			strerror(errno));
	if (fd >= 0)
		close(fd);
}

void
doctor_check_memory(struct doctor *doctor)
{
	check_seals(doctor);
	check_populate(doctor);
	check_userfaultfd(doctor);
}

void
doctor_check_limits(struct doctor *doctor)
{
	struct rlimit files = {0};
	char line[64] = "";
	long count;

	if (!doctor_read(doctor, "/proc/sys/vm/max_map_count", line, sizeof(line)) ||
	    (count = atol(line)) < MAP_COUNT_LEAST)
		doctor_fix(doctor, "max-map-count", "sudo sysctl -w vm.max_map_count=65530",
			   "a process may have %s mappings; each mapped buffer takes up to three",
			   line[0] != '\0' ? line : "an unknown number of");
	else
		doctor_ok(doctor, "max-map-count", "%ld", count);
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < FILES_LEAST)
		doctor_fix(doctor, "nofile", "ulimit -n 65536",
			   "a process may have %llu open files; a buffer takes one",
			   (unsigned long long)files.rlim_cur);
	else if (files.rlim_max < FILES_GOOD)
		doctor_hint(doctor, "nofile",
			    "echo '* hard nofile 65536' | sudo tee "
			    "/etc/security/limits.d/opendext.conf, and log in again",
			    "a process may have at most %llu open files; a buffer takes one",
			    (unsigned long long)files.rlim_max);
	else
		doctor_ok(doctor, "nofile", "%llu, at most %llu",
			  (unsigned long long)files.rlim_cur, (unsigned long long)files.rlim_max);
}
