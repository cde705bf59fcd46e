/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sysfs and the kernel's events say: folders of USB devices and PCI functions whose attributes
 * have any bytes, which change while a registry looks at them, events of any lines, and a file of a
 * USB device. Those of the machine are not seen: what is opened there is ours. A registry for each
 * input; nothing of it is left.
 */
#include "hostless.h"
#include "still_loop.h"

#include "attribute.h"
#include "hotplug.h"
#include "memfd.h"
#include "pci_function.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define STEPS_MAX 24u
#define USB	  "/sys/bus/usb/devices"

static char directory[] = "/dev/shm/opendext-fuzz-XXXXXX"; /* in memory */
static char roots[2][64];				   /* of PCI functions, of USB devices */
static char node[64];					   /* what each USB device's file is */
static struct loop *loop;

static const char *const names[] = {"0000:00:04.0", "ffff:ff:1f.7",  "0000:00:04.0x", "1-2",
				    "1-2:1.0",	    "10000:00:00.0", ".hidden",	      "usb1"};
#define NAMES (sizeof(names) / sizeof(names[0]))
static bool made[2][NAMES];

/* And what they say where nothing is wrong. */
static const struct {
	const char *name, *text;
} attributes[] = {
	{"vendor", "0x1af4\n"},
	{"device", "0x1110\n"},
	{"class", "0x050000\n"},
	{"resource", "0x00000000febd0000 0x00000000febdffff 0x0000000000040200\n"
		     "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		     "0x00000000fe000000 0x00000000fe0fffff 0x000000000014220c\n"
		     "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		     "0x000000000000c000 0x000000000000c03f 0x0000000000040101\n"
		     "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"},
	{"config", "\xf4\x1a\x10\x11\x02\x00"},
	{"resource0", "memory"},
	{"resource2", "memory"},
	{"revision", "0x01\n"},
	{"subsystem_vendor", "0x1af4\n"},
	{"subsystem_device", "0x1100\n"},
	{"busnum", "1\n"},
	{"devnum", "17\n"},
	{"bDeviceClass", "ff\n"},
	{"bConfigurationValue", "1\n"},
	{"iommu_group", ""},
	{"driver", NULL}, /* a link */
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

/* One input's. */
static struct {
	struct fuzz fuzz;
	struct registry *registry;
	struct hotplug *hotplug;
	int kernel; /* the other end of the socket of events; -1: there are none */
	bool deaf;  /* there can be none */
	bool full;  /* more functions than are looked at */
	unsigned steps;
} scene;

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
unsigned __real_pci_list(const char *root, char addresses[][PCI_ADDRESS_MAX], unsigned most);
unsigned __wrap_pci_list(const char *root, char addresses[][PCI_ADDRESS_MAX], unsigned most);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length);

DIR *
__wrap_opendir(const char *path)
{
	return __real_opendir(strcmp(path, USB) == 0 ? roots[1] : path);
}

int
__wrap_open64(const char *path, int flags, ...)
{
	char ours[256];
	va_list list;
	int mode;

	va_start(list, flags);
	mode = flags & O_CREAT ? va_arg(list, int) : 0;
	va_end(list);
	if (strncmp(path, USB "/", sizeof(USB)) == 0) {
		snprintf(ours, sizeof(ours), "%s/%s", roots[1], path + sizeof(USB));
		path = ours;
	} else if (strncmp(path, "/dev/bus/usb/", 13) == 0) {
		path = node;
	}
	return __real_open64(path, flags, mode);
}

/* Or as many as there is room for, of which none but the first ones are there. */
unsigned
__wrap_pci_list(const char *root, char addresses[][PCI_ADDRESS_MAX], unsigned most)
{
	unsigned count = __real_pci_list(root, addresses, most);

	for (; scene.full && count < most; count++)
		strcpy(addresses[count], names[1]);
	return count;
}

int
__wrap_socket(int family, int type, int protocol)
{
	int ends[2];

	if (family != AF_NETLINK)
		return __real_socket(family, type, protocol);
	if (scene.deaf) {
		errno = EPERM;
		return -1;
	}
	FUZZ_CHECK(socketpair(AF_UNIX, type, 0, ends) == 0);
	scene.kernel = ends[1];
	return ends[0];
}

