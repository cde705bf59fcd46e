/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime directory: OPENDEXT_RUNTIME_DIR, or else /run/opendext, or else
 * $XDG_RUNTIME_DIR/opendext; of the latter two the first whose socket accepts. A program that names
 * a directory means that registry and no other, so a variable that leads nowhere is an error and
 * not a reason to talk to somebody else.
 *
 * No state; any thread.
 */
#include "runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "environment.h"
#include "log.h"
#include "packets.h"
#include "status.h"

static IOReturn
join(char *path, size_t size, const char *directory, const char *rest)
{
	int length = snprintf(path, size, "%s/%s", directory, rest);

	if (length < 0 || (size_t)length >= size) {
		log_error("the runtime directory %s is too long for the address of a socket",
			  directory);
		return kIOReturnBadArgument;
	}
	return kIOReturnSuccess;
}

IOReturn
runtime_path(unsigned index, char *path, size_t size)
{
	const char *chosen = environment_runtime_dir();
	const char *user = environment_user_runtime_dir();

	if (chosen != NULL)
		return index == 0 ? join(path, size, chosen, REGISTRY_SOCKET_NAME)
				  : kIOReturnNotFound;
	if (index == 0)
		return join(path, size, "/run/opendext", REGISTRY_SOCKET_NAME);
	if (index == 1 && user != NULL)
		return join(path, size, user, "opendext/" REGISTRY_SOCKET_NAME);
	return kIOReturnNotFound;
}

static IOReturn
connect_to(const char *path, bool wait, int *ret_socket)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0)
		return status_from_errno(errno, "socket");
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		error = errno;
		if (error == EINTR)
			continue;
		close(fd);
		if (error == ENOENT || error == ENOTDIR)
			return kIOReturnNotFound;
		if (error == ECONNREFUSED || error == EAGAIN)
			return kIOReturnNotReady;
		return status_from_errno(error, path);
	}
	*ret_socket = fd;
	return kIOReturnSuccess;
}

IOReturn
runtime_connect(bool wait, int *ret_socket)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	IOReturn worst = kIOReturnNotFound, status;

	for (unsigned index = 0;; index++) {
		status = runtime_path(index, path, sizeof(path));
		if (status == kIOReturnNotFound)
			return worst;
		if (status == kIOReturnSuccess)
			status = connect_to(path, wait, ret_socket);
		if (status == kIOReturnSuccess)
			return status;
		/* What says most about why: an error, then "nobody listens", then "not there". */
		if (worst == kIOReturnNotFound ||
		    (worst == kIOReturnNotReady && status != kIOReturnNotFound))
			worst = status;
	}
}
