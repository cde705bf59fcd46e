/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memfds against a hostile peer: each attack runs in a child that has nothing but the descriptor,
 * as a peer would have, and what it changed is judged by the owner's own mapping, size and seals.
 */
#include "unit.h"

#include "memfd.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define PAGES 4
#define SIZE  (PAGES * page_size())

static int fd;
static unsigned char *bytes; /* the owner's mapping */

static void
make(enum memfd_right right)
{
	void *address;

	ck_assert_int_eq(memfd_create_sealed("test", SIZE, &fd), 0);
	ck_assert_int_eq(memfd_map(fd, 0, SIZE, true, true, NULL, &address), 0);
	bytes = address;
	memset(bytes, 0x5a, SIZE);
	ck_assert_int_eq(memfd_seal_for_peer(fd, right), 0);
}

/* An attack returns 0 if it got what it wanted, else the errno. */
typedef int (*attack_fn)(int fd);

static int
result(bool done)
{
	return done ? 0 : errno;
}

static int
map_writable(int on)
{
	unsigned char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, on, 0);

	if (at == MAP_FAILED)
		return errno;
	at[0] = 1;
	return 0;
}

static int
map_then_protect(int on)
{
	unsigned char *at = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, on, 0);

	if (at == MAP_FAILED || mprotect(at, SIZE, PROT_READ | PROT_WRITE) < 0)
		return errno;
	at[0] = 1;
	return 0;
}

static int
reopen(int on, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", on);
	return open(path, flags | O_CLOEXEC);
}

static int
reopen_and_map(int on)
{
	int other = reopen(on, O_RDWR);

	return other < 0 ? errno : map_writable(other);
}

static int
reopen_and_write(int on)
{
	int other = reopen(on, O_RDWR);

	return other < 0 ? errno : result(pwrite(other, "x", 1, 0) == 1);
}

static int
chmod_and_reopen(int on)
{
	if (fchmod(on, 0777) < 0)
		return errno;
	return reopen_and_write(on);
}

static int
write_at(int on)
{
	return result(pwrite(on, "x", 1, 0) == 1);
}

static int
punch(int on)
{
	return result(fallocate(on, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE) == 0);
}

static int
zero_range(int on)
{
	return result(fallocate(on, FALLOC_FL_ZERO_RANGE, 0, SIZE) == 0);
}

static int
remove_pages(int on)
{
	unsigned char *at = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, on, 0);

	if (at == MAP_FAILED || madvise(at, SIZE, MADV_REMOVE) < 0)
		return errno;
	return at[0] == 0 ? 0 : EOPNOTSUPP; /* an emulator only says that it has */
}

static int
truncate_to_0(int on)
{
	return result(ftruncate(on, 0) == 0);
}

static int
reopen_truncating(int on)
{
	return result(reopen(on, O_RDWR | O_TRUNC) >= 0);
}

static int
grow(int on)
{
	return result(ftruncate(on, SIZE * 2) == 0);
}

static int
allocate_past_the_end(int on)
{
	return result(fallocate(on, 0, SIZE, SIZE) == 0);
}

static int
seal_writes(int on)
{
	return result(fcntl(on, F_ADD_SEALS, F_SEAL_WRITE) == 0);
}

static int
seal_future_writes(int on)
{
	return result(fcntl(on, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
}

static int
write_through_mem(int on)
{
	unsigned char *at = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, on, 0);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (at == MAP_FAILED || mem < 0)
		return errno;
	return result(pwrite(mem, "x", 1, (off_t)(uintptr_t)at) == 1);
}

static int
read_into_mapping(int on)
{
	unsigned char *at = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, on, 0);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (at == MAP_FAILED || zero < 0)
		return errno;
	return result(read(zero, at, 1) == 1);
}

static const struct {
	const char *name;
	attack_fn attack;
	bool writer_may; /* held against the readonly kind only */
} attacks[] = {
	{"mmap for writing", map_writable, true},
	{"mprotect", map_then_protect, true},
	{"reopen, mmap", reopen_and_map, true},
	{"reopen, write", reopen_and_write, true},
	{"fchmod, reopen", chmod_and_reopen, true},
	{"pwrite", write_at, true},
	{"punch hole", punch, true},
	{"zero range", zero_range, true},
	{"MADV_REMOVE", remove_pages, true},
	{"/proc/self/mem", write_through_mem, true},
	{"read(2) into the mapping", read_into_mapping, false},
	{"truncate", truncate_to_0, false},
	{"reopen with O_TRUNC", reopen_truncating, false},
	{"grow", grow, false},
	{"allocate past the end", allocate_past_the_end, false},
	{"add F_SEAL_WRITE", seal_writes, false},
	{"add F_SEAL_FUTURE_WRITE", seal_future_writes, false},
};

#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

