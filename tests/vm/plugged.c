/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for the kernel's own uevents, with a deadline. */
#include "plugged.h"

#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEVICE_DEADLINE 60 /* seconds; emulation is slow */

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

bool
plugged_find(const char *ids, char usb[16], char name[PLUGGED_NAME])
{
	DIR *devices = opendir("/sys/bus/usb/devices");
	bool found = false;
	struct dirent *entry;

	while (devices != NULL && !found && (entry = readdir(devices)) != NULL) {
		char vendor[16], product[16], bus[8], number[8], configuration[16], value[64];

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
		snprintf(usb, 16, "%s:%s", bus, number);
		found = snprintf(name, PLUGGED_NAME, "%s", entry->d_name) < PLUGGED_NAME;
	}
	if (devices != NULL)
		closedir(devices);
	return found;
}

/* Whether that has come true. */
static bool
wait_until(bool there, const char *ids, char usb[16])
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	time_t deadline = time(NULL) + DEVICE_DEADLINE;
	int uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	char event[8192], name[PLUGGED_NAME];
	bool is_so;

	/* Before the first look: what comes after that is heard of. */
	if (uevents < 0 || bind(uevents, (struct sockaddr *)&address, sizeof(address)) < 0)
		perror("vm: uevents");
	while (!(is_so = plugged_find(ids, usb, name) == there)) {
		struct pollfd wait = {.fd = uevents, .events = POLLIN};
		time_t left = deadline - time(NULL);

		if (left <= 0 || poll(&wait, 1, (int)left * 1000) <= 0)
			break;
		if (recv(uevents, event, sizeof(event), 0) < 0 && errno != ENOBUFS)
			break;
	}
	close(uevents);
	return is_so;
}

bool
plugged_wait(const char *ids, char usb[16])
{
	return wait_until(true, ids, usb);
}

bool
plugged_wait_gone(const char *ids)
{
	char usb[16];

	return wait_until(false, ids, usb);
}
