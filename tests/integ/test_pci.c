/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dextd and PCI devices that a folder of the test shows. A BAR's file is a memfd there, which apps
 * accept for its seal; the real files of sysfs are tested in the virtual machine.
 */
#include "daemon.h"
#include "pci_tree.h"
#include "places.h"
#include "unit.h"

#include <mach/mach.h>

#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ADDRESS "0000:00:04.0"
#define SIZE	UINT64_C(0x100000)

static struct daemon dextd;
static char *bar; /* the device's memory, in this process */
static pid_t holder;

/* A process of root without rights, into whose /proc dextd may look: it has none that dextd lacks.
 */
static void
hold(int fd)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	holder = fork();
	if (holder == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		    syscall(SYS_capset, &header, sets) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
}

static void
plug_in(uint8_t command)
{
	char target[64], path[160];
	int fd = memfd_create("bar", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(fd, (off_t)SIZE), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	bar = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(bar, MAP_FAILED);
	hold(fd);
	pci_tree_add(ADDRESS, SIZE, command);
	snprintf(target, sizeof(target), "/proc/%d/fd/%d", (int)holder, fd);
	snprintf(path, sizeof(path), "%s/%s/resource2", pci_tree, ADDRESS);
	ck_assert_int_eq(symlink(target, path), 0);
	close(fd);
}

static void
pull_out(void)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -r %s/%s", pci_tree, ADDRESS);
	ck_assert_int_eq(system(command), 0);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	munmap(bar, SIZE);
}

static bool
start(uid_t uid, const char *bundle)
{
	if (!daemon_prepare(&dextd, uid))
		return false;
	pci_tree_make();
	plug_in(0x05);
	daemon_drop(&dextd, harness_bundle(bundle), "driver.dext", NULL);
	daemon_allow(&dextd, "org.opendext.example.pci-memory user:65534");
	daemon_start(&dextd, (const char *[]){"--pci-devices", pci_tree, NULL});
	return true;
}

static void
stop(void)
{
	ck_assert_int_eq(daemon_stop(&dextd), 0);
	pull_out();
	pci_tree_remove();
}

static unsigned
command_of_device(void)
{
	uint8_t byte = 0;
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/config", pci_tree, ADDRESS);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &byte, 1, 4), 1);
	close(fd);
	return byte;
}

/* What fails in an app is told by its exit status. */
#define DEMAND(condition)                \
	do {                             \
		if (!(condition))        \
			_exit(__LINE__); \
	} while (0)

static char *
map(io_connect_t connect, uint32_t type)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	if (IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size,
				 kIOMapAnywhere) != 0 ||
	    size != SIZE)
		return NULL;
	return (char *)(uintptr_t)address;
}

/* An app of a user without rights. */
static void
use_it(void)
{
	io_connect_t connect = MACH_PORT_NULL;
	io_service_t service;
	char *writable, *readable;

	DEMAND(setgroups(0, NULL) == 0 &&
	       setresgid(DAEMON_NOBODY, DAEMON_NOBODY, DAEMON_NOBODY) == 0 &&
	       setresuid(DAEMON_NOBODY, DAEMON_NOBODY, DAEMON_NOBODY) == 0);
	service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("PCIMemory"));
	DEMAND(IOServiceOpen(service, mach_task_self(), 0, &connect) == 0);
	writable = map(connect, 0);
	readable = map(connect, 1);
	DEMAND(writable != NULL && readable != NULL && map(connect, 2) == NULL);
	DEMAND(strcmp(writable, "from the device") == 0);
	strcpy(writable + SIZE - 16, "from the app");
	DEMAND(strcmp(readable + SIZE - 16, "from the app") == 0);
	/* Its file was opened for reading, and it is not mapped otherwise now. */
	DEMAND(mprotect(readable, SIZE, PROT_READ | PROT_WRITE) < 0);
	DEMAND(IOConnectUnmapMemory64(connect, 0, mach_task_self(), (uintptr_t)writable) == 0);
	DEMAND(IOServiceClose(connect) == 0);
	_exit(0);
}

START_TEST(an_app_without_rights_maps_a_bar)
{
	int status = -1;
	pid_t app;

	if (!start(0, "PCI_MEMORY_BUNDLE"))
		return;
	IOObjectRelease(harness_wait_service("PCIMemory"));
	/* Memory decoding on, bus mastering off, ports as they were. */
	ck_assert_uint_eq(command_of_device(), 0x03);
	harness_wait_log(&dextd.harness, "BAR 2: memory 1, 1048576 bytes, type 0xc");
	harness_wait_log(&dextd.harness, "device 0x11101af4");
	strcpy(bar, "from the device");
	fflush(NULL);
	app = fork();
	if (app == 0)
		use_it();
	ck_assert_int_eq(waitpid(app, &status, 0), app);
	ck_assert_msg(status == 0, "line %d:\n%s", WEXITSTATUS(status),
		      harness_log_end(&dextd.harness));
	ck_assert_str_eq(bar + SIZE - 16, "from the app");
	stop();
}
END_TEST

/* --- what the tree shows --- */