static void
attack(void *context)
{
	attack_fn function = *(const attack_fn *)context;

	/* What a peer has is the descriptor: not this process's mapping. */
	munmap(bytes, SIZE);
	_exit(function(fd) == 0 ? 10 : 20);
}

static void
judge(const char *name)
{
	struct stat about;
	uint64_t at;

	ck_assert_int_eq(fstat(fd, &about), 0);
	ck_assert_msg((uint64_t)about.st_size == SIZE, "%s changed the size", name);
	for (at = 0; at < SIZE && bytes[at] == 0x5a;)
		at++;
	ck_assert_msg(at == SIZE, "%s changed byte %llu", name, (unsigned long long)at);
	bytes[SIZE - 1] = 0x5a; /* still writable here */
}

START_TEST(readonly_holds_against_every_attack)
{
	make(MEMFD_READONLY);
	for (size_t i = 0; i < ATTACKS; i++) {
		int seals = fcntl(fd, F_GET_SEALS);
		int status = unit_child(attack, (void *)(uintptr_t)&attacks[i].attack, NULL, 0);

		ck_assert_msg(WIFEXITED(status), "%s: killed", attacks[i].name);
		ck_assert_msg(WEXITSTATUS(status) == 20, "%s succeeded", attacks[i].name);
		ck_assert_int_eq(fcntl(fd, F_GET_SEALS), seals);
		judge(attacks[i].name);
	}
}
END_TEST

START_TEST(writable_keeps_its_size_and_seals)
{
	make(MEMFD_WRITABLE);
	for (size_t i = 0; i < ATTACKS; i++) {
		int seals = fcntl(fd, F_GET_SEALS);
		int status = unit_child(attack, (void *)(uintptr_t)&attacks[i].attack, NULL, 0);

		ck_assert_msg(WIFEXITED(status), "%s: killed", attacks[i].name);
		ck_assert_int_eq(fcntl(fd, F_GET_SEALS), seals);
		if (!attacks[i].writer_may)
			ck_assert_msg(WEXITSTATUS(status) == 20, "%s succeeded", attacks[i].name);
		memset(bytes, 0x5a, SIZE); /* no SIGBUS, whatever holes there are */
		judge(attacks[i].name);
	}
	/* The peer can write: that is what it is for. */
	ck_assert_int_eq(unit_child(attack, &(attack_fn){map_writable}, NULL, 0), 10 << 8);
	ck_assert_uint_eq(bytes[0], 1);
}
END_TEST

START_TEST(the_right_of_the_first_hand_over_stays)
{
	make(MEMFD_READONLY);
	ck_assert_int_eq(memfd_seal_for_peer(fd, MEMFD_READONLY), 0);
	ck_assert_int_eq(memfd_seal_for_peer(fd, MEMFD_WRITABLE), kIOReturnNotPermitted);
	make(MEMFD_WRITABLE);
	ck_assert_int_eq(memfd_seal_for_peer(fd, MEMFD_WRITABLE), 0);
	ck_assert_int_eq(memfd_seal_for_peer(fd, MEMFD_READONLY), kIOReturnNotPermitted);
}
END_TEST

START_TEST(seals_at_birth_and_after)
{
	int birth = F_SEAL_SHRINK | F_SEAL_GROW;

	ck_assert_int_eq(memfd_create_sealed("test", 1, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & 0x1f, birth);
	make(MEMFD_WRITABLE);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & 0x1f, birth | F_SEAL_SEAL);
	make(MEMFD_READONLY);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & 0x1f, birth | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE);
}
END_TEST

START_TEST(a_duplicate_stays_writable_after_future_write)
{
	void *place, *fresh;

	make(MEMFD_READONLY);
	ck_assert_int_ne(memfd_map(fd, 0, SIZE, true, false, NULL, &fresh), 0);
	ck_assert_int_eq(memfd_reserve(SIZE, true, NULL, &place), 0);
	ck_assert_int_eq(memfd_duplicate_over(bytes, SIZE, place), 0);
	((unsigned char *)place)[5] = 77;
	ck_assert_uint_eq(bytes[5], 77);
	memfd_unmap(place, SIZE, true);
}
END_TEST

static int
peer_memfd(unsigned flags, uint64_t size, int seals)
{
	int made = memfd_create("peer", MFD_CLOEXEC | flags);

	if (made < 0)
		return -1;
	ck_assert_int_eq(ftruncate(made, (off_t)size), 0);
	if (seals != 0)
		ck_assert_int_eq(fcntl(made, F_ADD_SEALS, seals), 0);
	return made;
}

