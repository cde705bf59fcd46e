/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting until the other threads of a test program are at rest, before it forks. A thread that
 * starts or ends takes locks of ASan's allocator, which has no handlers for a fork: a child that is
 * made meanwhile finds them taken for ever.
 */
#ifndef TESTS_UNIT_THREADS_H
#define TESTS_UNIT_THREADS_H

#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS_DEADLINE_SEC 20

/* Not every architecture has epoll_wait. Under qemu-user it is the numbers of the machine below. */
static inline bool
is_call_of_rest(long call)
{
	static const long calls[] = {
#ifdef SYS_epoll_wait
		SYS_epoll_wait,
#endif
#ifndef __x86_64__
		232, 281, 202, 230, 35, /* of x86-64: epoll_wait, epoll_pwait, and the three below */
#endif
		SYS_epoll_pwait, SYS_futex, SYS_clock_nanosleep, SYS_nanosleep,
	};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == call)
			return true;
	return false;
}

/* Whether the thread waits for work, or in a test's meter; or is TSan's own, which naps. */
static inline bool
thread_rests(const char *thread)
{
	char path[64], call[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/syscall", thread);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	if (fgets(call, sizeof(call), file) == NULL)
		call[0] = '\0';
	fclose(file);
	return is_call_of_rest(atol(call));
}

static inline bool
threads_rest(unsigned count)
{
	DIR *folder = opendir("/proc/self/task");
	unsigned others = 0, resting = 0;

	ck_assert_ptr_nonnull(folder);
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		if (entry->d_name[0] == '.' || atol(entry->d_name) == getpid())
			continue;
		others++;
		resting += thread_rests(entry->d_name);
	}
	closedir(folder);
	return others >= count && resting == others;
}

/* Until there are at least `count` threads besides the first, and all of them rest. */
static inline void
threads_await_rest(unsigned count)
{
	time_t deadline = time(NULL) + THREADS_DEADLINE_SEC;

	while (!threads_rest(count))
		ck_assert_msg(time(NULL) < deadline, "the threads do not come to rest");
}

#endif
