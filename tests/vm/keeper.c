/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for systemd in the test machine: runs a command, keeps the descriptors that it puts
 * into the store (FDSTORE=1), and when it was killed starts it again with them.
 *
 *	vm-keeper GATE COMMAND [ARGUMENT]...
 *
 * It is started again only when the file GATE is there, which is removed then; so that something
 * can be done in between. Ends when the command does, with its status.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT_MAX  256
#define FIRST_FD  3
#define AWAY_FROM (FIRST_FD + KEPT_MAX)
#define SOCKET	  "/run/vm-keeper"

static struct {
	int fd;
	char name[64];
} kept[KEPT_MAX];
static unsigned count;

static void
die(const char *what)
{
	perror(what);
	exit(100);
}

static void
forget(const char *name)
{
	for (unsigned i = 0; i < count;) {
		if (strcmp(kept[i].name, name) != 0) {
			i++;
			continue;
		}
		close(kept[i].fd);
		kept[i] = kept[--count];
	}
}

/* One message. False: there is none. */
static bool
take(int socket)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)];
	char text[512], name[64] = "";
	struct iovec part = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *rights = length >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
	const char *named;

	if (length < 0)
		return false;
	text[length] = '\0';
	named = strstr(text, "FDNAME=");
	if (named != NULL)
		sscanf(named, "FDNAME=%63[^\n]", name);
	if (strstr(text, "FDSTOREREMOVE=1") != NULL)
		forget(name);
	if (strstr(text, "FDSTORE=1") == NULL || rights == NULL)
		return true;
	for (size_t i = 0; i < (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
		if (count == KEPT_MAX)
			die("full");
		memcpy(&kept[count].fd, CMSG_DATA(rights) + i * sizeof(int), sizeof(int));
		snprintf(kept[count++].name, sizeof(kept[0].name), "%s", name);
	}
	return true;
}

static void
become(char **command)
{
	static char names[KEPT_MAX * 65];
	char number[16];

	for (unsigned i = 0; i < count; i++) {
		kept[i].fd = fcntl(kept[i].fd, F_DUPFD_CLOEXEC, AWAY_FROM);
		strcat(strcat(names, i > 0 ? ":" : ""), kept[i].name);
	}
	for (unsigned i = 0; i < count; i++) {
		if (dup2(kept[i].fd, FIRST_FD + (int)i) < 0)
			_exit(126);
	}
	snprintf(number, sizeof(number), "%u", count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	execvp(command[0], command);
	_exit(127);
}

/* Until it has ended; its wait status. */
static int
run(int socket, char **command)
{
	struct pollfd said = {.fd = socket, .events = POLLIN};
	pid_t pid = fork();
	int status;

	if (pid == 0)
		become(command);
	if (pid < 0)
		die("fork");
	while (waitpid(pid, &status, WNOHANG) == 0) {
		poll(&said, 1, 20);
		while (take(socket))
			;
	}
	while (take(socket))
		;
	return status;
}

int
main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
	int notes = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;

	if (argc < 3 || notes < 0 || bind(notes, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("vm-keeper");
	setenv("NOTIFY_SOCKET", SOCKET, 1);
	while (status = run(notes, argv + 2), WIFSIGNALED(status)) {
		while (unlink(argv[1]) < 0)
			poll(NULL, 0, 20);
	}
	printf("vm-keeper: %u descriptors are left\n", count);
	return WEXITSTATUS(status);
}
