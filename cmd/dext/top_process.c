/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc says of a process; see top.h. */
#include "top.h"

#include "escape.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mach/clock_types.h>

/* The beginning of a file of a process, as text. False: there is none, or it may not be read. */
static bool
read_file(pid_t process, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t length;
	int fd;

	if (process <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)process, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, text, size - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length] = '\0';
	return true;
}

bool
top_process_usage(pid_t process, uint64_t *ret_cpu_nsec, uint64_t *ret_memory)
{
	uint64_t user, system, pages;
	char text[1024];
	const char *rest;

	if (!read_file(process, "stat", text, sizeof(text)))
		return false;
	/* Behind the name, which may have anything in it. */
	rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest,
				   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
				   " %" SCNu64 " %*d %*d %*d %*d %*d %*d %*u %*u %" SCNu64,
				   &user, &system, &pages) != 3)
		return false;
	*ret_cpu_nsec = (user + system) * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	*ret_memory = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

void
top_process_name(pid_t process, char *name, size_t size)
{
	char text[32], clean[ESCAPE_ROOM(sizeof(text))];

	if (!read_file(process, "comm", text, sizeof(text))) {
		snprintf(name, size, "?");
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	escape_line(clean, text, strlen(text));
	snprintf(name, size, "%s", clean);
}