int
__wrap_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	return address->sa_family == AF_NETLINK ? 0 : __real_bind(fd, address, length);
}

/* --- the folders --- */

static void
name_file(char path[256], unsigned root, unsigned name, unsigned attribute)
{
	snprintf(path, 256, "%s/%s/%s", roots[root], names[name], attributes[attribute].name);
}

static void
write_attribute(unsigned root, unsigned name, unsigned attribute, const void *bytes, size_t length)
{
	char path[256];

	name_file(path, root, name, attribute);
	if (!made[root][name])
		return;
	if (attributes[attribute].text == NULL) {
		unlink(path);
		FUZZ_CHECK(length == 0 || symlink("../drivers/some", path) == 0);
		return;
	}
	fuzz_write_file(path, bytes, length);
}

static void
remove_folder(unsigned root, unsigned name)
{
	char path[256];

	if (!made[root][name])
		return;
	made[root][name] = false;
	for (unsigned i = 0; i < ATTRIBUTES; i++) {
		name_file(path, root, name, i);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/%s", roots[root], names[name]);
	FUZZ_CHECK(rmdir(path) == 0);
}

static void
make_folder(unsigned root, unsigned name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", roots[root], names[name]);
	if (made[root][name])
		return;
	made[root][name] = true;
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	/* All but those that only some have. */
	for (unsigned i = 0; i < ATTRIBUTES - 2; i++)
		write_attribute(root, name, i, attributes[i].text,
				i == 4 ? 6 : strlen(attributes[i].text));
}

static void
change(struct fuzz *fuzz)
{
	uint8_t which = fuzz_u8(fuzz), how = fuzz_u8(fuzz);
	size_t length = 0;
	uint8_t *bytes = fuzz_copy(fuzz, fuzz_u8(fuzz), &length);

	write_attribute(which >> 7, which % NAMES, how % ATTRIBUTES, bytes, length);
	free(bytes);
}

/* A device of one configuration with one interface. */
static const uint8_t descriptors[] = {18, 1, 0,	 2, 0, 0, 0, 64,  9,  18, 1, 0, 0, 1, 0,   0, 0, 1,
				      9,  2, 18, 0, 1, 1, 0, 128, 50, 9,  4, 0, 0, 0, 255, 0, 0, 0};

static void
change_node(struct fuzz *fuzz)
{
	size_t length = 0;
	uint8_t *bytes = fuzz_copy(fuzz, fuzz_u8(fuzz), &length);

	unlink(node);
	if (length > 0)
		fuzz_write_file(node, bytes, length);
	free(bytes);
}

/* --- events --- */

static void
send_event(struct fuzz *fuzz)
{
	static const char *const lines[] = {"add@/devices/x",
					    "DEVTYPE=usb_device",
					    "DEVTYPE=usb_interface",
					    "SUBSYSTEM=pci",
					    "SUBSYSTEM=pci_",
					    "DEVTYPE=usb",
					    "",
					    "="};
	char event[2048];
	size_t length = 0;

	for (unsigned count = fuzz_u8(fuzz) % 8; count > 0; count--) {
		uint8_t which = fuzz_u8(fuzz);
		size_t size = 0;
		uint8_t *bytes = which < 128 ? (uint8_t *)strdup(lines[which % 8])
					     : fuzz_copy(fuzz, which - 128u, &size);

		if (which < 128)
			size = strlen((char *)bytes) + !(which & 0x40); /* or no end */
		memcpy(event + length, bytes, size);
		length += size;
		free(bytes);
	}
	if (scene.kernel >= 0)
		send(scene.kernel, event, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* --- what is read --- */

static void
look_at(const char *address)
{
	struct fd_list files = {.count = 0};
	char error[PCI_ERROR_MAX] = "";
	struct pci_function *function = NULL;

	if (pci_read(roots[0], address, &function) != kIOReturnSuccess)
		return;
	for (unsigned i = 0; i < PCI_BARS; i++) {
		uint64_t size = function->bars[i].size;

		if (!pci_bar_is_usable(function, i))
			continue;
		FUZZ_CHECK(size > 0 && size % page_size() == 0);
		FUZZ_CHECK(function->bars[i].start <= UINT64_MAX - (size - 1));
	}
	pci_has_iommu(function);
	if (pci_open(function, &files, error) == kIOReturnSuccess)
		fd_list_close(&files);
	else
		FUZZ_CHECK(strlen(error) < sizeof(error));
	pci_free(function);
}

static void
look(void)
{
	struct hotplug_list list;
	char addresses[4][PCI_ADDRESS_MAX];
	char text[64];

	hotplug_list(roots[1], 4, &list);
	FUZZ_CHECK(list.count <= 4);
	for (unsigned count = pci_list(roots[0], addresses, 4); count > 0; count--)
		look_at(addresses[count - 1]);
	for (unsigned i = 0; i < 2; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", roots[i], names[i]);
		attribute_read(path, "vendor", text, sizeof(text));
		for (const char *c = text; *c != '\0'; c++)
			FUZZ_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

/* --- one input --- */

static void
begin(void)
{
	char error[REGISTRY_ERROR_MAX] = "";
	uint8_t how = fuzz_u8(&scene.fuzz);

	if (how & 2)
		make_folder(0, 0);
	scene.deaf = how & 4;
	scene.full = how & 8;
	fuzz_write_file(node, descriptors, sizeof(descriptors));
	scene.kernel = -1;
	scene.registry = make_hostless(loop, directory, NULL);
	FUZZ_CHECK(hotplug_create(loop, scene.registry, roots[0], &scene.hotplug) ==
		   kIOReturnSuccess);
	if (how & 1)
		registry_start(scene.registry, error);
}

static void
step(struct fuzz *fuzz)
{
	uint8_t what = fuzz_u8(fuzz);

	switch (what % 8) {
	case 0:
		send_event(fuzz);
		break;
	case 1:
		make_folder(what >> 7, (what >> 3) % NAMES);
		break;
	case 2:
		remove_folder(what >> 7, (what >> 3) % NAMES);
		break;
	case 3:
	case 4:
		change(fuzz);
		break;
	case 5:
		look();
		break;
	case 6: /* later */
		if (what & 0x40)
			still_ahead += 6 * NSEC_PER_SEC;
		still_ring_timer();
		break;
	default:
		if (what & 8)
			fuzz_write_file(node, descriptors, sizeof(descriptors));
		else
			change_node(fuzz);
		break;
	}
}

static void
finish(void)
{
	look();
	hotplug_destroy(scene.hotplug);
	registry_destroy(scene.registry);
	fd_close(&scene.kernel);
	scene.registry = NULL;
	for (unsigned root = 0; root < 2; root++)
		for (unsigned name = 0; name < NAMES; name++)
			remove_folder(root, name);
	still_loop.over = true;
}

static void
still_peer(void)
{
	if (scene.registry == NULL)
		begin();
	else if (fuzz_left(&scene.fuzz) > 0 && scene.steps++ < STEPS_MAX)
		step(&scene.fuzz);
	else
		finish();
}

static void
remove_all(void)
{
	unlink(node);
	rmdir(roots[0]);
	rmdir(roots[1]);
	rmdir(directory);
}

static void
run(const uint8_t *data, size_t size)
{
	scene.fuzz = (struct fuzz){data, data + size};
	scene.steps = 0;
	still_loop_run(loop);
}

static void
start(void)
{
	FUZZ_CHECK(mkdtemp(directory) != NULL);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(roots[i], sizeof(roots[i]), "%s/%s", directory, i == 0 ? "pci" : "usb");
		FUZZ_CHECK(mkdir(roots[i], 0700) == 0);
	}
	snprintf(node, sizeof(node), "%s/node", directory);
	atexit(remove_all);
	FUZZ_CHECK(loop_create(&loop) == kIOReturnSuccess);
	run((const uint8_t *)"", 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (loop == NULL)
		start();
	fuzz_keeping_fds(run, data, size);
	return 0;
}
