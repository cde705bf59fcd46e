/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for systemd's descriptor store. */
#include "keeper.h"

#include "daemon.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX	  16
#define FIRST_FD  3
#define AWAY_FROM (FIRST_FD + KEEPER_MAX)

/* What follows KEY= in one of the lines; "": there is none. */
static void
get_line(const char *text, const char *key, char *value, size_t size)
{
	value[0] = '\0';
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += line[0] == '\n';
		if (strncmp(line, key, strlen(key)) == 0)
			snprintf(value, size, "%.*s", (int)strcspn(line + strlen(key), "\n"),
				 line + strlen(key));
	}
}

static void
add_locked(struct keeper *keeper, const char *name, int fd)
{
	if (keeper->count >= keeper->most) {
		keeper->refused++;
		close(fd);
		return;
	}
	keeper->kept[keeper->count].fd = fd;
	snprintf(keeper->kept[keeper->count++].name, KEEPER_NAME_MAX, "%s", name);
}

static void
remove_locked(struct keeper *keeper, const char *name)
{
	for (unsigned i = 0; i < keeper->count;) {
		if (strcmp(keeper->kept[i].name, name) != 0) {
			i++;
			continue;
		}
		close(keeper->kept[i].fd);
		keeper->kept[i] = keeper->kept[--keeper->count];
	}
}

static void
handle(struct keeper *keeper, const char *text, const int *fds, unsigned count)
{
	char store[8], drop[8], ready[8], name[KEEPER_NAME_MAX];

	get_line(text, "FDSTORE=", store, sizeof(store));
	get_line(text, "FDSTOREREMOVE=", drop, sizeof(drop));
	get_line(text, "READY=", ready, sizeof(ready));
	get_line(text, "FDNAME=", name, sizeof(name));
	pthread_mutex_lock(&keeper->lock);
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(store, "1") == 0)
			add_locked(keeper, name, fds[i]);
		else
			close(fds[i]);
	}
	if (strcmp(drop, "1") == 0)
		remove_locked(keeper, name);
	keeper->ready += strcmp(ready, "1") == 0;
	keeper->settled += strcmp(text, "SETTLED=1") == 0;
	pthread_cond_broadcast(&keeper->changed);
	pthread_mutex_unlock(&keeper->lock);
}

static void *
receive(void *context)
{
	struct keeper *keeper = context;

	for (;;) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		} control;
		char text[1024];
		int fds[FDS_MAX];
		unsigned count = 0;
		struct iovec part = {.iov_base = text, .iov_len = sizeof(text) - 1};
		struct msghdr message = {.msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof(control.bytes)};
		ssize_t length = recvmsg(keeper->socket, &message, MSG_CMSG_CLOEXEC);
		struct cmsghdr *rights = length >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

		/* 0: keeper_end */
		if (length <= 0)
			return NULL;
		text[length] = '\0';
		if (rights != NULL && rights->cmsg_type == SCM_RIGHTS) {
			count = (unsigned)((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(rights), count * sizeof(int));
		}
		handle(keeper, text, fds, count);
	}
}

void
keeper_start(struct keeper *keeper, struct daemon *daemon, unsigned most)
{
	pthread_condattr_t attributes;

	memset(keeper, 0, sizeof(*keeper));
	keeper->most = most;
	keeper->socket = daemon->notified;
	daemon->keeper = keeper;
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&keeper->changed, &attributes);
	ck_assert_int_eq(pthread_create(&keeper->thread, NULL, receive, keeper), 0);
}

void
keeper_end(struct keeper *keeper)
{
	ck_assert_int_eq(shutdown(keeper->socket, SHUT_RD), 0);
	ck_assert_int_eq(pthread_join(keeper->thread, NULL), 0);
	for (unsigned i = 0; i < keeper->count; i++)
		close(keeper->kept[i].fd);
	close(keeper->socket);
}

void
keeper_hand_over(struct keeper *keeper)
{
	static char names[KEEPER_MAX * 64];
	size_t length = 0;
	char number[16];

	for (unsigned i = 0; i < keeper->count; i++) {
		keeper->kept[i].fd = fcntl(keeper->kept[i].fd, F_DUPFD_CLOEXEC, AWAY_FROM);
		length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
					   i > 0 ? ":" : "", keeper->kept[i].name);
	}
	/* The latest first: which order is nobody's to rely on. */
	for (unsigned i = 0; i < keeper->count; i++) {
		if (dup2(keeper->kept[i].fd, FIRST_FD + (int)i) < 0)
			_exit(125);
	}
	snprintf(number, sizeof(number), "%u", keeper->count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
}

static bool
wait_for(struct keeper *keeper, const unsigned *counter, unsigned least)
{
	struct timespec deadline;
	int res = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += HARNESS_DEADLINE_SEC;
	pthread_mutex_lock(&keeper->lock);
	while (*counter < least && res == 0)
		res = pthread_cond_timedwait(&keeper->changed, &keeper->lock, &deadline);
	pthread_mutex_unlock(&keeper->lock);
	return res == 0;
}

bool
keeper_wait_ready(struct keeper *keeper, unsigned ready)
{
	return wait_for(keeper, &keeper->ready, ready);
}

void
keeper_settle(struct keeper *keeper)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned before;

	pthread_mutex_lock(&keeper->lock);
	before = keeper->settled;
	pthread_mutex_unlock(&keeper->lock);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("NOTIFY_SOCKET"));
	ck_assert_int_eq(
		sendto(fd, "SETTLED=1", 9, 0, (struct sockaddr *)&address, sizeof(address)), 9);
	close(fd);
	ck_assert(wait_for(keeper, &keeper->settled, before + 1));
}

unsigned
keeper_count(struct keeper *keeper)
{
	unsigned count;

	pthread_mutex_lock(&keeper->lock);
	count = keeper->count;
	pthread_mutex_unlock(&keeper->lock);
	return count;
}

int
keeper_find(struct keeper *keeper, const char *name, const char *kind)
{
	for (unsigned i = 0; i < keeper->count; i++) {
		char path[64], target[256] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", keeper->kept[i].fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 &&
		    strstr(target, kind) != NULL &&
		    strncmp(keeper->kept[i].name, name, strlen(name)) == 0)
			return (int)i;
	}
	return -1;
}

pid_t
keeper_pid(struct keeper *keeper, int place)
{
	char path[64], line[128];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", keeper->kept[place].fd);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "Pid: %d", &pid);
	fclose(file);
	return pid;
}
