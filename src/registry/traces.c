/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TRACE: hands a host one end of a socket on which somebody looks on, and that one the other.
 * Nothing of what the host records passes through the registry.
 *
 * Who may open a driver's services may see which processes use it, when, and how much. The bytes of
 * transfers may be another user's: they are for root and the registry's own user.
 *
 * The registry's one thread.
 */
#include "registry_private.h"

#include "log.h"
#include "packet.h"
#include "policy.h"
#include "status.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static struct host *
find(const struct registry *registry, uint64_t number)
{
	struct host *host = registry->hosts;

	while (host != NULL && host->number != number)
		host = host->next;
	return host;
}

static IOReturn
check(const struct client *client, const struct host *host, const struct trace_body *body)
{
	char reason[POLICY_REASON_MAX], name[256];
	bool capture = (body->flags & TRACE_WITH_CAPTURE) != 0;

	if (host == NULL)
		return kIOReturnNotFound;
	if (!server_allows(client, host, reason) || (capture && !server_may_capture(client))) {
		host_describe(host, name, sizeof(name));
		log_error("process %d of uid %u was refused to look on at %s: check %s",
			  server_credentials(client)->pid, server_credentials(client)->uid, name,
			  capture ? "\"root, or the registry's own user\" of a capture" : reason);
		return kIOReturnNotPermitted;
	}
	if (host->control < 0 || (host->state != HOST_STARTED && host->state != HOST_STARTING))
		return kIOReturnOffline;
	return kIOReturnSuccess;
}

static IOReturn
connect_host(const struct client *client, struct host *host, const struct trace_body *asked,
	     int *ret_socket)
{
	struct packet_header header = {.type = PACKET_HOST_TRACE};
	const struct host_trace_body body = {
		.uid = server_credentials(client)->uid,
		.flags = asked->flags,
		.snap = asked->snap,
	};
	IOReturn status;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return status_from_errno(errno, "socketpair");
	status = packet_send(host->control, &header, &body, sizeof(body), &ends[0], 1, false);
	fd_close(&ends[0]);
	if (status != kIOReturnSuccess)
		fd_close(&ends[1]);
	else
		*ret_socket = ends[1];
	return status;
}

IOReturn
traces_request(struct registry *registry, struct client *client, const struct packet *packet)
{
	struct trace_body body;
	struct host *host;
	IOReturn status;
	int fd = -1;

	memcpy(&body, packet->body, sizeof(body));
	host = find(registry, body.driver);
	status = check(client, host, &body);
	if (status == kIOReturnSuccess)
		status = server_check_unread(client);
	if (status == kIOReturnSuccess)
		status = connect_host(client, host, &body, &fd);
	status = server_reply_with(client, packet->header, status, fd);
	fd_close(&fd);
	return status;
}
