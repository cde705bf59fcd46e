/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/self/maps, read line by line into a buffer on the stack.
 *
 * Which anonymous memory is a stack? The first thread's is labelled. Any other's is a mapping that
 * ends with the thread's descriptor, in which the C library keeps the head of the thread's robust
 * list, and the kernel tells where that head is; it begins at a guard page, that is, at the start
 * of its mapping. The memory above the descriptor may be somebody else's, which the kernel has
 * merged with it. musl tells the kernel of a thread's list only when it needs one: there the asking
 * thread's stack is what the C library says, and any other's is what lies above a guard page, with
 * all that was merged with it.
 *
 * Locked memory is told by smaps only, which is slow, so it is read only if this process has locked
 * any.
 */
#include "maps.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "memfd.h"

struct lines {
	int fd;
	size_t used, at;
	char buffer[4096];
	char line[512]; /* longer ones are cut: only paths are that long */
};

struct mapping {
	uintptr_t start, end;
	char protection[5];
	unsigned long long offset;
	unsigned major, minor;
	unsigned long long inode;
	char name[64];
};

static bool
open_lines(struct lines *lines, const char *path)
{
	lines->used = lines->at = 0;
	lines->fd = open(path, O_RDONLY | O_CLOEXEC);
	return lines->fd >= 0;
}

static bool
next_line(struct lines *lines)
{
	size_t length = 0;

	for (;;) {
		char byte;

		if (lines->at == lines->used) {
			ssize_t got = read(lines->fd, lines->buffer, sizeof(lines->buffer));

			if (got <= 0)
				return false;
			lines->used = (size_t)got;
			lines->at = 0;
		}
		byte = lines->buffer[lines->at++];
		if (byte == '\n')
			break;
		if (length + 1 < sizeof(lines->line))
			lines->line[length++] = byte;
	}
	lines->line[length] = '\0';
	return true;
}

static bool
parse(const char *line, struct mapping *mapping)
{
	struct mapping got = {0};

	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %llx %x:%x %llu %63[^\n]", &got.start,
		   &got.end, got.protection, &got.offset, &got.major, &got.minor, &got.inode,
		   got.name) < 7)
		return false;
	*mapping = got;
	return true;
}

/*
 * Asks `judge` about each mapping that has a part of the range. NULL: all of the range is mapped
 * and each was fine. Else the first reason.
 */
static const char *
judge_range(uintptr_t start, uintptr_t end,
	    const char *(*judge)(const struct mapping *mapping, const void *context),
	    const void *context)
{
	const char *reason = NULL;
	struct mapping mapping;
	struct lines lines;
	uintptr_t next = start;

	if (!open_lines(&lines, "/proc/self/maps"))
		return "/proc/self/maps cannot be read";
	while (reason == NULL && next < end && next_line(&lines)) {
		if (!parse(lines.line, &mapping) || mapping.end <= next)
			continue;
		if (mapping.start > next)
			break;
		reason = judge(&mapping, context);
		next = mapping.end;
	}
	close(lines.fd);
	if (reason == NULL && next < end)
		reason = "not all of it is mapped";
	return reason;
}

/* --- is it this file? --- */

static const char *
judge_file(const struct mapping *mapping, const void *context)
{
	const struct stat *about = context;

	if (mapping->inode == about->st_ino && mapping->major == major(about->st_dev) &&
	    mapping->minor == minor(about->st_dev) && mapping->protection[3] == 's')
		return NULL;
	return "another mapping";
}

bool
maps_is_file(const void *address, uint64_t length, int fd)
{
	uintptr_t start = (uintptr_t)address;
	struct stat about;

	return fstat(fd, &about) == 0 &&
	       judge_range(start, start + length, judge_file, &about) == NULL;
}

void
maps_each_of_file(int fd, void (*found)(const struct maps_part *part, void *context), void *context)
{
	struct mapping mapping;
	struct lines lines;
	struct stat about;

	if (fstat(fd, &about) < 0 || !open_lines(&lines, "/proc/self/maps"))
		return;
	while (next_line(&lines)) {
		struct maps_part part;

		if (!parse(lines.line, &mapping) || judge_file(&mapping, &about) != NULL)
			continue;
		part.address = (char *)mapping.start;
		part.length = mapping.end - mapping.start;
		part.offset = mapping.offset;
		part.protection = (mapping.protection[0] == 'r' ? PROT_READ : 0) |
				  (mapping.protection[1] == 'w' ? PROT_WRITE : 0) |
				  (mapping.protection[2] == 'x' ? PROT_EXEC : 0);
		found(&part, context);
	}
	close(lines.fd);
}

/* --- is it this process's alone? --- */

static const char *
judge_private(const struct mapping *mapping, const void *context)
{
	(void)context;
	return mapping->protection[3] == 'p' ? NULL : "it is shared memory";
}

