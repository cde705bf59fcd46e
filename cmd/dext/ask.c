/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the registry, one at a time: each request waits for its reply. The registry is
 * trusted no more than any peer: packets are checked as they arrive.
 */
#include "ask.h"
#include "dext.h"

#include "environment.h"
#include "packets.h"
#include "plist.h"
#include "status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct ask {
	int fd;
	uint32_t sequence;
	bool refused; /* the registry has no room for this socket */
	struct packet packet;
};

static int
try(const char *directory, char *where, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, length;

	snprintf(where, size, "%s/%s", directory, REGISTRY_SOCKET_NAME);
	length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory,
			  REGISTRY_SOCKET_NAME);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		status_from_errno(errno, address.sun_path);
		fd_close(&fd);
	}
	return fd;
}

static int
connect_first(char *where, size_t size)
{
	const char *own = environment_runtime_dir(), *user = environment_user_runtime_dir();
	char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int fd;

	if (own != NULL)
		return try(own, where, size);
	fd = try("/run/opendext", where, size);
	if (fd >= 0 || user == NULL)
		return fd;
	snprintf(directory, sizeof(directory), "%.80s/opendext", user);
	return try(directory, where, size);
}

bool
ask_try(char *where, size_t size)
{
	int fd = connect_first(where, size);
	bool there = fd >= 0;

	fd_close(&fd);
	return there;
}

bool
ask_open(const char *command, struct ask **ret_ask)
{
	struct ask *ask = calloc(1, sizeof(*ask));
	char where[256] = "";

	if (ask != NULL)
		ask->fd = connect_first(where, sizeof(where));
	if (ask == NULL || ask->fd < 0) {
		complain(command,
			 "no registry listens at %s; start dextd, or `dext run BUNDLE` and set "
			 "OPENDEXT_RUNTIME_DIR to what it prints",
			 where);
		free(ask);
		return false;
	}
	*ret_ask = ask;
	return true;
}

void
ask_close(struct ask *ask)
{
	if (ask == NULL)
		return;
	fd_close(&ask->fd);
	free(ask);
}

/* On success the reply is in ask->packet, and so are its descriptors. */
static IOReturn
request_with_fds(struct ask *ask, uint16_t type, const void *body, size_t length)
{
	struct packet_header header = {.type = type, .sequence = ++ask->sequence};
	IOReturn status = packet_send(ask->fd, &header, body, length, NULL, 0, true);

	/* A registry that refuses the socket does not read it, but has said why. */
	if (status == kIOReturnSuccess || status == kIOReturnOffline)
		status = packet_receive(ask->fd, &ask->packet, true);
	if (status != kIOReturnSuccess)
		return status;
	status = packets_check(&ask->packet, PACKET_REGISTRY_REPLY);
	/* PROTOCOL.md 4: of no request. */
	ask->refused = status == kIOReturnSuccess && ask->packet.header->sequence == 0 &&
		       ask->packet.header->status == kIOReturnNoResources;
	if (ask->refused)
		status = kIOReturnNoResources;
	if (status == kIOReturnSuccess &&
	    (ask->packet.header->type != type || ask->packet.header->sequence != ask->sequence))
		status = kIOReturnIPCError;
	if (status == kIOReturnSuccess)
		return ask->packet.header->status;
	packet_close_fds(&ask->packet);
	return status;
}

static IOReturn
request(struct ask *ask, uint16_t type, const void *body, size_t length)
{
	IOReturn status = request_with_fds(ask, type, body, length);

	packet_close_fds(&ask->packet);
	return status;
}

const char *
ask_reason(const struct ask *ask, IOReturn status)
{
	return ask->refused ? "it has as many connections as it takes "
			      "(DEXT_LIMIT_REGISTRY_CLIENTS); end programs that hold some"
			    : status_string(status);
}

IOReturn
ask_ids(struct ask *ask, const OSDictionary *matching, uint64_t **ret_ids, size_t *ret_count)
{
	void *bytes = NULL;
	uint64_t *ids;
	size_t length = 0;
	IOReturn status = plist_encode(matching, &bytes, &length);

	if (status == kIOReturnSuccess)
		status = request(ask, PACKET_LOOKUP, bytes, length);
	free(bytes);
	if (status != kIOReturnSuccess)
		return status;
	ids = malloc(ask->packet.body_length + 1);
	if (ids == NULL)
		return kIOReturnNoMemory;
	memcpy(ids, ask->packet.body, ask->packet.body_length);
	*ret_ids = ids;
	*ret_count = ask->packet.body_length / sizeof(*ids);
	return kIOReturnSuccess;
}

