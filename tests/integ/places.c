/* SPDX-License-Identifier: Apache-2.0 */
/* Reads /proc/PID/maps and counts the entries of /proc/PID/fd. */
#include "places.h"

#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FILE *
open_maps(pid_t pid)
{
	char path[64];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	ck_assert_ptr_nonnull(maps);
	return maps;
}

bool
place_find(pid_t pid, uint64_t address, struct place *ret_place)
{
	FILE *maps = open_maps(pid);
	struct place place;
	bool found = false;
	char line[512];

	while (!found && fgets(line, sizeof(line), maps) != NULL)
		found = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64,
			       &place.start, &place.end, place.rights, &place.offset,
			       &place.inode) == 5 &&
			address >= place.start && address < place.end;
	fclose(maps);
	if (found)
		*ret_place = place;
	return found;
}

struct place
place_of(const volatile void *address)
{
	struct place place = {.rights = ""};

	ck_assert_msg(place_find(getpid(), (uintptr_t)address, &place), "nothing is mapped at %p",
		      (void *)(uintptr_t)address);
	return place;
}

static unsigned
count_entries(pid_t pid, const char *of)
{
	unsigned count = 0;
	char path[64];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, of);
	folder = opendir(path);
	ck_assert_ptr_nonnull(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

unsigned
count_descriptors(pid_t pid)
{
	return count_entries(pid, "fd");
}

unsigned
count_threads(pid_t pid)
{
	return count_entries(pid, "task");
}

unsigned
count_memfd_maps(pid_t pid)
{
	FILE *maps = open_maps(pid);
	unsigned count = 0;
	char line[512];

	while (fgets(line, sizeof(line), maps) != NULL)
		count += strstr(line, "/memfd:") != NULL;
	fclose(maps);
	return count;
}
