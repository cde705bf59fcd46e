/* SPDX-License-Identifier: Apache-2.0 */
/* Where the registry is looked for. */
#include "unit.h"

#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "packet.h"
#include "packets.h"
#include "runtime.h"

static char directory[64];

static void
make_directory(void)
{
	strcpy(directory, "/tmp/opendext-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

/* A socket at DIRECTORY/REST, listening or only bound. */
static int
put_socket(const char *rest, bool listening)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, rest);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (listening)
		ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

static void
remove_all(const char *socket_rest, const char *folder_rest)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, socket_rest);
	unlink(path);
	if (folder_rest != NULL) {
		snprintf(path, sizeof(path), "%s/%s", directory, folder_rest);
		rmdir(path);
	}
	rmdir(directory);
}

START_TEST(the_chosen_directory_is_the_only_one)
{
	char path[108];

	setenv("OPENDEXT_RUNTIME_DIR", "/some/where", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	ck_assert_int_eq(runtime_path(0, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/some/where/registry");
	ck_assert_int_eq(runtime_path(1, path, sizeof(path)), kIOReturnNotFound);
}
END_TEST

START_TEST(the_order_without_one)
{
	char path[108];

	unsetenv("OPENDEXT_RUNTIME_DIR");
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	ck_assert_int_eq(runtime_path(0, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/opendext/registry");
	ck_assert_int_eq(runtime_path(1, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/user/7/opendext/registry");
	ck_assert_int_eq(runtime_path(2, path, sizeof(path)), kIOReturnNotFound);
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_int_eq(runtime_path(1, path, sizeof(path)), kIOReturnNotFound);
}
END_TEST

START_TEST(a_path_that_is_too_long)
{
	char longest[200];
	int fd;

	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	setenv("OPENDEXT_RUNTIME_DIR", longest, 1);
	ck_assert_int_eq(runtime_connect(true, &fd), kIOReturnBadArgument);
}
END_TEST

START_TEST(connects_to_who_listens)
{
	int listener, fd = -1;

	make_directory();
	setenv("OPENDEXT_RUNTIME_DIR", directory, 1);
	ck_assert_int_eq(runtime_connect(true, &fd), kIOReturnNotFound);
	listener = put_socket(REGISTRY_SOCKET_NAME, false);
	ck_assert_int_eq(runtime_connect(true, &fd), kIOReturnNotReady);
	ck_assert_int_eq(listen(listener, 5), 0);
	ck_assert_int_eq(runtime_connect(true, &fd), 0);
	ck_assert_int_ge(fd, 0);
	fd_close(&fd);
	fd_close(&listener);
	remove_all(REGISTRY_SOCKET_NAME, NULL);
}
END_TEST

START_TEST(falls_back_to_the_users)
{
	int listener, fd = -1;
	char path[128];

	if (access("/run/opendext/registry", F_OK) == 0)
		return; /* this machine's own registry comes first */
	make_directory();
	unsetenv("OPENDEXT_RUNTIME_DIR");
	setenv("XDG_RUNTIME_DIR", directory, 1);
	ck_assert_int_eq(runtime_connect(true, &fd), kIOReturnNotFound);
	snprintf(path, sizeof(path), "%s/opendext", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	listener = put_socket("opendext/" REGISTRY_SOCKET_NAME, true);
	ck_assert_int_eq(runtime_connect(true, &fd), 0);
	fd_close(&fd);
	fd_close(&listener);
	remove_all("opendext/" REGISTRY_SOCKET_NAME, "opendext");
}
END_TEST

UNIT_MAIN("runtime", the_chosen_directory_is_the_only_one, the_order_without_one,
	  a_path_that_is_too_long, connects_to_who_listens, falls_back_to_the_users)
