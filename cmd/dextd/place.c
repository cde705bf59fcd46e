/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime directory. A lock on a file in it says that it is somebody's; the kernel frees it
 * when that process ends, however suddenly. Only with the lock the socket that another one left
 * behind is removed. The file can be opened by nobody else: whoever can open a file can lock it,
 * also for reading, and everybody can open the directory.
 */
#include "dextd.h"

#include "log.h"
#include "packet.h"
#include "packets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_PATIENCE_MSEC 2000
#define LOCK_STEP_MSEC	   10
#define LOCK_NAME	   "lock"

/*
 * What a dextd that was killed had forked, and is no host yet, has the lock as well, until it
 * executes or ends: soon.
 */
static bool
lock(int fd, const char *runtime_dir)
{
	for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MSEC) {
		if (errno != EWOULDBLOCK) {
			log_error("%s cannot be locked: %s", runtime_dir, strerror(errno));
			return false;
		}
		if (waited >= LOCK_PATIENCE_MSEC) {
			log_error("%s: another dextd runs there; end it, or give --runtime-dir",
				  runtime_dir);
			return false;
		}
		if (waited == 0)
			log_info("%s: another dextd is there; waiting for its end", runtime_dir);
		poll(NULL, 0, LOCK_STEP_MSEC);
	}
	return true;
}

static bool
is_ours(int fd, const char *runtime_dir)
{
	struct stat info;

	if (fstat(fd, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 022) == 0)
		return true;
	log_error("%s belongs to another user, or others can write in it; give it to this user and "
		  "chmod go-w it",
		  runtime_dir);
	return false;
}

/* In a directory in which nobody else can make anything. */
static int
open_lock(const char *runtime_dir)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/" LOCK_NAME, runtime_dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		log_error("%s: %s", path, strerror(errno));
	return fd;
}

int
place_take(const char *runtime_dir)
{
	int fd, place = -1;

	if (mkdir(runtime_dir, 0755) == 0) {
		/* Whatever the umask is: apps of others look for the socket here. */
		if (chmod(runtime_dir, 0755) < 0)
			log_error("%s: %s", runtime_dir, strerror(errno));
	} else if (errno != EEXIST) {
		log_error("%s cannot be made: %s", runtime_dir, strerror(errno));
		return -1;
	}
	fd = open(runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		log_error("%s: %s", runtime_dir, strerror(errno));
		return -1;
	}
	if (is_ours(fd, runtime_dir))
		place = open_lock(runtime_dir);
	if (place >= 0 && !lock(place, runtime_dir)) {
		fd_close(&place);
	} else if (place >= 0 && unlinkat(fd, REGISTRY_SOCKET_NAME, 0) < 0 && errno != ENOENT) {
		log_error("%s/%s: %s", runtime_dir, REGISTRY_SOCKET_NAME, strerror(errno));
		fd_close(&place);
	}
	fd_close(&fd);
	return place;
}