/* A request whose reply is a dictionary. */
static IOReturn
request_dictionary(struct ask *ask, uint16_t type, const void *body, size_t length,
		   OSDictionary **ret_properties)
{
	OSObject *object = NULL;
	IOReturn status = request(ask, type, body, length);

	if (status == kIOReturnSuccess)
		status = plist_decode(ask->packet.body, ask->packet.body_length, &object);
	if (status != kIOReturnSuccess)
		return status;
	if (OSDynamicCast(OSDictionary, object) == NULL) {
		OSRelease(object);
		return kIOReturnIPCError;
	}
	*ret_properties = (OSDictionary *)object;
	return kIOReturnSuccess;
}

IOReturn
ask_properties(struct ask *ask, uint64_t id, OSDictionary **ret_properties)
{
	struct id_body body = {.id = id};

	return request_dictionary(ask, PACKET_PROPERTIES, &body, sizeof(body), ret_properties);
}

IOReturn
ask_driver(struct ask *ask, uint64_t after, OSDictionary **ret_driver)
{
	struct driver_body body = {.after = after};

	return request_dictionary(ask, PACKET_DRIVER, &body, sizeof(body), ret_driver);
}

IOReturn
ask_next_driver(struct ask *ask, uint64_t *number, OSDictionary **ret_driver)
{
	IOReturn status = ask_driver(ask, *number, ret_driver);
	uint64_t next = 0;

	if (status != kIOReturnSuccess)
		return status;
	OSDictionaryGetUInt64Value(*ret_driver, "Number", &next);
	if (next <= *number) {
		OSSafeReleaseNULL(*ret_driver);
		return kIOReturnIPCError;
	}
	*number = next;
	return kIOReturnSuccess;
}

bool
ask_driver_is(const OSDictionary *driver, const char *wanted)
{
	const char *identifier = OSDictionaryGetStringValue(driver, "CFBundleIdentifier");
	const char *class_name = OSDictionaryGetStringValue(driver, "IOUserClass");
	uint64_t number = 0;
	char text[24];

	OSDictionaryGetUInt64Value(driver, "Number", &number);
	snprintf(text, sizeof(text), "%" PRIu64, number);
	return wanted == NULL || strcmp(text, wanted) == 0 ||
	       (identifier != NULL && strcmp(identifier, wanted) == 0) ||
	       (class_name != NULL && strcmp(class_name, wanted) == 0);
}

IOReturn
ask_trace(struct ask *ask, const struct trace_body *body, int *ret_socket)
{
	IOReturn status = request_with_fds(ask, PACKET_TRACE, body, sizeof(*body));

	/* packets_check has seen that there is one. */
	if (status == kIOReturnSuccess)
		*ret_socket = packet_take_fd(&ask->packet, 0);
	packet_close_fds(&ask->packet);
	return status;
}

IOReturn
ask_log(struct ask *ask, const struct log_body *body, char **ret_lines, size_t *ret_length)
{
	IOReturn status = request(ask, PACKET_LOG, body, sizeof(*body));
	char *lines;

	if (status != kIOReturnSuccess)
		return status;
	lines = malloc(ask->packet.body_length + 1);
	if (lines == NULL)
		return kIOReturnNoMemory;
	memcpy(lines, ask->packet.body, ask->packet.body_length);
	*ret_lines = lines;
	*ret_length = ask->packet.body_length;
	return kIOReturnSuccess;
}

/* PLUG and UNPLUG say why they failed. */
static IOReturn
request_with_reason(struct ask *ask, uint16_t type, const void *body, size_t length,
		    char sentence[ASK_SENTENCE_MAX])
{
	IOReturn status;

	ask->packet.body_length = 0;
	status = request(ask, type, body, length);
	sentence[0] = '\0';
	if (ask->refused)
		snprintf(sentence, ASK_SENTENCE_MAX, "the registry's answer: %s",
			 ask_reason(ask, status));
	else if (status != kIOReturnSuccess && ask->packet.body_length < ASK_SENTENCE_MAX) {
		memcpy(sentence, ask->packet.body, ask->packet.body_length);
		sentence[ask->packet.body_length] = '\0';
	}
	return status;
}

IOReturn
ask_plug(struct ask *ask, const char *spec, uint64_t *ret_id, char sentence[ASK_SENTENCE_MAX])
{
	IOReturn status = request_with_reason(ask, PACKET_PLUG, spec, strlen(spec), sentence);

	if (status == kIOReturnSuccess)
		memcpy(ret_id, ask->packet.body, sizeof(*ret_id));
	return status;
}

IOReturn
ask_unplug(struct ask *ask, uint64_t id, char sentence[ASK_SENTENCE_MAX])
{
	struct id_body body = {.id = id};

	return request_with_reason(ask, PACKET_UNPLUG, &body, sizeof(body), sentence);
}
