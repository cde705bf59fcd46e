/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access file and logind's files of seats with any bytes, and then who may open what. A file
 * without any of the words by which it allows somebody allows nobody. Names are this target's own:
 * those of the machine are not asked for.
 */
#include "fuzz.h"

#include "policy.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define USER	 (geteuid() + 1) /* not who runs this */
#define GROUP	 2000u
#define ASKS_MAX 16u

static char directory[] = "/dev/shm/opendext-fuzz-XXXXXX"; /* in memory */
static char file[64], seats[64], seat[80];
static int ends[2];
static bool in_group; /* who asks, by the groups that he has besides his own */

struct passwd *__wrap_getpwnam(const char *name);
struct group *__wrap_getgrnam(const char *name);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);

struct passwd *
__wrap_getpwnam(const char *name)
{
	static struct passwd user;

	user.pw_uid = USER;
	return strcmp(name, "user") == 0 ? &user : NULL;
}

struct group *
__wrap_getgrnam(const char *name)
{
	static struct group group = {.gr_gid = GROUP};

	return strcmp(name, "group") == 0 ? &group : NULL;
}

int
__wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	const gid_t groups[] = {GROUP + 7, in_group ? GROUP : GROUP + 8};

	if (name != SO_PEERGROUPS || fd < 0)
		return __real_getsockopt(fd, level, name, value, length);
	FUZZ_CHECK(*length >= sizeof(groups));
	memcpy(value, groups, sizeof(groups));
	*length = sizeof(groups);
	return 0;
}

static void
write_file(struct fuzz *fuzz, const char *path, size_t most, mode_t mode)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);
	size_t length = 0;
	uint8_t *bytes = fuzz_copy(fuzz, most, &length);

	FUZZ_CHECK(fd >= 0 && fchmod(fd, mode) == 0);
	FUZZ_CHECK(write(fd, bytes, length) == (ssize_t)length);
	close(fd);
	free(bytes);
}

/* Whether what is there could allow anybody. */
static bool
has_words(const uint8_t *data, size_t size)
{
	static const char *const words[] = {"everyone", "seat", "user:", "group:"};

	for (unsigned i = 0; i < 4; i++)
		if (memmem(data, size, words[i], strlen(words[i])) != NULL)
			return true;
	return false;
}

/* What lies where the access file is expected. */
static void
place(struct fuzz *fuzz, uint8_t how)
{
	size_t length = fuzz_u16(fuzz) % 4096u;

	unlink(file);
	rmdir(file);
	switch (how % 16) {
	case 1: /* nothing */
		return;
	case 2:
		FUZZ_CHECK(mkdir(file, 0700) == 0);
		return;
	case 3:
		FUZZ_CHECK(mkfifo(file, 0600) == 0);
		return;
	case 4:
		write_file(fuzz, file, length, 0622);
		return;
	case 5:
		FUZZ_CHECK(symlink(file, file) == 0);
		return;
	case 6: /* a file that cannot be read */
		FUZZ_CHECK(symlink("/proc/self/mem", file) == 0);
		return;
	case 7: /* longer than it may be */
		write_file(fuzz, file, length, 0600);
		FUZZ_CHECK(truncate(file, 2 << 20) == 0);
		return;
	default:
		write_file(fuzz, file, length, 0600);
		return;
	}
}

static void
ask(struct fuzz *fuzz, struct policy *policy, bool nobody)
{
	static const char *const drivers[] = {"org.example.fuzz", "a", "*", "", "#"};
	uint8_t how = fuzz_u8(fuzz);
	bool own = how & 0x80, allowed;
	const struct ucred who = {
		.pid = getpid(),
		.uid = own ? geteuid() : USER + (how >> 4 & 1),
		.gid = how & 0x20 ? GROUP : GROUP + 1,
	};
	char reason[POLICY_REASON_MAX] = "";

	in_group = how & 0x40;
	allowed = policy_allows(policy, how & 0x60 ? ends[0] : -1, &who, drivers[how % 5], reason);
	FUZZ_CHECK(own ? allowed : !allowed || !nobody);
	FUZZ_CHECK(allowed || (reason[0] != '\0' && strlen(reason) < sizeof(reason)));
}

static void
remove_all(void)
{
	unlink(seat);
	unlink(file);
	rmdir(file);
	rmdir(seats);
	rmdir(directory);
}

static void
start(void)
{
	FUZZ_CHECK(mkdtemp(directory) != NULL);
	snprintf(file, sizeof(file), "%s/access", directory);
	snprintf(seats, sizeof(seats), "%s/seats", directory);
	snprintf(seat, sizeof(seat), "%s/seat0", seats);
	FUZZ_CHECK(mkdir(seats, 0700) == 0);
	atexit(remove_all);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	bool nobody = !has_words(data, size);
	struct policy *policy = NULL;
	uint8_t how = fuzz_u8(&fuzz);
	unsigned fds;

	if (file[0] == '\0')
		start();
	fds = fuzz_count_fds();
	place(&fuzz, how);
	write_file(&fuzz, seat, fuzz_u8(&fuzz), 0600);
	FUZZ_CHECK(policy_open(how & 0x80 ? NULL : file, how & 0x40 ? file : seats, &policy) ==
		   kIOReturnSuccess);
	for (unsigned i = 0; i < ASKS_MAX && fuzz_left(&fuzz) > 0; i++) {
		if (fuzz_u8(&fuzz) % 8 == 1)
			place(&fuzz, fuzz_u8(&fuzz));
		ask(&fuzz, policy, nobody);
	}
	policy_close(policy);
	FUZZ_CHECK(fuzz_count_fds() == fds);
	return 0;
}
