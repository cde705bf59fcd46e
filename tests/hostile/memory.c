/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that it shares with the host: what it may write, and what it may only read. */
#include "attacks.h"
#include "echo.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static _Atomic bool scribbling;

static void *
scribble(void *context)
{
	struct call_page *page = context;
	uint64_t seed = 1;

	while (atomic_load(&scribbling)) {
		struct call_request *request = &page->slot[seed >> 60 & 3].request;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		request->structure_in_size = seed >> 40;
		request->structure_out_size = seed >> 30 & 0xffff;
		request->scalar_in_count = (uint32_t)(seed >> 50);
		request->scalar_out_count = (uint32_t)(seed >> 33);
		request->flags = (uint16_t)(seed >> 62);
		page->data[0].input[seed % 4096] = (uint8_t)seed;
		page->slot[0].reply.scalar_out_count = (uint32_t)seed;
	}
	return NULL;
}

/* The request changes while the host looks at it; each connection ends at the first bad catch. */
void
changes_memory(void)
{
	for (unsigned round = 0; round < 40; round++) {
		pthread_t thread;

		enemy_open_first();
		atomic_store(&scribbling, true);
		NEED(pthread_create(&thread, NULL, scribble, enemies[0].page.page) == 0);
		for (unsigned i = 0; i < 200; i++) {
			struct call_request *request =
				enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_ECHO);

			request->structure_in_size = request->structure_out_size = 4096;
			if (!enemy_call(&enemies[0], 0, NSEC_PER_SEC / 10))
				break;
		}
		atomic_store(&scribbling, false);
		pthread_join(thread, NULL);
		enemy_close(&enemies[0]);
	}
}

void
forges_indices(void)
{
	static const uint32_t values[] = {1, 1023, 1025, 0x7fffffff, 0x80000000u, UINT32_MAX};

	for (unsigned i = 0; i < 18; i++) {
		struct call_page *page;
		struct call_request *request;

		enemy_open_first();
		page = enemies[0].page.page;
		request = enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_COMPLETE);
		request->flags = CALL_ASYNC;
		request->async_index = i < 6 ? values[i] : 0;
		request->async_generation = 1;
		if (i >= 6 && i < 12)
			atomic_store(&page->head.index, values[i - 6]);
		if (i >= 12)
			atomic_store(&page->submitted.bits, values[i - 12] * UINT64_C(0x100000001));
		enemy_submit(&enemies[0], 0);
		enemy_call(&enemies[0], 1, NSEC_PER_SEC / 20);
		enemy_close(&enemies[0]);
	}
}

/* Whatever it has of the driver's that is not its own to write: the call page's size and seals. */
void
writes_and_cuts(void)
{
	int fd;

	enemy_open_first();
	NEED(enemy_map(&enemies[0], 0, &fd) == kIOReturnSuccess);
	NEED(ftruncate(fd, 0) < 0 && ftruncate(fd, 1 << 30) < 0);
	NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0);
	NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	close(fd);
	NEED(enemy_is_served(&enemies[0]));
}

/* --- reading only --- */

static struct {
	volatile uint8_t *bytes;
	int fd;
} readable;

static void
write_after_protect(volatile uint8_t *memory)
{
	if (memory != MAP_FAILED &&
	    mprotect((void *)memory, ECHO_READ_ONLY_SIZE, PROT_READ | PROT_WRITE) == 0)
		memory[0] = memory[ECHO_READ_ONLY_SIZE - 1] = 0;
}

static void
protects(void)
{
	write_after_protect(readable.bytes);
}

static volatile uint8_t *
map(int fd, int protection, int flags)
{
	return mmap(NULL, ECHO_READ_ONLY_SIZE, protection, flags, fd, 0);
}

static void
maps_again(void)
{
	volatile uint8_t *memory = map(readable.fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	if (memory != MAP_FAILED)
		memory[0] = 0;
	write_after_protect(map(readable.fd, PROT_READ, MAP_SHARED));
	write_after_protect(map(readable.fd, PROT_READ, MAP_SHARED_VALIDATE));
	/* Whose pages are its own from the first write on. */
	memory = map(readable.fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (memory != MAP_FAILED)
		memory[0] = 0;
}

static volatile uint8_t *
moved(size_t old_size, size_t new_size, int flags)
{
	void *place = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mremap((void *)readable.bytes, old_size, new_size, flags, place);
}

/* A second mapping, a longer one, one elsewhere, one that leaves the old one, in another order. */
static void
remaps(void)
{
	const size_t size = ECHO_READ_ONLY_SIZE;

	write_after_protect(moved(0, size, MREMAP_MAYMOVE));
	write_after_protect(moved(0, size, MREMAP_MAYMOVE | MREMAP_FIXED));
	write_after_protect(moved(0, 2 * size, MREMAP_MAYMOVE));
#ifdef MREMAP_DONTUNMAP
	write_after_protect(moved(size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	write_after_protect(readable.bytes);
#endif
	syscall(SYS_remap_file_pages, readable.bytes, size, 0, 0, 0);
	write_after_protect(readable.bytes);
	write_after_protect(moved(size, 4 * size, MREMAP_MAYMOVE));
}

static void
remaps_elsewhere(void)
{
	write_after_protect(
		moved(ECHO_READ_ONLY_SIZE, ECHO_READ_ONLY_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED));
}

static void
write_by_descriptor(int fd)
{
	const uint8_t nothing = 0;
	volatile uint8_t *memory = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	if (memory != MAP_FAILED)
		memory[0] = 0;
	(void)!pwrite(fd, &nothing, 1, 0);
	(void)!pwrite(fd, &nothing, 1, ECHO_READ_ONLY_SIZE);
	(void)!ftruncate(fd, 0);
	fallocate(fd, 0, 0, 1 << 20);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, ECHO_READ_ONLY_SIZE);
	fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, ECHO_READ_ONLY_SIZE);
}

static void
reopens(void)
{
	char path[80];
	int fd;

	write_by_descriptor(readable.fd);
	fchmod(readable.fd, 0777);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", readable.fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		write_by_descriptor(fd);
	fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
	if (fd >= 0)
		write_by_descriptor(fd);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)(uintptr_t)readable.bytes,
		 (unsigned long)(uintptr_t)readable.bytes + ECHO_READ_ONLY_SIZE);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		write_by_descriptor(fd);
}

