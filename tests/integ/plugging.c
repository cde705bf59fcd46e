/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket to the registry, opened anew when OPENDEXT_RUNTIME_DIR has changed. Nothing of the
 * library's inside is linked: its classes are in libiokit already, and would be there twice.
 */
#include "plugging.h"

#include "harness.h"
#include "packets.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int registry = -1;
static char connected_to[256];
static struct {
	struct packet_header header;
	uint8_t body[PLUG_SENTENCE_MAX];
} request, reply;

static int
get_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *directory = getenv("OPENDEXT_RUNTIME_DIR");

	ck_assert_ptr_nonnull(directory);
	if (registry >= 0 && strcmp(directory, connected_to) == 0)
		return registry;
	if (registry >= 0)
		close(registry);
	snprintf(connected_to, sizeof(connected_to), "%s", directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%s", directory,
		 REGISTRY_SOCKET_NAME);
	registry = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(registry, 0);
	ck_assert_int_eq(connect(registry, (struct sockaddr *)&address, sizeof(address)), 0);
	return registry;
}

void
plug_elsewhere(void)
{
	if (registry >= 0)
		close(registry);
	registry = -1;
}

static void
begin(uint16_t type, const void *body, size_t length)
{
	size_t whole = sizeof(request.header) + length;

	ck_assert_uint_le(length, sizeof(request.body));
	request.header = (struct packet_header){
		.length = (uint32_t)whole,
		.type = type,
		.sequence = 1,
	};
	memcpy(request.body, body, length);
	ck_assert_int_eq(send(get_socket(), &request, whole, MSG_NOSIGNAL), (ssize_t)whole);
}

static IOReturn
finish(uint16_t type, char sentence[PLUG_SENTENCE_MAX])
{
	struct pollfd wait = {.fd = registry, .events = POLLIN};
	ssize_t got;

	ck_assert_int_eq(poll(&wait, 1, HARNESS_DEADLINE_SEC * 1000), 1);
	got = recv(registry, &reply, sizeof(reply) - 1, 0);
	ck_assert_int_ge(got, (ssize_t)sizeof(reply.header));
	ck_assert_uint_eq(reply.header.length, (size_t)got);
	ck_assert_uint_eq(reply.header.type, type);
	((uint8_t *)&reply)[got] = '\0';
	strcpy(sentence, reply.header.status != kIOReturnSuccess ? (char *)reply.body : "");
	return reply.header.status;
}

IOReturn
try_plug(const char *spec, uint64_t *ret_id, char sentence[PLUG_SENTENCE_MAX])
{
	IOReturn status;

	begin(PACKET_PLUG, spec, strlen(spec));
	status = finish(PACKET_PLUG, sentence);
	if (status == kIOReturnSuccess)
		memcpy(ret_id, reply.body, sizeof(*ret_id));
	return status;
}

uint64_t
plug(const char *spec)
{
	char sentence[PLUG_SENTENCE_MAX];
	uint64_t id = 0;

	ck_assert_msg(try_plug(spec, &id, sentence) == kIOReturnSuccess, "%s", sentence);
	return id;
}

void
unplug_begin(uint64_t id)
{
	const struct id_body body = {.id = id};

	begin(PACKET_UNPLUG, &body, sizeof(body));
}

void
unplug_wait(void)
{
	char sentence[PLUG_SENTENCE_MAX];

	ck_assert_msg(finish(PACKET_UNPLUG, sentence) == kIOReturnSuccess, "%s", sentence);
}

IOReturn
try_unplug(uint64_t id, char sentence[PLUG_SENTENCE_MAX])
{
	unplug_begin(id);
	return finish(PACKET_UNPLUG, sentence);
}

void
unplug(uint64_t id)
{
	unplug_begin(id);
	unplug_wait();
}
