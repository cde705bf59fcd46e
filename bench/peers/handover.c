/* SPDX-License-Identifier: Apache-2.0 */
/* 64 MiB of populated shared memory by descriptor: send, receive, check the seals, map, give back.
 */
#include "peers.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH ((size_t)64 << 20)

static void
serve(int socket)
{
	int memory = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
	struct iovec bytes = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	void *mine;

	if (ftruncate(memory, LENGTH) < 0)
		_exit(1);
	mine = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
	if (mine == MAP_FAILED ||
	    fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		_exit(1);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &memory, sizeof(memory));
	while (recv(socket, &byte, 1, 0) == 1)
		if (byte == 'm' && sendmsg(socket, &message, 0) < 0)
			break;
		else if (byte == 'u' && send(socket, &byte, 1, 0) < 0)
			break;
	_exit(0);
}

static bool
open_socket(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0) {
		close(ends[0]);
		serve(ends[1]);
	}
	close(ends[1]);
	*ret_state = (void *)(intptr_t)ends[0];
	return *ret_server > 0;
}

static uint64_t
once(void *state)
{
	int socket = (int)(intptr_t)state, memory;
	char control[CMSG_SPACE(sizeof(int))], byte = 'm';
	struct iovec bytes = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct stat about;
	void *mine;

	if (send(socket, &byte, 1, 0) < 0 || recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		_exit(1);
	memcpy(&memory, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(memory));
	if (!(fcntl(memory, F_GET_SEALS) & F_SEAL_SHRINK) || fstat(memory, &about) < 0 ||
	    about.st_size < (off_t)LENGTH)
		_exit(1);
	mine = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (mine == MAP_FAILED)
		_exit(1);
	close(memory);
	munmap(mine, LENGTH);
	byte = 'u'; /* and the other side is told that it is not used any more */
	if (send(socket, &byte, 1, 0) < 0 || recv(socket, &byte, 1, 0) != 1)
		_exit(1);
	return 0;
}

const struct contestant raw_handover = {
	.name = "SCM_RIGHTS, seals, mmap",
	.open = open_socket,
	.once = once,
	.batch = 4,
};
