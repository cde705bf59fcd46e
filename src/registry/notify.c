/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3) by hand: one datagram to the socket that NOTIFY_SOCKET names, a path or, after an @,
 * an abstract name.
 */
#include "notify.h"

#include "environment.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

bool
notify_is_heard(void)
{
	return environment_notify_socket() != NULL;
}

/* A connected socket; -1: there is nobody to tell, or the log says why not. */
static int
open_socket(void)
{
	const struct timeval patience = {.tv_sec = 1};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *name = environment_notify_socket();
	size_t length = name != NULL ? strlen(name) : 0;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	int fd;

	if (length == 0)
		return -1;
	if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address.sun_path)) {
		log_error("NOTIFY_SOCKET is '%.100s'; an absolute path, or @ and a name, was "
			  "expected",
			  name);
		return -1;
	}
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, size) < 0) {
		log_error("NOTIFY_SOCKET %.100s: %s", name, strerror(errno));
		fd_close(&fd);
	}
	return fd;
}

bool
notify_with(const char *state, const int *fds, unsigned count)
{
	int socket = open_socket();
	IOReturn status;

	if (socket < 0)
		return false;
	status = packet_send_text(socket, state, fds, count);
	if (status != kIOReturnSuccess)
		log_error("NOTIFY_SOCKET %.100s: %s", environment_notify_socket(),
			  status_string(status));
	fd_close(&socket);
	return status == kIOReturnSuccess;
}

void
notify(const char *state)
{
	notify_with(state, NULL, 0);
}
