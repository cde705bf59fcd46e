/* SPDX-License-Identifier: Apache-2.0 */
#include "places.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 64u

struct seen {
	pid_t thread;
	int cpu;      /* on which it last ran */
	uint64_t ran; /* ns */
};

static struct {
	struct seen seen[THREADS_MAX];
	unsigned count;
	int client;
} noted;

static int
read_cpu(pid_t process, pid_t thread)
{
	char path[64], line[1024];
	const char *rest = NULL;
	FILE *file;
	int cpu;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)process, (int)thread);
	file = fopen(path, "re");
	/* After the name, which may hold anything: field 39 of proc(5). */
	if (file != NULL && fgets(line, sizeof(line), file) != NULL)
		rest = strrchr(line, ')');
	if (file != NULL)
		fclose(file);
	for (unsigned field = 2; rest != NULL && field < 39; field++)
		rest = strchr(rest + 1, ' ');
	return rest != NULL && sscanf(rest, "%d", &cpu) == 1 ? cpu : -1;
}

static uint64_t
read_ran(pid_t process, pid_t thread)
{
	uint64_t ran = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)process, (int)thread);
	file = fopen(path, "re");
	if (file != NULL && fscanf(file, "%" SCNu64, &ran) != 1)
		ran = 0;
	if (file != NULL)
		fclose(file);
	return ran;
}

/* All threads of a process; how many. */
static unsigned
look(pid_t process, struct seen *ret_seen)
{
	unsigned count = 0;
	struct dirent *entry;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
	tasks = opendir(path);
	while (tasks != NULL && count < THREADS_MAX && (entry = readdir(tasks)) != NULL) {
		pid_t thread = (pid_t)atoi(entry->d_name);

		if (thread <= 0)
			continue;
		ret_seen[count++] = (struct seen){.thread = thread,
						  .cpu = read_cpu(process, thread),
						  .ran = read_ran(process, thread)};
	}
	if (tasks != NULL)
		closedir(tasks);
	return count;
}

/* As it was noted. One that has come since has run for nothing before. */
static struct seen
before(const struct seen *now)
{
	for (unsigned i = 0; i < noted.count; i++)
		if (noted.seen[i].thread == now->thread)
			return noted.seen[i];
	return (struct seen){.cpu = -1};
}

void
places_note(pid_t server)
{
	noted.count = server > 0 ? look(server, noted.seen) : 0;
	noted.client = sched_getcpu();
}

void
places_ask(pid_t server, struct place *ret_from, struct place *ret_to)
{
	struct seen now[THREADS_MAX];
	uint64_t most = 0;
	unsigned count;

	*ret_to = (struct place){.client = sched_getcpu(), .server = -1};
	*ret_from = (struct place){.client = noted.client, .server = -1};
	count = server > 0 ? look(server, now) : 0;
	for (unsigned i = 0; i < count; i++) {
		struct seen then = before(&now[i]);

		if (now[i].ran - then.ran < most)
			continue;
		most = now[i].ran - then.ran;
		ret_from->server = then.cpu;
		ret_to->server = now[i].cpu;
	}
}
