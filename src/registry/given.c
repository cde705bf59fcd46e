/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the descriptor store: which of the descriptors under a name is the record, the socket,
 * the pidfd. Their order says nothing, and some may be missing. One thread, the registry's.
 */
#include "given.h"

#include "record.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

pid_t
given_pid(int fd)
{
	char path[64], line[128];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file != NULL && pid == 0 && fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "Pid: %d", &pid);
	if (file != NULL)
		fclose(file);
	return pid;
}

static bool
is_packet_socket(int fd)
{
	socklen_t length = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

static void
sort_out(struct store_entry *entry, struct given *given)
{
	*given = (struct given){entry, NULL, -1, -1, -1, -1, -1, 0};
	for (unsigned i = 0; i < entry->count; i++) {
		int fd = entry->fds[i];
		struct stat info;

		if (fstat(fd, &info) < 0)
			continue;
		if (S_ISREG(info.st_mode) && given->facts == NULL &&
		    record_read(fd, &given->facts) == kIOReturnSuccess)
			given->record = fd;
		else if (S_ISCHR(info.st_mode))
			given->device = fd;
		else if (S_ISFIFO(info.st_mode))
			given->log = fd;
		else if (is_packet_socket(fd))
			given->socket = fd;
		else if (given_pid(fd) != 0)
			given->pidfd = fd;
	}
}

int
given_take_fd(struct given *given, int fd)
{
	for (unsigned i = 0; i < given->entry->count; i++) {
		if (given->entry->fds[i] == fd)
			given->entry->fds[i] = -1;
	}
	return fd;
}

void
given_finish(struct registry *registry, struct given *given, bool forget)
{
	if (forget)
		store_forget(registry->store, given->entry->name);
	OSSafeReleaseNULL(given->facts);
	store_entry_free(given->entry);
}

/* Takes the entries whose names begin so out of the list. */
static struct store_entry *
take_entries(struct registry *registry, const char *begin)
{
	struct store_entry *taken = NULL, **link = &registry->given;

	while (*link != NULL) {
		struct store_entry *entry = *link;

		if (strncmp(entry->name, begin, strlen(begin)) != 0) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		entry->next = taken;
		taken = entry;
	}
	return taken;
}

static int
compare_times(const void *left, const void *right)
{
	const struct given *a = left, *b = right;

	return (a->time > b->time) - (a->time < b->time);
}

struct given *
given_take_all(struct registry *registry, const char *begin, const char *fact, size_t *ret_count)
{
	struct store_entry *entries = take_entries(registry, begin), *next;
	struct given *all;
	size_t count = 0;

	for (const struct store_entry *entry = entries; entry != NULL; entry = entry->next)
		count++;
	all = calloc(count + 1, sizeof(*all));
	*ret_count = all != NULL ? count : 0;
	for (count = 0; entries != NULL; entries = next) {
		next = entries->next;
		if (all == NULL) {
			store_entry_free(entries);
			continue;
		}
		sort_out(entries, &all[count]);
		if (all[count].facts != NULL)
			OSDictionaryGetUInt64Value(all[count].facts, fact, &all[count].time);
		count++;
	}
	if (all != NULL)
		qsort(all, count, sizeof(*all), compare_times);
	return all;
}
