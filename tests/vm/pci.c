/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app without rights on the memory of QEMU's ivshmem-plain, which the machine's host has as a
 * file: both see what the other writes; and a hostile one, with the descriptors that it received.
 *
 * It asks the host by lines "vm: host WORD" (cases_pci.py): "check" looks for what the app wrote
 * and answers in the memory, "pull" and "plug" are about the device.
 */
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE	     (1u << 20)
#define NOBODY	     65534
#define DEADLINE_SEC 60

/* Copies of the device's descriptors that libiokit received. */
static int received[4];
static unsigned received_count;

#define DEMAND(condition)                                                                        \
	do {                                                                                     \
		if (!(condition)) {                                                              \
			printf("vm-pci: line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
			exit(1);                                                                 \
		}                                                                                \
	} while (0)

/* In place of the C library's: what libiokit closes after it has mapped it is kept. */
__attribute__((visibility("default"))) int
close(int fd)
{
	struct statfs system;

	if (fstatfs(fd, &system) == 0 && system.f_type == SYSFS_MAGIC && received_count < 4)
		received[received_count++] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return (int)syscall(SYS_close, fd);
}

static void
pause_a_little(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void
ask_host(const char *word)
{
	printf("vm: host %s\n", word);
	fflush(stdout);
}

static bool
in_time(time_t began)
{
	return time(NULL) - began < DEADLINE_SEC;
}

/* With another id than *id; sets it. */
static io_service_t
wait_service(uint64_t *id)
{
	time_t began = time(NULL);

	for (;;) {
		io_service_t service = IOServiceGetMatchingService(
			kIOMainPortDefault, IOServiceNameMatching("PCIMemory"));
		uint64_t found = 0;

		if (service != IO_OBJECT_NULL &&
		    IORegistryEntryGetRegistryEntryID(service, &found) == 0 && found != *id) {
			*id = found;
			return service;
		}
		DEMAND(in_time(began));
		pause_a_little();
	}
}

static void
wait_gone(const char *name)
{
	time_t began = time(NULL);

	for (;;) {
		io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault,
								   IOServiceNameMatching(name));

		if (service == IO_OBJECT_NULL)
			return;
		IOObjectRelease(service);
		DEMAND(in_time(began));
		pause_a_little();
	}
}

static char *
map(io_connect_t connect, uint32_t type, IOOptionBits cache)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	DEMAND(IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size,
				    kIOMapAnywhere | cache) == 0);
	DEMAND(size == SIZE);
	return (char *)(uintptr_t)address;
}

/* The signal that ends a child which does this; 0: none did. */
static int
signal_of(void (*act)(volatile char *place), volatile char *place)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		act(place);
		_exit(0);
	}
	DEMAND(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
write_it(volatile char *place)
{
	*place = 1;
}

static void
read_it(volatile char *place)
{
	(void)*place;
}

/* --- the two sides --- */

static void
fill(char *memory)
{
	for (unsigned i = 0; i < SIZE / 2; i++)
		memory[SIZE / 2 + i] = (char)(i * 7 + i / 256);
}

static void
exchange(char *writable, const volatile char *readable)
{
	time_t began = time(NULL);

	DEMAND(strcmp(writable, "from the host") == 0);
	fill(writable);
	ask_host("check");
	while (readable[64] != 'h')
		DEMAND(in_time(began));
	DEMAND(strcmp(writable + 64, "heard") == 0);
}

/* --- a hostile app --- */

static int
open_again(int fd, int mode)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, mode | O_CLOEXEC);
}

static off_t
size_of(int fd)
{
	struct stat about;

	DEMAND(fstat(fd, &about) == 0);
	return about.st_size;
}

static void
attack(char *readable)
{
	int writable_fd = received[0], readable_fd = received[1];
	char link[64], path[256] = "";
	ssize_t length;

	DEMAND(received_count == 2);
	DEMAND((fcntl(writable_fd, F_GETFL) & O_ACCMODE) == O_RDWR);
	DEMAND((fcntl(readable_fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	/* What is for reading stays so. */
	DEMAND(signal_of(write_it, readable) == SIGSEGV);
	DEMAND(mprotect(readable, SIZE, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
	DEMAND(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, readable_fd, 0) == MAP_FAILED);
	DEMAND(errno == EACCES);
	DEMAND(open_again(readable_fd, O_RDWR) < 0 && errno == EACCES);
	DEMAND(open_again(writable_fd, O_RDONLY) < 0 && errno == EACCES);
	DEMAND(fchmod(readable_fd, 0666) < 0);
	DEMAND(pwrite(readable_fd, "x", 1, 0) < 0);
	/* Neither size nor more than the BAR. */
	DEMAND(ftruncate(writable_fd, 0) < 0 || size_of(writable_fd) == SIZE);
	DEMAND(fallocate(writable_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0);
	DEMAND(mmap(NULL, 2 * SIZE, PROT_READ, MAP_SHARED, writable_fd, 0) == MAP_FAILED);
	DEMAND(mmap(NULL, 4096, PROT_READ, MAP_SHARED, writable_fd, SIZE) == MAP_FAILED);
	DEMAND(strcmp(readable, "from the host") == 0);
	/* The device's other files. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", writable_fd);
	length = readlink(link, path, sizeof(path) - 16);
	DEMAND(length > 0);
	path[length] = '\0';
	DEMAND(strstr(path, "/resource2") != NULL);
	DEMAND(open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	strcpy(strrchr(path, '/'), "/config");
	DEMAND(open(path, O_RDWR | O_CLOEXEC) < 0 && errno == EACCES);
	for (unsigned i = 0; i < received_count; i++)
		syscall(SYS_close, received[i]);
}

/* Memory decoding is on and bus mastering off. */
static void
check_command(void)
{
	FILE *config = fopen("/sys/bus/pci/devices/0000:01:00.0/config", "re");
	unsigned char header[64];

	DEMAND(config != NULL && fread(header, sizeof(header), 1, config) == 1);
	fclose(config);
	DEMAND(header[0] == 0xf4 && header[1] == 0x1a);
	DEMAND((header[4] & 0x06) == 0x02);
}

/* --- */

static void
become_nobody(void)
{
	DEMAND(setgroups(0, NULL) == 0);
	DEMAND(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

static io_connect_t
open_service(uint64_t *id)
{
	io_service_t service = wait_service(id);
	io_connect_t connect = IO_OBJECT_NULL;

	DEMAND(IOServiceOpen(service, mach_task_self(), 0, &connect) == 0);
	IOObjectRelease(service);
	return connect;
}

int
main(void)
{
	uint64_t id = 0;
	char *writable, *readable;
	io_connect_t connect;

	become_nobody();
	connect = open_service(&id);
	check_command();
	writable = map(connect, 0, kIOMapInhibitCache);
	readable = map(connect, 1, kIOMapDefaultCache);
	exchange(writable, readable);
	attack(readable);
	for (unsigned round = 0; round < 3; round++) {
		ask_host("pull");
		wait_gone("PCIMemory");
		wait_gone("pci1af4,1110");
		printf("# after the device has gone a read of its memory is ended by signal %d\n",
		       signal_of(read_it, writable));
		DEMAND(IOServiceClose(connect) == 0);
		received_count = 4; /* no more of them */
		ask_host("plug");
		connect = open_service(&id);
		check_command();
		writable = map(connect, 0, kIOMapDefaultCache);
		DEMAND(strcmp(writable + 64, "heard") == 0);
	}
	DEMAND(IOServiceClose(connect) == 0);
	return 0;
}
