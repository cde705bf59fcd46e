/* SPDX-License-Identifier: Apache-2.0 */
/* A registry with one virtual device, in a thread of the test, and a socket to it. */
#ifndef TESTS_PROTO_REGISTRY_FIXTURE_H
#define TESTS_PROTO_REGISTRY_FIXTURE_H

#include "unit.h"

#include "loop.h"
#include "packets.h"
#include "plist.h"
#include "registry.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define DEADLINE_SEC 10

static char directory[] = "/tmp/opendext-test-XXXXXX";
static pthread_t thread;
static struct loop *loop;
static struct registry *registry;
static struct packet packet;

static inline void *
run_loop(void *context)
{
	ck_assert_int_eq(loop_run(loop, 1), kIOReturnSuccess);
	return NULL;
}

/* NULL: hosts are programs that are not there. `bundle` is a folder, NULL: there is none. */
static inline void
set_up_with(const struct registry_inside *inside, const char *bundle)
{
	struct registry_options options = {
		.runtime_dir = directory,
		.plugging = true,
		.host_program = "/nonexistent/dext-host",
		.inside = inside,
	};
	char error[REGISTRY_ERROR_MAX] = "";

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	ck_assert_int_eq(registry_create(loop, &options, &registry), kIOReturnSuccess);
	if (bundle != NULL)
		ck_assert_msg(registry_add_bundle(registry, bundle, error) == kIOReturnSuccess,
			      "%s", error);
	ck_assert_int_eq(registry_add_virtual(registry, "sink", error), kIOReturnSuccess);
	ck_assert_msg(registry_start(registry, error) == kIOReturnSuccess, "%s", error);
	ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, NULL), 0);
}

static inline void
set_up(void)
{
	set_up_with(NULL, NULL);
}

static inline void
tear_down(void)
{
	loop_stop(loop);
	pthread_join(thread, NULL);
	registry_destroy(registry);
	loop_destroy(loop);
	rmdir(directory);
}

static inline int
connect_registry(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval deadline = {.tv_sec = DEADLINE_SEC};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory,
		 REGISTRY_SOCKET_NAME);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends a request and receives its reply into `packet`. */
static inline IOReturn
ask(int fd, uint16_t type, const void *body, size_t length)
{
	struct packet_header header = {.type = type, .sequence = 77};

	ck_assert_int_eq(packet_send(fd, &header, body, length, NULL, 0, true), kIOReturnSuccess);
	ck_assert_int_eq(packet_receive(fd, &packet, true), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(&packet, PACKET_REGISTRY_REPLY), kIOReturnSuccess);
	ck_assert_uint_eq(packet.header->type, type);
	ck_assert_uint_eq(packet.header->sequence, 77);
	return packet.header->status;
}

static inline uint64_t
look_up_take(int fd, OSDictionary *matching)
{
	void *bytes = NULL;
	size_t length = 0;
	uint64_t id = 0;

	ck_assert_int_eq(plist_encode(matching, &bytes, &length), kIOReturnSuccess);
	OSRelease(matching);
	ck_assert_int_eq(ask(fd, PACKET_LOOKUP, bytes, length), kIOReturnSuccess);
	free(bytes);
	ck_assert_uint_le(packet.body_length, sizeof(id));
	memcpy(&id, packet.body, packet.body_length);
	return id;
}

#endif
