/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor store, against a socket that stands for systemd's. */
#include "unit.h"

#include "store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static int heard;
static struct store *store;

static void
listen_for_notes(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size;
	char name[64];
	int length = snprintf(name, sizeof(name), "@opendext-test-%d", (int)getpid());

	memcpy(address.sun_path + 1, name + 1, (size_t)length - 1);
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
	heard = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(heard, (struct sockaddr *)&address, size), 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

/* The next message is this one, with so many descriptors. NULL: there is none. */
static void
expect(const char *expected, unsigned count)
{
	char text[256] = "";
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)];
	struct iovec part = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	ssize_t length = recvmsg(heard, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *rights = length >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

	ck_assert_str_eq(text, expected != NULL ? expected : "");
	ck_assert_uint_eq(rights != NULL ? (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0,
			  count);
}

START_TEST(things_are_kept_and_forgotten)
{
	const int fds[] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};

	listen_for_notes();
	unsetenv("LISTEN_FDS");
	ck_assert_int_eq(store_open(4, &store), kIOReturnSuccess);
	ck_assert_ptr_null(store_take(store));
	ck_assert(store_has_room(store, 4) && !store_has_room(store, 5));
	ck_assert(store_keep(store, "host-1", fds, 3));
	expect("FDSTORE=1\nFDPOLL=0\nFDNAME=host-1", 3);
	/* Full: nothing is sent. */
	ck_assert(!store_keep(store, "host-2", fds, 2));
	expect(NULL, 0);
	ck_assert(store_keep(store, "host-3", fds, 1));
	expect("FDSTORE=1\nFDPOLL=0\nFDNAME=host-3", 1);
	ck_assert(!store_has_room(store, 1));
	store_forget(store, "host-2");
	expect(NULL, 0);
	store_forget(store, "host-1");
	expect("FDSTOREREMOVE=1\nFDNAME=host-1", 0);
	ck_assert(store_has_room(store, 3) && !store_has_room(store, 4));
	store_close(store);
}
END_TEST

START_TEST(without_a_store)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	ck_assert_int_eq(store_open(0, &store), kIOReturnNotReady);
	ck_assert_int_eq(store_open(100, &store), kIOReturnNotReady);
	ck_assert(!store_has_room(NULL, 1));
	ck_assert(!store_keep(NULL, "host-1", NULL, 0));
	store_forget(NULL, "host-1");
	ck_assert_ptr_null(store_take(NULL));
	/* Nobody listens there: it is not kept, and that is no end. */
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	ck_assert_int_eq(store_open(100, &store), kIOReturnSuccess);
	ck_assert(!store_keep(store, "host-1", NULL, 0));
	store_close(store);
}
END_TEST

/* Puts duplicates of standard error where systemd puts descriptors. */
static void
hand_over(unsigned count, const char *names)
{
	char number[16];

	for (unsigned i = 0; i < count; i++)
		ck_assert_int_ge(dup2(STDERR_FILENO, 3 + (int)i), 0);
	snprintf(number, sizeof(number), "%u", count);
	setenv("LISTEN_FDS", number, 1);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static int
come_back(void *context)
{
	struct store_entry *entry, *next;
	unsigned count = 0, fds = 0;

	listen_for_notes();
	if (dup3(heard, 100, O_CLOEXEC) < 0)
		return 1;
	heard = 100;
	hand_over(8, "device-1:host-1:host-1:device-1:host-1:host-1:host-1");
	if (store_open(0, &store) != kIOReturnSuccess)
		return 2;
	for (entry = store_take(store); entry != NULL; entry = next) {
		next = entry->next;
		count++;
		fds += entry->count;
		for (unsigned i = 0; i < entry->count; i++) {
			if (fcntl(entry->fds[i], F_GETFD) != FD_CLOEXEC)
				return 3;
		}
		store_entry_free(entry);
	}
	/* A fifth of one name and one without a name are closed. */
	if (count != 2 || fds != 6)
		return 4;
	for (int fd = 3; fd < 11; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			return 5;
	}
	/* What came back takes room, and can be forgotten. */
	if (store_has_room(store, 0))
		return 6;
	store_forget(store, "host-1");
	expect("FDSTOREREMOVE=1\nFDNAME=host-1", 0);
	store_close(store);
	return 0;
}

START_TEST(what_was_kept_comes_back)
{
	int status = -1;
	pid_t pid;

	/* Its descriptors from 3 on are to be overwritten. */
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(come_back(NULL));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
}
END_TEST

UNIT_MAIN("store", things_are_kept_and_forgotten, without_a_store, what_was_kept_comes_back)
