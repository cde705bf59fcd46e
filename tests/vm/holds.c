/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-holds PID...: what each of these hosts could do with the usbfs file that it holds. The file is
 * taken out of the living host, so these are its own rights and not a copy's: exactly one interface
 * may be claimed; for every other one, claiming it and bringing a kernel's driver to or from it is
 * EACCES.
 */
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define FILES_MAX  64
#define INTERFACES 4

static int
take_device(pid_t pid)
{
	int process = pidfd_open(pid, 0);
	unsigned capabilities;
	int file = -1;

	for (int i = 0; process >= 0 && i < FILES_MAX; i++) {
		file = pidfd_getfd(process, i, 0);
		if (file >= 0 && ioctl(file, USBDEVFS_GET_CAPABILITIES, &capabilities) == 0)
			break;
		if (file >= 0)
			close(file);
		file = -1;
	}
	if (process >= 0)
		close(process);
	return file;
}

static const char *
result_of(int result)
{
	return result == 0 ? "done" : strerrorname_np(errno);
}

static bool
is_refused(int file, unsigned interface, int request)
{
	struct usbdevfs_ioctl command = {.ifno = (int)interface, .ioctl_code = request};
	int result = ioctl(file, USBDEVFS_IOCTL, &command);

	printf(" %s %s", request == (int)USBDEVFS_CONNECT ? "connect" : "disconnect",
	       result_of(result));
	return result < 0 && errno == EACCES;
}

static bool
look(pid_t pid)
{
	int file = take_device(pid);
	unsigned own = 0;
	bool good = true;

	if (file < 0) {
		printf("vm-holds: %d has no device: %s\n", (int)pid, strerror(errno));
		return false;
	}
	for (unsigned i = 0; i < INTERFACES; i++) {
		int result = ioctl(file, USBDEVFS_CLAIMINTERFACE, &i);

		printf("vm-holds: %d: interface %u: claim %s", (int)pid, i, result_of(result));
		own += result == 0;
		if (result < 0) {
			good &= errno == EACCES;
			good &= is_refused(file, i, (int)USBDEVFS_DISCONNECT);
			good &= is_refused(file, i, (int)USBDEVFS_CONNECT);
		}
		printf("\n");
	}
	close(file);
	return good && own == 1;
}

int
main(int argc, char **argv)
{
	bool good = argc > 1;

	for (int i = 1; i < argc; i++)
		good &= look((pid_t)atoi(argv[i]));
	return good ? 0 : 1;
}
