/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 of the test machine. Loads the modules that /modules/order names, then carries out
 * /script line by line:
 *
 *	usb VVVV:PPPP	waits until such a device is there and sets USB=BUS:DEV for the commands
 *	run COMMAND	runs it by /bin/sh and prints "vm: STATUS COMMAND"
 *	hold		from now on a command may leave nothing behind (leaks.h),
 *	loose		and from here on it may
 *
 * and ends the machine through QEMU's exit port: status 0 if every command returned 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "leaks.h"
#include "plugged.h"

#define EXIT_PORT 0xf4

static void
quit(int status)
{
	unsigned char byte = (unsigned char)status;
	int port = open("/dev/port", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	tcdrain(STDOUT_FILENO); /* or the console's last lines are lost with the machine */
	sync();
	if (port >= 0 && pwrite(port, &byte, 1, EXIT_PORT) < 0)
		perror("vm: exit port");
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void
die(const char *what)
{
	printf("vm: %s: %s\n", what, strerror(errno));
	quit(1);
}

static void
mount_all(void)
{
	static const struct {
		const char *type, *where;
	} mounts[] = {{"proc", "/proc"},
		      {"sysfs", "/sys"},
		      {"devtmpfs", "/dev"},
		      {"tmpfs", "/tmp"},
		      {"tmpfs", "/run"}};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].where, 0755);
		if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, "") < 0 &&
		    errno != EBUSY)
			die(mounts[i].where);
	}
}

/* Each line a path, and the module's parameters. */
static void
load_modules(void)
{
	char path[256], *parameters;
	FILE *order = fopen("/modules/order", "re");

	if (order == NULL)
		die("/modules/order");
	while (fgets(path, sizeof(path), order) != NULL) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		parameters = path + strcspn(path, " ");
		if (*parameters != '\0')
			*parameters++ = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		/* ENODEV: of a dependency that the emulated processor has no use for. */
		if (fd < 0 || (syscall(SYS_finit_module, fd, parameters, 0) < 0 &&
			       errno != EEXIST && errno != ENODEV))
			die(path);
		close(fd);
	}
	fclose(order);
}

static int
run(const char *command)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(void)
{
	int failed = 0;
	char line[4096];
	FILE *script;

	mount_all();
	load_modules();
	setenv("PATH", "/usr/local/bin:/bin", 1);
	setenv("LD_LIBRARY_PATH", "/usr/local/lib", 1);
	script = fopen("/script", "re");
	if (script == NULL)
		die("/script");
	while (fgets(line, sizeof(line), script) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "usb ", 4) == 0) {
			char usb[16];
			bool there = plugged_wait(line + 4, usb);

			setenv("USB", there ? usb : "", 1);
			printf("vm: %d %s\n", there ? 0 : 1, line);
			failed |= !there;
		} else if (strncmp(line, "run ", 4) == 0) {
			int status = run(line + 4);

			if (!leaks_check())
				status = 1;
			printf("vm: %d %s\n", status, line + 4);
			failed |= status != 0;
		} else if (strcmp(line, "hold") == 0) {
			leaks_begin();
		} else if (strcmp(line, "loose") == 0) {
			leaks_end();
		}
		fflush(stdout);
	}
	quit(failed ? 2 : 0);
}
