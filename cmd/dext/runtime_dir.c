/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /tmp/opendext-XXXXXX: made, locked, removed; and those that a killed `dext run` left behind.
 *
 * A directory is removed for its owner only if it is this user's alone, its lock is free (the
 * kernel frees it when the owner dies, however suddenly) and it holds nothing but a socket on which
 * nobody listens. The lock comes a moment after the directory: so an owner looks, once it has the
 * lock, whether the directory is still there, and makes another one if not. What a name stands for
 * cannot change under our hands: /tmp is sticky, and another process of this user could remove the
 * directory anyway.
 */
#include "runtime_dir.h"

#include "packets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER	  "/tmp"
#define PREFIX	  "opendext-"
#define RANDOM	  "XXXXXX"
#define TRIES_MAX 16

/* The lock of the directory at `path`; -1: somebody has it, or it is not ours. */
static int
lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat info;

	if (fd < 0)
		return -1;
	if (fstat(fd, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 07777) == 0700 &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &info) == 0 && info.st_nlink > 0)
		return fd;
	close(fd);
	return -1;
}

/* Whether it holds a socket, nothing else, and nobody listens there. */
static bool
is_abandoned(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned others = 0, sockets = 0;
	struct dirent *entry;
	DIR *folder = opendir(path);
	int fd;

	if (folder == NULL)
		return false;
	while ((entry = readdir(folder)) != NULL) {
		bool is_socket = strcmp(entry->d_name, REGISTRY_SOCKET_NAME) == 0;
		bool is_self = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;

		sockets += is_socket;
		others += !is_socket && !is_self;
	}
	closedir(folder);
	if (sockets != 1 || others != 0)
		return false;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%s", path,
		 REGISTRY_SOCKET_NAME);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	sockets = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
		  errno == ECONNREFUSED;
	close(fd);
	return sockets == 1;
}

static void
remove_abandoned(const char *name)
{
	char path[RUNTIME_DIR_MAX];
	int fd;

	snprintf(path, sizeof(path), FOLDER "/%.40s", name);
	fd = lock(path);
	if (fd < 0)
		return;
	if (is_abandoned(path) && unlinkat(fd, REGISTRY_SOCKET_NAME, 0) == 0)
		rmdir(path);
	close(fd);
}

static void
clean(void)
{
	const size_t length = strlen(PREFIX RANDOM);
	DIR *folder = opendir(FOLDER);
	struct dirent *entry;

	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		    strlen(entry->d_name) == length)
			remove_abandoned(entry->d_name);
	}
	closedir(folder);
}

bool
runtime_dir_make(struct runtime_dir *dir)
{
	clean();
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		snprintf(dir->path, sizeof(dir->path), FOLDER "/" PREFIX RANDOM);
		if (mkdtemp(dir->path) == NULL)
			break;
		dir->fd = lock(dir->path);
		if (dir->fd >= 0)
			return true;
		/* Another run took it for abandoned in between. */
		rmdir(dir->path);
	}
	dir->path[0] = '\0';
	return false;
}

bool
runtime_dir_remove(struct runtime_dir *dir)
{
	bool removed = dir->path[0] == '\0' || rmdir(dir->path) == 0;
	int cause = errno;

	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
	errno = cause;
	return removed;
}
