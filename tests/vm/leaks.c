/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process is a line "name: descriptors, memory files, mapped memory files"; the lines are sorted,
 * so that it is no matter if another process of that name has taken its place. Kernel threads have
 * no command line and do not count.
 *
 * usbfs does not show what is used of its limit, but counts memory that is mapped from a device's
 * file against it: what can be mapped is what is left.
 */
#include "leaks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 64
#define LINE	      96
#define PIECES_MAX    4096
#define PIECE	      (64u << 10)
#define DEADLINE      15 /* seconds */
#define AGAIN	      (50 * 1000 * 1000)

struct held {
	char lines[PROCESSES_MAX][LINE];
	unsigned count;
	size_t usbfs; /* bytes left */
};

static struct held before;
static bool begun;

static unsigned
count_files(const char *process, unsigned *ret_memory)
{
	char path[320], target[256];
	struct dirent *entry;
	unsigned count = 0;
	DIR *folder;

	*ret_memory = 0;
	snprintf(path, sizeof(path), "/proc/%s/fd", process);
	folder = opendir(path);
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		ssize_t length =
			readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		if (length < 0)
			continue;
		target[length] = '\0';
		count++;
		*ret_memory += strncmp(target, "/memfd:", 7) == 0;
	}
	if (folder != NULL)
		closedir(folder);
	return count;
}

static unsigned
count_mapped(const char *process)
{
	char path[320], line[512];
	unsigned count = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", process);
	maps = fopen(path, "re");
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		count += strstr(line, "/memfd:") != NULL;
	if (maps != NULL)
		fclose(maps);
	return count;
}

/* The first word of its command line; false: it has none. */
static bool
read_name(const char *process, char *name, size_t room)
{
	char path[320];
	size_t got = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", process);
	file = fopen(path, "re");
	if (file != NULL) {
		got = fread(name, 1, room - 1, file);
		fclose(file);
	}
	name[got] = '\0';
	return got > 0;
}

static size_t
usbfs_left(void)
{
	int fd = open("/dev/bus/usb/001/001", O_RDWR | O_CLOEXEC); /* a root hub */
	static void *pieces[PIECES_MAX];
	unsigned count = 0;

	while (fd >= 0 && count < PIECES_MAX) {
		pieces[count] = mmap(NULL, PIECE, PROT_READ, MAP_SHARED, fd, 0);
		if (pieces[count] == MAP_FAILED)
			break;
		count++;
	}
	for (unsigned i = 0; i < count; i++)
		munmap(pieces[i], PIECE);
	if (fd >= 0)
		close(fd);
	return (size_t)count * PIECE;
}

static int
compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

static void
look(struct held *held)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	memset(held, 0, sizeof(*held));
	while (processes != NULL && held->count < PROCESSES_MAX &&
	       (entry = readdir(processes)) != NULL) {
		unsigned files, memory;
		char name[48];

		if (atoi(entry->d_name) <= 0 || !read_name(entry->d_name, name, sizeof(name)))
			continue;
		files = count_files(entry->d_name, &memory);
		snprintf(held->lines[held->count++], LINE,
			 "%s: %u descriptors, %u memory, %u mapped", name, files, memory,
			 count_mapped(entry->d_name));
	}
	if (processes != NULL)
		closedir(processes);
	qsort(held->lines, held->count, LINE, compare);
	held->usbfs = usbfs_left();
}

static void
print(const char *when, const struct held *held)
{
	for (unsigned i = 0; i < held->count; i++)
		printf("vm: %s: %s\n", when, held->lines[i]);
	printf("vm: %s: usbfs has %zu KiB left\n", when, held->usbfs >> 10);
}

void
leaks_begin(void)
{
	look(&before);
	print("held", &before);
	begun = true;
}

void
leaks_end(void)
{
	begun = false;
}

bool
leaks_check(void)
{
	const struct timespec again = {.tv_nsec = AGAIN};
	time_t deadline = time(NULL) + DEADLINE;
	struct held now;

	if (!begun)
		return true;
	/* The last of a process that has ended goes after its parent was told. */
	for (look(&now); memcmp(&now, &before, sizeof(now)) != 0; look(&now)) {
		if (time(NULL) >= deadline) {
			print("before", &before);
			print("after", &now);
			return false;
		}
		nanosleep(&again, NULL);
	}
	return true;
}
