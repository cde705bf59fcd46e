/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use a service: OPEN and SET_PROPERTIES. An open makes a socketpair; one end and the app's
 * pidfd go to the host, the other end to the app. Nothing else of the two passes through here. Each
 * refusal writes one line: which check, on what, and what to do.
 */
#include "registry_private.h"

#include "log.h"
#include "packet.h"
#include "policy.h"
#include "status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The service that somebody who opened this node probably wanted: the oldest below it. */
static const struct entry *
probably_meant(const struct registry *registry, const struct entry *node)
{
	for (const struct entry *entry = registry->tree.first; entry != NULL; entry = entry->next) {
		if (entry->host != NULL && tree_is_below(entry, node))
			return entry;
	}
	for (const struct entry *entry = registry->tree.first; entry != NULL; entry = entry->next) {
		if (entry->host != NULL)
			return entry;
	}
	return NULL;
}

static void
log_wrong_entry(const struct registry *registry, pid_t pid, const struct entry *entry)
{
	const struct entry *meant = probably_meant(registry, entry);

	if (meant != NULL)
		log_error("process %d opened %s (0x%" PRIx64 "), a device's node, which nobody can "
			  "open; probably the service %s (0x%" PRIx64 ") was meant: "
			  "IOServiceNameMatching(\"%s\")",
			  pid, entry->name, entry->id, meant->name, meant->id, meant->name);
	else
		log_error("process %d opened %s (0x%" PRIx64 "), a device's node, which nobody can "
			  "open, and no driver has published a service; `dext list` shows them",
			  pid, entry->name, entry->id);
}

/* Whether this app may open this service. */
static IOReturn
check(const struct registry *registry, const struct client *client, const struct entry *entry)
{
	const struct ucred *who = server_credentials(client);
	char reason[POLICY_REASON_MAX];

	if (entry->host == NULL) {
		log_wrong_entry(registry, who->pid, entry);
		return kIOReturnUnsupported;
	}
	if (!server_allows(client, entry->host, reason)) {
		log_error("process %d of uid %u was refused %s: check %s", who->pid, who->uid,
			  entry->name, reason);
		return kIOReturnNotPermitted;
	}
	if (server_pidfd(client) < 0) {
		log_error("process %d was refused %s: check \"process is known\": there is no such "
			  "process here; it has ended, or lives in another pid namespace",
			  who->pid, entry->name);
		return kIOReturnNotPermitted;
	}
	return kIOReturnSuccess;
}

static IOReturn
connect_host(const struct client *client, const struct entry *entry,
	     const struct open_body *request, int *ret_connection)
{
	const struct ucred *who = server_credentials(client);
	struct host_open_body body = {
		.id = entry->id,
		.type = request->type,
		.version = request->version,
		.uid = who->uid,
		.gid = who->gid,
		.pid = who->pid,
	};
	IOReturn status;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return status_from_errno(errno, "socketpair");
	status = host_open(entry->host, &body, ends[0], server_pidfd(client));
	fd_close(&ends[0]);
	if (status != kIOReturnSuccess) {
		log_error("process %d could not be connected to %s: its host takes no message (%s)",
			  who->pid, entry->name, status_string(status));
		fd_close(&ends[1]);
		return status;
	}
	*ret_connection = ends[1];
	return kIOReturnSuccess;
}

IOReturn
opening_request(struct registry *registry, struct client *client, const struct packet *packet)
{
	const struct entry *entry;
	struct open_body body;
	int connection = -1;
	IOReturn status;

	memcpy(&body, packet->body, sizeof(body));
	entry = tree_find(&registry->tree, body.id);
	if (entry == NULL)
		return server_reply(client, packet->header, kIOReturnNotFound, NULL, 0);
	status = check(registry, client, entry);
	if (status == kIOReturnSuccess)
		status = server_check_unread(client);
	if (status == kIOReturnSuccess)
		status = connect_host(client, entry, &body, &connection);
	status = server_reply_with(client, packet->header, status, connection);
	fd_close(&connection);
	return status;
}

IOReturn
opening_set_properties(struct registry *registry, struct client *client,
		       const struct packet *packet)
{
	const struct entry *entry;
	struct id_body body;
	IOReturn status;

	memcpy(&body, packet->body, sizeof(body));
	entry = tree_find(&registry->tree, body.id);
	if (entry == NULL) {
		status = kIOReturnNotFound;
	} else if (entry->host == NULL) {
		log_error(
			"process %d sets properties of %s, a device's node, which has none to set",
			server_credentials(client)->pid, entry->name);
		status = kIOReturnUnsupported;
	} else {
		status = check(registry, client, entry);
		if (status == kIOReturnSuccess)
			status = settings_begin(entry->host, client, packet);
	}
	if (status == kIOReturnSuccess)
		return status; /* answered when the host answers */
	return server_reply(client, packet->header, status, NULL, 0);
}
