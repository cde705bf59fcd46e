/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real devices by hot-plug, USB ones here and PCI functions in hotplug_pci.c: sysfs says which
 * there are, the kernel's uevents say when to look.
 *
 * One source for systems with and without udevd. udevd's own events would come when its rules have
 * set the owner of the device's file; here a file that cannot be opened yet is tried again for
 * OPEN_PATIENCE. libusb's hot-plug needs udevd, or a build without it, and a thread of its own,
 * which the registry must not have (its hosts' parent-death signal is tied to the one that forks).
 * Where uevents cannot be had (a container), sysfs is looked at every POLL.
 *
 * An event only wakes: sysfs and the devices' files are compared with what the registry has each
 * time, so that a lost event costs nothing. One thread, the registry's.
 */
#include "hotplug.h"

#include "registry_private.h"

#include "attribute.h"
#include "bounds.h"
#include "clock.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SYSFS	      "/sys/bus/usb/devices"
#define HUB_CLASS     9
#define READINGS_MAX  8
#define UEVENT_MAX    8192
#define EVENTS_MAX    64 /* taken in a turn */
#define SETTLE	      (20 * NSEC_PER_MSEC)
#define RETRY	      (200 * NSEC_PER_MSEC)
#define OPEN_PATIENCE (5 * NSEC_PER_SEC)
#define POLL	      (1 * NSEC_PER_SEC)

/* A device that is there and could not be opened. */
struct locked {
	struct hotplug_place place;
	uint64_t since;
	bool said;
	bool seen; /* in this scan */
	struct locked *next;
};

struct hotplug {
	struct loop *loop;
	struct registry *registry;
	const char *pci_root;	   /* NULL: no PCI functions */
	struct loop_source source; /* uevents; fd -1: there are none */
	bool polls;		   /* nor of a folder that is not the kernel's */
	struct loop_timer timer;
	bool armed;
	struct locked *locked;
};

/* --- what is there --- */

static void
look_at(struct hotplug_list *list, const char *folder, const char *name)
{
	struct hotplug_place *place = &list->places[list->count];
	unsigned class, configuration;
	char path[PATH_MAX];

	/* 1-2:1.0 is an interface of 1-2. */
	if (name[0] == '.' || strchr(name, ':') != NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!attribute_read_number(path, "busnum", 10, &place->bus) ||
	    !attribute_read_number(path, "devnum", 10, &place->number) ||
	    !attribute_read_number(path, "bDeviceClass", 16, &class)) {
		list->whole = false; /* it is going, or no file can be opened */
		return;
	}
	if (class == HUB_CLASS)
		return;
	if (attribute_read_number(path, "bConfigurationValue", 10, &configuration))
		list->count++;
	else
		list->unsettled = true;
}

static void
look(struct hotplug_list *list, const char *folder, unsigned most)
{
	DIR *devices = opendir(folder);
	struct dirent *entry;

	/* Where there is no such folder there is no USB. */
	*list = (struct hotplug_list){.whole = devices != NULL || errno == ENOENT};
	if (devices == NULL)
		return;
	while (errno = 0, list->count < most && (entry = readdir(devices)) != NULL)
		look_at(list, folder, entry->d_name);
	list->whole &= errno == 0;
	closedir(devices);
}

static bool
is_same(const struct hotplug_list *one, const struct hotplug_list *other)
{
	return one->whole && other->whole && one->unsettled == other->unsettled &&
	       one->count == other->count &&
	       memcmp(one->places, other->places, one->count * sizeof(one->places[0])) == 0;
}

/*
 * In sysfs an entry that vanishes while the folder is read may take the one behind it along, just
 * for this reading. So one reading says nothing of what is not in it; two that agree do.
 */
void
hotplug_list(const char *folder, unsigned most, struct hotplug_list *ret_list)
{
	struct hotplug_list before;
	bool same = false;

	look(ret_list, folder, most);
	for (unsigned i = 0; i < READINGS_MAX && !same; i++) {
		before = *ret_list;
		look(ret_list, folder, most);
		same = is_same(&before, ret_list);
	}
	ret_list->whole = same;
}

static bool
is_at(const struct device *device, const struct hotplug_place *place)
{
	return device->kind == DEVICE_USB && device->location >> 24 == place->bus &&
	       device->address == place->number;
}

/* Its number may be another's by now; its open file stays its own. */
static bool
is_alive(const struct device *device)
{
	unsigned capabilities;

	return ioctl(device->fd, USBDEVFS_GET_CAPABILITIES, &capabilities) == 0 || errno != ENODEV;
}

/* --- coming --- */

static struct locked *
get_locked(struct hotplug *hotplug, const struct hotplug_place *place)
{
	struct locked *locked = hotplug->locked;

	while (locked != NULL &&
	       (locked->place.bus != place->bus || locked->place.number != place->number))
		locked = locked->next;
	if (locked == NULL && (locked = calloc(1, sizeof(*locked))) != NULL) {
		locked->place = *place;
		locked->since = clock_now();
		locked->next = hotplug->locked;
		hotplug->locked = locked;
	}
	return locked;
}

static void
forget_locked(struct hotplug *hotplug, bool all)
{
	for (struct locked **link = &hotplug->locked; *link != NULL;) {
		struct locked *locked = *link;

		if (locked->seen && !all) {
			link = &locked->next;
			continue;
		}
		*link = locked->next;
		free(locked);
	}
}

/* True: it is to be tried again soon. */
static bool
try_later(struct hotplug *hotplug, const struct hotplug_place *place, const char *error)
{
	struct locked *locked = get_locked(hotplug, place);

	if (locked == NULL)
		return true;
	locked->seen = true;
	if (clock_now() - locked->since < OPEN_PATIENCE)
		return true;
	if (!locked->said)
		log_info("%s", error);
	locked->said = true;
	return false;
}

/* True: it is to be tried again soon. */
static bool
come(struct hotplug *hotplug, const struct hotplug_place *place)
{
	struct registry *registry = hotplug->registry;
	char error[REGISTRY_ERROR_MAX] = "";
	struct device *device = NULL;

	for (device = registry->devices; device != NULL; device = device->next) {
		if (is_at(device, place))
			return device->going; /* the one of before is about to leave */
	}
	if (!plug_has_room(registry, error))
		return try_later(hotplug, place, error);
	if (registry_open_usb(registry, place->bus, place->number, &device, error) !=
	    kIOReturnSuccess)
		return try_later(hotplug, place, error);
	if (registry->started && plug_begin(registry, device, error) != kIOReturnSuccess)
		return try_later(hotplug, place, error);
	registry_changed(registry);
	return false;
}

/* --- */

static void scan(struct hotplug *hotplug);

static void
look_again(struct loop_timer *timer)
{
	struct hotplug *hotplug =
		(struct hotplug *)((char *)timer - offsetof(struct hotplug, timer));

	hotplug->armed = false;
	scan(hotplug);
}

static void
arm(struct hotplug *hotplug, uint64_t delay)
{
	hotplug->timer.fired = look_again;
	hotplug->armed = true;
	loop_timer_arm(hotplug->loop, &hotplug->timer, clock_now() + delay);
}

static void
scan(struct hotplug *hotplug)
{
	struct registry *registry = hotplug->registry;
	struct hotplug_list list;
	bool again;

	if (registry->stopping)
		return;
	hotplug_list(SYSFS, HOTPLUG_PLACES_MAX, &list);
	again = list.unsettled || !list.whole;
	for (struct device *device = registry->devices; device != NULL; device = device->next) {
		unsigned i = 0;

		while (i < list.count && !is_at(device, &list.places[i]))
			i++;
		if (device->kind == DEVICE_USB && !device->going &&
		    ((i == list.count && list.whole) || !is_alive(device)))
			plug_device_gone(registry, device);
	}
	for (struct locked *locked = hotplug->locked; locked != NULL; locked = locked->next)
		locked->seen = false;
	for (unsigned i = 0; i < list.count; i++)
		again |= come(hotplug, &list.places[i]);
	forget_locked(hotplug, false);
	if (hotplug->pci_root != NULL)
		again |= pci_scan(registry, hotplug->pci_root);
	if (again)
		arm(hotplug, RETRY);
	else if (hotplug->source.fd < 0 || hotplug->polls)
		arm(hotplug, POLL);
}

/*
 * Whether these lines of an event, each ended by a NUL, are of a USB device, of an interface
 * of one, or of a PCI function. A device that loses its configuration, because it may not be used
 * any more (`authorized`) or another program takes it away, has no event of its own: only its
 * interfaces go.
 */
static bool
is_device(const char *event, size_t length)
{
	static const char key[] = "DEVTYPE=usb_";

	for (size_t at = 0; at < length; at += strlen(event + at) + 1) {
		if (strncmp(event + at, key, sizeof(key) - 1) == 0 ||
		    strcmp(event + at, "SUBSYSTEM=pci") == 0)
			return true;
	}
	return false;
}

static void
uevent_ready(struct loop_source *source, uint32_t events)
{
	struct hotplug *hotplug =
		(struct hotplug *)((char *)source - offsetof(struct hotplug, source));
	char event[UEVENT_MAX + 1];
	bool any = false;

	for (unsigned i = 0; i < EVENTS_MAX; i++) {
		ssize_t length = recv(source->fd, event, UEVENT_MAX, MSG_DONTWAIT);

		if (length < 0 && errno != ENOBUFS)
			break;
		if (length >= 0)
			event[length] = '\0';
		any |= length < 0 || is_device(event, (size_t)length);
	}
	/* Several come for each device; and it has its configuration after the first one. */
	if (any)
		arm(hotplug, SETTLE);
}

static int
open_uevents(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1 /* the kernel's */};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fd_close(&fd);
	return fd;
}

