/* SPDX-License-Identifier: Apache-2.0 */
/* USB: the kernel's memory for transfers, the devices' files, udev. */
#include "doctor.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define USBFS_MEMORY "/sys/module/usbcore/parameters/usbfs_memory_mb"
#define USBFS_GOOD   64 /* MiB: sixteen buffers of 256 KiB for each of a few streams */
#define DEVICES	     "/dev/bus/usb"

void
doctor_check_usbfs(struct doctor *doctor)
{
	char line[32] = "";
	long size;

	if (!doctor_read(doctor, USBFS_MEMORY, line, sizeof(line))) {
		doctor_hint(doctor, "usbfs-memory", "sudo modprobe usbcore",
			    "this kernel has no USB, or /sys is not mounted; virtual devices work");
		return;
	}
	size = atol(line);
	if (size == 0)
		doctor_ok(doctor, "usbfs-memory", "no limit");
	else if (size >= USBFS_GOOD)
		doctor_ok(doctor, "usbfs-memory", "%ld MiB", size);
	else
		doctor_hint(doctor, "usbfs-memory",
			    "sudo sh -c 'echo 256 > " USBFS_MEMORY "' (to keep it: "
			    "usbcore.usbfs_memory_mb=256 on the kernel's command line)",
			    "all transfers of all programs have %ld MiB; further ones wait", size);
}

struct tally {
	unsigned devices, usable;
	char example[PATH_MAX]; /* one that cannot be used */
};

static void
look_at_bus(const char *bus, struct tally *tally)
{
	DIR *folder = opendir(bus);
	struct dirent *entry;
	char path[PATH_MAX];

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s", bus, entry->d_name) >= (int)sizeof(path))
			continue;
		tally->devices++;
		if (access(path, R_OK | W_OK) == 0)
			tally->usable++;
		else
			snprintf(tally->example, sizeof(tally->example), "%s", path);
	}
	if (folder != NULL)
		closedir(folder);
}

void
doctor_check_devices(struct doctor *doctor)
{
	char root[PATH_MAX], path[PATH_MAX], remedy[PATH_MAX + 256];
	struct tally tally = {0};
	struct dirent *entry;
	DIR *folder;

	doctor_path(doctor, DEVICES, root);
	folder = opendir(root);
	if (folder == NULL) {
		doctor_hint(doctor, "usb-devices",
			    "in a container: docker run --device=/dev/bus/usb ...",
			    "there is no " DEVICES "; virtual devices work");
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", root, entry->d_name) < (int)sizeof(path))
			look_at_bus(path, &tally);
	closedir(folder);
	if (tally.usable == tally.devices) {
		doctor_ok(doctor, "usb-devices", "%u, all can be opened", tally.devices);
		return;
	}
	snprintf(remedy, sizeof(remedy),
		 "use dextd as root, or a line in /etc/udev/rules.d/70-opendext.rules for each "
		 "device (see that file); once, until it is unplugged: sudo chown %u %s",
		 (unsigned)geteuid(), tally.example);
	doctor_hint(doctor, "usb-devices", remedy, "%u of %u devices can be opened by this user",
		    tally.usable, tally.devices);
}

void
doctor_check_udev(struct doctor *doctor)
{
	static const char *const places[] = {"/etc/udev/rules.d", "/run/udev/rules.d",
					     "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d",
					     "/lib/udev/rules.d"};
	char path[PATH_MAX], name[PATH_MAX / 2];
	bool found = false;

	doctor_path(doctor, "/run/udev/control", path);
	if (access(path, F_OK) == 0)
		doctor_ok(doctor, "udev", "runs");
	else
		doctor_hint(doctor, "udev",
			    "sudo systemctl start systemd-udevd; without it dextd reads the "
			    "kernel's own events",
			    "does not run: no rule gives a device's file to a user");
	for (unsigned i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(name, sizeof(name), "%s/70-opendext.rules", places[i]);
		doctor_path(doctor, name, path);
		found = access(path, F_OK) == 0;
	}
	if (found)
		doctor_ok(doctor, "udev-rules", "%s", name);
	else
		doctor_hint(doctor, "udev-rules",
			    "sudo install -m 644 packaging/70-opendext.rules /etc/udev/rules.d/ && "
			    "sudo udevadm control --reload",
			    "70-opendext.rules is not installed; a dextd of root needs none");
}