START_TEST(a_peers_memory_is_checked)
{
	FILE *file = tmpfile();
	int ends[2], huge;

	ck_assert_int_eq(memfd_check_peer(peer_memfd(MFD_ALLOW_SEALING, 5000, F_SEAL_SHRINK), 5000),
			 0);
	ck_assert_int_eq(memfd_check_peer(peer_memfd(MFD_ALLOW_SEALING, 5000, F_SEAL_SHRINK), 5001),
			 kIOReturnBadArgument);
	ck_assert_int_eq(memfd_check_peer(peer_memfd(MFD_ALLOW_SEALING, 5000, 0), 1),
			 kIOReturnBadArgument);
	ck_assert_int_eq(memfd_check_peer(peer_memfd(MFD_ALLOW_SEALING, 5000, F_SEAL_GROW), 1),
			 kIOReturnBadArgument);
	ck_assert_int_eq(memfd_check_peer(peer_memfd(0, 5000, 0), 1), kIOReturnBadArgument);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(memfd_check_peer(ends[0], 0), kIOReturnBadArgument);
	ck_assert_int_eq(memfd_check_peer(fileno(file), 0), kIOReturnBadArgument);
	ck_assert_int_eq(memfd_check_peer(-1, 0), kIOReturnBadArgument);
	huge = peer_memfd(MFD_ALLOW_SEALING | MFD_HUGETLB, UINT64_C(2) << 20, F_SEAL_SHRINK);
	if (huge >= 0) /* the kernel may have no huge pages at all */
		ck_assert_int_eq(memfd_check_peer(huge, 4096), kIOReturnBadArgument);
	fclose(file);
}
END_TEST

static void
touch(void *address)
{
	*(volatile char *)address = 1;
}

START_TEST(mappings_have_guards_and_never_replace)
{
	void *address, *second;

	ck_assert_int_eq(memfd_create_sealed("test", SIZE, &fd), 0);
	ck_assert_int_eq(memfd_map(fd, 0, SIZE - 1, true, true, NULL, &address), 0);
	ck_assert(unit_killed_by(unit_child(touch, (char *)address + SIZE, NULL, 0), SIGSEGV));
	ck_assert(unit_killed_by(unit_child(touch, (char *)address - 1, NULL, 0), SIGSEGV));
	ck_assert_int_eq(unit_child(touch, (char *)address + SIZE - 1, NULL, 0), 0);
	ck_assert_int_ne(memfd_map(fd, 0, SIZE, true, false, address, &second), 0);
	memfd_unmap(address, SIZE - 1, true);
	ck_assert_int_eq(memfd_map(fd, 0, SIZE, true, true, address, &second), 0);
	ck_assert_ptr_eq(second, address);
	ck_assert_int_ne(memfd_map(fd, 1, SIZE, true, false, NULL, &second), 0);
	ck_assert_int_ne(memfd_map(fd, 0, 0, true, false, NULL, &second), 0);
	memfd_unmap(address, SIZE, true);
}
END_TEST

START_TEST(sizes_are_whole_pages)
{
	const uint64_t page = page_size();
	const uint64_t sizes[] = {1, 128, page - 1, page, page + 1, UINT64_C(1) << 20};
	struct stat about;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert_int_eq(memfd_create_sealed("test", sizes[i], &fd), 0);
		ck_assert_int_eq(fstat(fd, &about), 0);
		ck_assert_uint_eq((uint64_t)about.st_size, page_round_up(sizes[i]));
		close(fd);
	}
	ck_assert_int_eq(memfd_create_sealed("test", 0, &fd), kIOReturnBadArgument);
	ck_assert_int_eq(memfd_create_sealed("test", UINT64_MAX, &fd), kIOReturnBadArgument);
	ck_assert_int_eq(memfd_create_sealed("test", UINT64_C(1) << 63, &fd), kIOReturnBadArgument);
	ck_assert_uint_eq(page_round_up(UINT64_MAX), 0);
	ck_assert_uint_eq(page_round_up(1), page_size());
}
END_TEST

START_TEST(populated_pages_are_there)
{
	unsigned char present[PAGES];
	void *address;

	ck_assert_int_eq(memfd_create_sealed("test", SIZE, &fd), 0);
	ck_assert_int_eq(memfd_map(fd, 0, SIZE, true, false, NULL, &address), 0);
	ck_assert_int_eq(memfd_populate(address, SIZE), 0);
	ck_assert_int_eq(mincore(address, SIZE, present), 0);
	for (size_t i = 0; i < sizeof(present); i++)
		ck_assert_uint_eq(present[i] & 1, 1);
	memfd_unmap(address, SIZE, false);
	ck_assert_int_ne(memfd_populate(address, SIZE), 0);
}
END_TEST

UNIT_MAIN("memfd", readonly_holds_against_every_attack, writable_keeps_its_size_and_seals,
	  the_right_of_the_first_hand_over_stays, seals_at_birth_and_after,
	  a_duplicate_stays_writable_after_future_write, a_peers_memory_is_checked,
	  mappings_have_guards_and_never_replace, sizes_are_whole_pages, populated_pages_are_there)
