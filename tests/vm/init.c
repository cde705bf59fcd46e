/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 of the test machine. Loads the modules that /modules/order names, then carries out
 * /script line by line:
 *
 *	usb VVVV:PPPP	waits until such a device is there and sets USB=BUS:DEV for the commands
 *	run COMMAND	runs it by /bin/sh and prints "vm: STATUS COMMAND"
 *
 * and ends the machine through QEMU's exit port: status 0 if every command returned 0. Waiting is
 *for the kernel's own uevents, with a deadline.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define EXIT_PORT	0xf4
#define DEVICE_DEADLINE 60 /* seconds; emulation is slow */

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

static void
load_modules(void)
{
	char path[256];
	FILE *order = fopen("/modules/order", "re");

	if (order == NULL)
		die("/modules/order");
	while (fscanf(order, "%255s", path) == 1) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			die(path);
		close(fd);
	}
	fclose(order);
}

static bool
read_attribute(const char *device, const char *name, char *value, size_t size)
{
	char path[512];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s/%s", device, name);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	got = fgets(value, (int)size, file) != NULL;
	value[strcspn(value, "\n")] = '\0';
	fclose(file);
	return got;
}

/* Sets USB if a device with these ids is there and has its configuration. */
static bool
find_device(const char *ids)
{
	DIR *devices = opendir("/sys/bus/usb/devices");
	bool found = false;
	struct dirent *entry;

	while (devices != NULL && !found && (entry = readdir(devices)) != NULL) {
		char vendor[16], product[16], bus[16], number[16], configuration[16], value[64];

		if (!read_attribute(entry->d_name, "idVendor", vendor, sizeof(vendor)) ||
		    !read_attribute(entry->d_name, "idProduct", product, sizeof(product)) ||
		    !read_attribute(entry->d_name, "busnum", bus, sizeof(bus)) ||
		    !read_attribute(entry->d_name, "devnum", number, sizeof(number)) ||
		    !read_attribute(entry->d_name, "bConfigurationValue", configuration,
				    sizeof(configuration)))
			continue;
		snprintf(value, sizeof(value), "%s:%s", vendor, product);
		if (strcmp(value, ids) != 0 || configuration[0] == '\0')
			continue;
		snprintf(value, sizeof(value), "%s:%s", bus, number);
		setenv("USB", value, 1);
		found = true;
	}
	if (devices != NULL)
		closedir(devices);
	return found;
}

static bool
wait_for_device(int uevents, const char *ids)
{
	time_t deadline = time(NULL) + DEVICE_DEADLINE;
	char event[8192];

	while (!find_device(ids)) {
		struct pollfd wait = {.fd = uevents, .events = POLLIN};
		time_t left = deadline - time(NULL);

		if (left <= 0 || poll(&wait, 1, (int)left * 1000) <= 0)
			return false;
		if (recv(uevents, event, sizeof(event), 0) < 0 && errno != ENOBUFS)
			return false;
	}
	return true;
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
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int uevents, failed = 0;
	char line[1024];
	FILE *script;

	mount_all();
	uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (uevents < 0 || bind(uevents, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("uevents");
	load_modules();
	setenv("PATH", "/usr/local/bin:/bin", 1);
	setenv("LD_LIBRARY_PATH", "/usr/local/lib", 1);
	script = fopen("/script", "re");
	if (script == NULL)
		die("/script");
	while (fgets(line, sizeof(line), script) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "usb ", 4) == 0) {
			bool there = wait_for_device(uevents, line + 4);

			printf("vm: %d %s\n", there ? 0 : 1, line);
			failed |= !there;
		} else if (strncmp(line, "run ", 4) == 0) {
			int status = run(line + 4);

			printf("vm: %d %s\n", status, line + 4);
			failed |= status != 0;
		}
		fflush(stdout);
	}
	quit(failed ? 2 : 0);
}