/* The kernel, which is asked to write what the process itself may not. */
static void
lets_the_kernel_write(void)
{
	struct iovec from = {bytes, 64}, to = {(void *)readable.bytes, 64};
	int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC), pair[2];
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	memset(bytes, 0, 64);
	(void)!pwrite(memory, bytes, 64, (off_t)(uintptr_t)readable.bytes);
	(void)!read(zero, to.iov_base, 64);
	(void)!process_vm_writev(getpid(), &from, 1, &to, 1, 0);
	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	(void)!write(pair[0], bytes, 64);
	(void)!recv(pair[1], to.iov_base, 64, MSG_DONTWAIT);
	madvise(to.iov_base, ECHO_READ_ONLY_SIZE, MADV_REMOVE);
	madvise(to.iov_base, ECHO_READ_ONLY_SIZE, MADV_DONTNEED);
#ifdef MADV_POPULATE_WRITE
	madvise(to.iov_base, ECHO_READ_ONLY_SIZE, MADV_POPULATE_WRITE);
#endif
}

/* A page that is not there, filled by whoever registered for it. */
static void
fills_by_userfaultfd(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {
		.range = {(uintptr_t)readable.bytes, ECHO_READ_ONLY_SIZE},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy = {
		.dst = (uintptr_t)readable.bytes, .src = (uintptr_t)bytes, .len = 4096};
	int fault = (int)syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY | O_CLOEXEC);

	if (fault < 0 || ioctl(fault, UFFDIO_API, &api) != 0)
		return;
	madvise((void *)readable.bytes, ECHO_READ_ONLY_SIZE, MADV_DONTNEED);
	ioctl(fault, UFFDIO_REGISTER, &range);
	ioctl(fault, UFFDIO_COPY, &copy);
}

/* A process that it may trace, because it is its own, and that has the same mapping. */
static void
pokes(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_POKEDATA, pid, (void *)readable.bytes, NULL);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void
seals(void)
{
	fcntl(readable.fd, F_ADD_SEALS, F_SEAL_WRITE);
	fcntl(readable.fd, F_ADD_SEALS, F_SEAL_SEAL);
}

/* Each in a process of its own, because most end by a signal; then the bytes are looked at. */
static void
attempt(const char *name, void (*how)(void))
{
	struct stat about;
	int status;
	pid_t pid = fork();

	NEED(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		how();
		_exit(0);
	}
	NEED(waitpid(pid, &status, 0) == pid);
	NEED(fstat(readable.fd, &about) == 0 && about.st_size == ECHO_READ_ONLY_SIZE);
	for (unsigned i = 0; i < ECHO_READ_ONLY_SIZE; i++) {
		if (readable.bytes[i] == ECHO_READ_ONLY_BYTE)
			continue;
		fprintf(stderr, "hostile: %s wrote byte %u\n", name, i);
		exit(3);
	}
}

void
writes_read_only(void)
{
	static const struct {
		const char *name;
		void (*how)(void);
	} ways[] = {
		{"mprotect", protects},
		{"a second mapping", maps_again},
		{"mremap", remaps},
		{"mremap elsewhere", remaps_elsewhere},
		{"reopening", reopens},
		{"the kernel", lets_the_kernel_write},
		{"userfaultfd", fills_by_userfaultfd},
		{"ptrace", pokes},
		{"seals", seals},
	};

	enemy_open_first();
	NEED(enemy_map(&enemies[0], ECHO_TYPE_READ_ONLY, &readable.fd) == kIOReturnSuccess);
	readable.bytes = map(readable.fd, PROT_READ, MAP_SHARED);
	NEED(readable.bytes != MAP_FAILED);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		attempt(ways[i].name, ways[i].how);
	NEED(enemy_is_served(&enemies[0]));
}
