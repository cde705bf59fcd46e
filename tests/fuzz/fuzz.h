/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fuzz target is made of. A target is one file with LLVMFuzzerTestOneInput; libFuzzer calls
 * it without end (`make fuzz`), replay.c with each file of the target's corpus (`make test`).
 *
 * An input is read from its front: what is not there any more is 0, so every input means something.
 * FUZZ_CHECK is for what must hold whatever the input was.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No target has as many open at once. */
#define FUZZ_FDS_MAX 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                     \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			/* scripts/fuzz.py has the other one closed: it is for what is logged. */ \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);            \
			fflush(stdout);                                                           \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* Of this process, to see that none was left. */
static inline unsigned
fuzz_count_fds(void)
{
	static struct pollfd items[FUZZ_FDS_MAX];
	unsigned count = 0;

	for (int fd = 0; fd < FUZZ_FDS_MAX; fd++)
		items[fd].fd = fd;
	FUZZ_CHECK(poll(items, FUZZ_FDS_MAX, 0) >= 0);
	for (int fd = 0; fd < FUZZ_FDS_MAX; fd++)
		count += !(items[fd].revents & POLLNVAL);
	/* The lowest that is free is given out, so there is none above either. */
	FUZZ_CHECK(count < FUZZ_FDS_MAX);
	return count;
}

/* For a check that is about to fail. */
static inline void
fuzz_print_fds(void)
{
	for (int fd = 0; fd < FUZZ_FDS_MAX; fd++) {
		char path[32], target[128];
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, target, sizeof(target));
		if (length >= 0)
			printf("%d: %.*s\n", fd, (int)length, target);
	}
}

/* What was in it is gone. */
static inline void
fuzz_write_file(const char *path, const void *bytes, size_t length)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
	close(fd);
}

struct fuzz {
	const uint8_t *at;
	const uint8_t *end;
};

static inline size_t
fuzz_left(const struct fuzz *fuzz)
{
	return (size_t)(fuzz->end - fuzz->at);
}

/* Fills `size` bytes, with 0 behind the input's end. */
static inline void
fuzz_fill(struct fuzz *fuzz, void *bytes, size_t size)
{
	size_t there = fuzz_left(fuzz) < size ? fuzz_left(fuzz) : size;

	memset(bytes, 0, size);
	if (there > 0)
		memcpy(bytes, fuzz->at, there);
	fuzz->at += there;
}

static inline uint8_t
fuzz_u8(struct fuzz *fuzz)
{
	uint8_t value;

	fuzz_fill(fuzz, &value, sizeof(value));
	return value;
}

static inline uint16_t
fuzz_u16(struct fuzz *fuzz)
{
	uint16_t value;

	fuzz_fill(fuzz, &value, sizeof(value));
	return value;
}

static inline uint32_t
fuzz_u32(struct fuzz *fuzz)
{
	uint32_t value;

	fuzz_fill(fuzz, &value, sizeof(value));
	return value;
}

static inline uint64_t
fuzz_u64(struct fuzz *fuzz)
{
	uint64_t value;

	fuzz_fill(fuzz, &value, sizeof(value));
	return value;
}

/*
 * A copy of the next `size` bytes, or of those that are left, in memory of exactly that size, so
 * that a sanitizer sees the byte behind it. The caller frees it.
 */
static inline uint8_t *
fuzz_copy(struct fuzz *fuzz, size_t size, size_t *ret_size)
{
	uint8_t *copy;

	if (size > fuzz_left(fuzz))
		size = fuzz_left(fuzz);
	copy = malloc(size > 0 ? size : 1);
	FUZZ_CHECK(copy != NULL);
	fuzz_fill(fuzz, copy, size);
	*ret_size = size;
	return copy;
}

/* An input after which as many descriptors are open as before. */
static inline void
fuzz_keeping_fds(void (*run)(const uint8_t *data, size_t size), const uint8_t *data, size_t size)
{
	unsigned fds = fuzz_count_fds();

	run(data, size);
	if (fuzz_count_fds() != fds)
		fuzz_print_fds();
	FUZZ_CHECK(fuzz_count_fds() == fds);
}

#endif