IOReturn
hotplug_create(struct loop *loop, struct registry *registry, const char *pci_root,
	       struct hotplug **ret_hotplug)
{
	struct hotplug *hotplug = calloc(1, sizeof(*hotplug));

	if (hotplug == NULL)
		return kIOReturnNoMemory;
	hotplug->loop = loop;
	hotplug->registry = registry;
	hotplug->pci_root = pci_root;
	hotplug->polls = pci_root != NULL && strcmp(pci_root, HOTPLUG_PCI_ROOT) != 0;
	hotplug->source = (struct loop_source){
		.fd = open_uevents(),
		.events = EPOLLIN,
		.handler = uevent_ready,
	};
	if (hotplug->source.fd < 0)
		log_info("devices are looked for every second: the kernel's events cannot be "
			 "had (%s)",
			 strerror(errno));
	else if (loop_source_add(loop, &hotplug->source) != kIOReturnSuccess)
		fd_close(&hotplug->source.fd);
	scan(hotplug);
	*ret_hotplug = hotplug;
	return kIOReturnSuccess;
}

void
hotplug_destroy(struct hotplug *hotplug)
{
	if (hotplug == NULL)
		return;
	if (hotplug->armed)
		loop_timer_cancel(hotplug->loop, &hotplug->timer);
	if (hotplug->source.fd >= 0)
		loop_source_remove(hotplug->loop, &hotplug->source);
	fd_close(&hotplug->source.fd);
	forget_locked(hotplug, true);
	free(hotplug);
}
