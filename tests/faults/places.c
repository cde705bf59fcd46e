/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for what a machine has and this one may not: loaded behind the shim (calls.c), it shows
 * the folder that FAULTS_PLACES names in the place of sysfs, usbfs, control groups and seats. What
 * is not there is not there. The kernel's device events are packets that anybody sends to "uevents"
 * in that folder, requests to usbfs are answered here, and libusb's device is in fake_usb.c.
 */
/* The names as they are: the shim asks for those. */
#undef _FILE_OFFSET_BITS
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/usbdevice_fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))
#define NEXT(name)                                                 \
	({                                                         \
		static __typeof__(&(name)) next;                   \
		if (next == NULL)                                  \
			*(void **)&next = dlsym(RTLD_NEXT, #name); \
		next;                                              \
	})

#define ROOM 4352

static const char *const shown[] = {
	"/sys/bus/usb/",  "/sys/dev/char/",	"/sys/module/usbcore/", "/dev/bus/usb/",
	"/sys/fs/cgroup", "/run/systemd/seats", "/proc/self/cgroup",
};

static const char *
folder(void)
{
	static const char *found;

	if (found == NULL)
		found = getenv("FAULTS_PLACES");
	return found;
}

/* Where that really is. */
static const char *
place(const char *path, char room[ROOM])
{
	for (size_t i = 0; folder() != NULL && i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (strncmp(path, shown[i], strlen(shown[i])) == 0 &&
		    snprintf(room, ROOM, "%s%s", folder(), path) < ROOM)
			return room;
	}
	return path;
}

#define PLACED(type, name, parameters, arguments) \
	SHOWN type name parameters                \
	{                                         \
		char room[ROOM];                  \
                                                  \
		path = place(path, room);         \
		return NEXT(name) arguments;      \
	}

PLACED(FILE *, fopen, (const char *path, const char *mode), (path, mode))
PLACED(DIR *, opendir, (const char *path), (path))
PLACED(int, stat, (const char *path, struct stat *info), (path, info))
PLACED(int, access, (const char *path, int mode), (path, mode))
PLACED(int, mkdir, (const char *path, mode_t mode), (path, mode))

/* A control group's folder goes with the files in it. */
SHOWN int
rmdir(const char *path)
{
	char room[ROOM], file[ROOM + 300];
	const char *real = place(path, room);
	DIR *files = real != path ? NEXT(opendir)(real) : NULL;
	struct dirent *entry;

	while (files != NULL && (entry = readdir(files)) != NULL) {
		snprintf(file, sizeof(file), "%s/%s", real, entry->d_name);
		unlink(file);
	}
	if (files != NULL)
		closedir(files);
	return NEXT(rmdir)(real);
}

SHOWN int
open(const char *path, int flags, ...)
{
	char room[ROOM];
	const char *real = place(path, room);
	mode_t mode = 0600;
	va_list arguments;

	if ((flags & (O_CREAT | __O_TMPFILE)) != 0) {
		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	/* A new control group has its files at once. */
	if (real != path && strncmp(path, "/sys/fs/cgroup/", 15) == 0)
		flags |= O_CREAT;
	return NEXT(open)(real, flags, mode);
}

/* The file of a device's memory (settings.py: PciFile) is one of sysfs. */
SHOWN int
fstatfs(int fd, struct statfs *info)
{
	char link[64], path[ROOM] = "";
	int result = NEXT(fstatfs)(fd, info);

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (result == 0 && readlink(link, path, sizeof(path) - 1) > 0 &&
	    strstr(path, "/pci/0000:") != NULL)
		info->f_type = SYSFS_MAGIC;
	return result;
}

SHOWN int
statfs(const char *path, struct statfs *info)
{
	char room[ROOM];
	int result = NEXT(statfs)(place(path, room), info);

	if (result == 0 && place(path, room) != path)
		info->f_type = CGROUP2_SUPER_MAGIC;
	return result;
}

/* --- usbfs --- */

/* A file of usbfs is a character device, whatever stands in for it. */
SHOWN int
fstat(int fd, struct stat *info)
{
	char link[64], path[ROOM] = "";
	int result = NEXT(fstat)(fd, info);

	if (result != 0 || folder() == NULL || !S_ISREG(info->st_mode))
		return result;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) > 0 &&
	    strncmp(path, folder(), strlen(folder())) == 0 && strstr(path, "/dev/bus/usb/") != NULL)
		info->st_mode = S_IFCHR | 0600;
	return result;
}

/* A kernel driver has each interface until it is detached. */
static int
answer_usbfs(unsigned long request, void *argument)
{
	static unsigned detached;
	struct usbdevfs_getdriver *driver = argument;
	struct usbdevfs_ioctl *command = argument;

	switch (request) {
	case USBDEVFS_GETDRIVER:
		if ((detached >> driver->interface & 1) != 0) {
			errno = ENODATA;
			return -1;
		}
		strcpy(driver->driver, "stand-in");
		return 0;
	case USBDEVFS_IOCTL:
		if (command->ioctl_code == (int)USBDEVFS_DISCONNECT)
			detached |= 1u << command->ifno;
		else
			detached &= ~(1u << command->ifno);
		return 0;
	case USBDEVFS_GET_CAPABILITIES:
		*(unsigned *)argument = USBDEVFS_CAP_BULK_SCATTER_GATHER;
		return 0;
	default:
		return 0;
	}
}

SHOWN int
ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (folder() != NULL && _IOC_TYPE(request) == 'U')
		return answer_usbfs(request, argument);
	return NEXT(ioctl)(fd, request, argument);
}

/* --- the kernel's events --- */

SHOWN int
socket(int domain, int type, int protocol)
{
	if (folder() != NULL && domain == AF_NETLINK)
		return NEXT(socket)(AF_UNIX, type, 0);
	return NEXT(socket)(domain, type, protocol);
}

SHOWN int
bind(int fd, const struct sockaddr *address, socklen_t size)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX};

	if (folder() == NULL || address->sa_family != AF_NETLINK)
		return NEXT(bind)(fd, address, size);
	snprintf(own.sun_path, sizeof(own.sun_path), "%.90s/uevents", folder());
	unlink(own.sun_path);
	return NEXT(bind)(fd, (struct sockaddr *)&own, sizeof(own));
}