static uint32_t
number_of(io_service_t service, const char *key)
{
	CFStringRef name =
		CFStringCreateWithCString(kCFAllocatorDefault, key, kCFStringEncodingUTF8);
	CFDataRef data =
		IORegistryEntryCreateCFProperty(service, name, kCFAllocatorDefault, kNilOptions);
	uint32_t value;

	ck_assert_msg(data != NULL && CFGetTypeID(data) == CFDataGetTypeID(), "%s", key);
	ck_assert_int_eq(CFDataGetLength(data), 4);
	memcpy(&value, CFDataGetBytePtr(data), 4);
	CFRelease(data);
	CFRelease(name);
	return value;
}

START_TEST(its_node_is_as_on_macos)
{
	CFMutableDictionaryRef matching;
	io_service_t service;
	io_string_t path;
	io_name_t name;

	if (!start(0, "ECHO_BUNDLE"))
		return;
	matching = IOServiceMatching("IOPCIDevice");
	CFDictionarySetValue(matching, CFSTR("IOPCIMatch"), CFSTR("0x00001af4&0x0000ffff"));
	service = IOServiceGetMatchingService(kIOMainPortDefault, matching);
	ck_assert_uint_ne(service, MACH_PORT_NULL);
	ck_assert_uint_eq(number_of(service, "vendor-id"), 0x1af4);
	ck_assert_uint_eq(number_of(service, "device-id"), 0x1110);
	ck_assert_uint_eq(number_of(service, "class-code"), 0x050000);
	ck_assert_uint_eq(number_of(service, "revision-id"), 1);
	ck_assert_uint_eq(number_of(service, "subsystem-vendor-id"), 0x1af4);
	ck_assert_uint_eq(number_of(service, "subsystem-id"), 0x1100);
	ck_assert_int_eq(IORegistryEntryGetName(service, name), 0);
	ck_assert_str_eq(name, "pci1af4,1110");
	ck_assert_int_eq(IORegistryEntryGetPath(service, kIOServicePlane, path), 0);
	ck_assert_str_eq(path, "IOService:/pci1af4,1110@4");
	IOObjectRelease(service);
	/* No driver matches it: nothing of it was touched. */
	ck_assert_uint_eq(command_of_device(), 0x05);
	stop();
}
END_TEST

/* --- coming and going --- */

static bool
is_gone(void *context)
{
	io_service_t service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(context));

	if (service != MACH_PORT_NULL)
		IOObjectRelease(service);
	return service == MACH_PORT_NULL;
}

START_TEST(goes_and_comes_again)
{
	io_connect_t connect;
	unsigned descriptors;
	uint64_t id = 0;
	char *mapped;

	if (!start(0, "PCI_MEMORY_BUNDLE"))
		return;
	IOObjectRelease(harness_wait_new_service("PCIMemory", &id));
	descriptors = count_descriptors(dextd.harness.pid);
	connect = harness_open("PCIMemory", 0);
	mapped = map(connect, 0);
	ck_assert_ptr_nonnull(mapped);
	pull_out();
	ck_assert(harness_until(is_gone, (void *)"PCIMemory"));
	ck_assert(harness_until(is_gone, (void *)"pci1af4,1110"));
	mapped[0] = 'm'; /* the app's until it closes */
	IOServiceClose(connect);
	plug_in(0);
	IOObjectRelease(harness_wait_new_service("PCIMemory", &id));
	ck_assert_uint_eq(command_of_device(), 0x02);
	ck_assert_uint_eq(count_descriptors(dextd.harness.pid), descriptors);
	/* Nothing of this is a crash. */
	ck_assert_ptr_null(strstr(harness_log(&dextd.harness), "starting it again"));
	ck_assert_ptr_null(strstr(harness_log(&dextd.harness), "is killed"));
	stop();
}
END_TEST

START_TEST(is_not_taken_from_the_kernels_driver)
{
	char path[160];

	if (!daemon_prepare(&dextd, 0))
		return;
	pci_tree_make();
	plug_in(0x05);
	snprintf(path, sizeof(path), "%s/%s/driver", pci_tree, ADDRESS);
	ck_assert_int_eq(symlink("../../../bus/pci/drivers/virtio-pci", path), 0);
	daemon_drop(&dextd, harness_bundle("PCI_MEMORY_BUNDLE"), "driver.dext", NULL);
	daemon_start(&dextd, (const char *[]){"--pci-devices", pci_tree, NULL});
	harness_wait_log(&dextd.harness, "the kernel's driver virtio-pci has it");
	harness_wait_log(&dextd.harness, "could not be launched");
	ck_assert(is_gone((void *)"PCIMemory"));
	ck_assert_uint_eq(command_of_device(), 0x05);
	stop();
}
END_TEST

START_TEST(is_for_root)
{
	if (!start(DAEMON_NOBODY, "PCI_MEMORY_BUNDLE"))
		return;
	harness_wait_log(&dextd.harness, "PCI devices are for a dextd that is root");
	ck_assert(is_gone((void *)"PCIMemory"));
	ck_assert_uint_eq(command_of_device(), 0x05);
	stop();
}
END_TEST

UNIT_MAIN("pci", an_app_without_rights_maps_a_bar, its_node_is_as_on_macos, goes_and_comes_again,
	  is_not_taken_from_the_kernels_driver, is_for_root)
