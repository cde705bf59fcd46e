/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3) by hand: one datagram to the socket that NOTIFY_SOCKET names, a path or, after an @,
 * an abstract name.
 */
#include "dextd.h"

#include "environment.h"
#include "log.h"
#include "packet.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void
notify(const char *state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *name = environment_notify_socket();
	size_t length = name != NULL ? strlen(name) : 0;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	int fd;

	if (length == 0)
		return;
	if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address.sun_path)) {
		log_error("NOTIFY_SOCKET is '%.100s'; an absolute path, or @ and a name, was "
			  "expected",
			  name);
		return;
	}
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL,
			     (const struct sockaddr *)&address, size) < 0)
		log_error("NOTIFY_SOCKET %.100s: %s", name, strerror(errno));
	fd_close(&fd);
}