bool
maps_is_private(const void *address, uint64_t length)
{
	uintptr_t start = (uintptr_t)address;

	return is_addressable(start, length) &&
	       judge_range(start, start + (uintptr_t)length, judge_private, NULL) == NULL;
}

/* --- is it plain memory? --- */

static const char *
judge_plain(const struct mapping *mapping, const void *context)
{
	(void)context;
	if (mapping->protection[3] != 'p')
		return "it is shared memory";
	if (mapping->inode != 0)
		return "it is a file's";
	if (strncmp(mapping->protection, "rw", 2) != 0)
		return "it is not readable and writable";
	if (strncmp(mapping->name, "[stack", 6) == 0)
		return "it is a stack";
	if (mapping->name[0] != '\0' && strcmp(mapping->name, "[heap]") != 0 &&
	    strncmp(mapping->name, "[anon:", 6) != 0)
		return "it is no ordinary memory";
	return NULL;
}

struct stack_question {
	uintptr_t start, end; /* the range that is asked about */
	uintptr_t top;	      /* of a stack */
};

static const char stack_reason[] = "it is a thread's stack";

static const char *
judge_stack(const struct mapping *mapping, const void *context)
{
	const struct stack_question *question = context;

	if (question->start < question->top && mapping->start < question->end)
		return stack_reason;
	return NULL;
}

static bool
is_own_stack(uintptr_t start, uintptr_t end)
{
	pthread_attr_t attributes;
	void *lowest = NULL;
	size_t size = 0;

	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return true;
	pthread_attr_getstack(&attributes, &lowest, &size);
	pthread_attr_destroy(&attributes);
	return start < (uintptr_t)lowest + size && (uintptr_t)lowest < end;
}

static bool
is_above_guard(uintptr_t start, uintptr_t end)
{
	struct mapping mapping = {0}, before = {0};
	struct lines lines;
	bool found = false;

	if (!open_lines(&lines, "/proc/self/maps"))
		return true;
	while (!found && mapping.start < end && next_line(&lines)) {
		before = mapping;
		if (parse(lines.line, &mapping))
			found = mapping.start < end && mapping.end > start &&
				before.end == mapping.start && before.inode == 0 &&
				strcmp(before.protection, "---p") == 0;
	}
	close(lines.fd);
	return found;
}

static bool
is_stack_of(pid_t thread, uintptr_t start, uintptr_t end)
{
	struct stack_question question = {.start = start, .end = end};
	uintptr_t head = 0;
	size_t length;

	if (syscall(SYS_get_robust_list, thread, &head, &length) != 0)
		return false;
	if (head == 0)
		return thread == gettid() ? is_own_stack(start, end) : is_above_guard(start, end);
	/* The rest of the descriptor is less than a page, and the stack ends with it. */
	question.top = page_round_up(head + 1);
	return judge_range(head, head + 1, judge_stack, &question) == stack_reason;
}

static bool
is_stack(uintptr_t start, uintptr_t end)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	DIR *threads;
	const struct dirent *entry;
	bool found = here >= start && here < end;

	threads = opendir("/proc/self/task");
	if (threads == NULL)
		return true;
	while (!found && (entry = readdir(threads)) != NULL) {
		pid_t thread = (pid_t)atoi(entry->d_name);

		/* The first thread's descriptor is not in its stack, which is labelled. */
		if (thread > 0 && thread != getpid())
			found = is_stack_of(thread, start, end);
	}
	closedir(threads);
	return found;
}

static bool
has_locked_memory(void)
{
	unsigned long kilobytes = 1;
	struct lines lines;

	if (!open_lines(&lines, "/proc/self/status"))
		return true;
	while (next_line(&lines))
		if (sscanf(lines.line, "VmLck: %lu", &kilobytes) == 1)
			break;
	close(lines.fd);
	return kilobytes != 0;
}

static bool
is_locked(uintptr_t start, uintptr_t end)
{
	struct mapping mapping = {0};
	struct lines lines;
	bool locked = false;

	if (!has_locked_memory())
		return false;
	if (!open_lines(&lines, "/proc/self/smaps"))
		return true;
	while (!locked && next_line(&lines)) {
		if (strncmp(lines.line, "VmFlags:", 8) == 0)
			locked = mapping.start < end && mapping.end > start &&
				 strstr(lines.line, " lo") != NULL;
		else
			parse(lines.line, &mapping);
	}
	close(lines.fd);
	return locked;
}

const char *
maps_why_not_plain(const void *address, uint64_t length)
{
	uintptr_t start = (uintptr_t)address, end = start + (uintptr_t)length;
	const char *reason = "it is past the end of all addresses";

	if (is_addressable(start, length))
		reason = judge_range(start, end, judge_plain, NULL);
	if (reason == NULL && is_stack(start, end))
		reason = stack_reason;
	if (reason == NULL && is_locked(start, end))
		reason = "it is locked";
	return reason;
}
