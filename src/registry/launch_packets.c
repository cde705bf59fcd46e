/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets of a host: how Start went, and the services it publishes and withdraws.
 *
 * A host may change only services that it published itself, under its provider or its own. One that
 * breaks a rule of the protocol is killed; the end of the control socket takes its services out of
 * the tree even while the process lingers. The registry's one thread.
 *
 * Left out: the end of the process (launch.c). The end of the socket only limits the time until it.
 */
#include "launch_private.h"

#include "bounds.h"
#include "closing.h"
#include "log.h"
#include "packet.h"
#include "plist.h"
#include "record.h"
#include "status.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Looked at by one system call, before each answer to an app. */
#define HOSTS_AT_ONCE 32u

#define PACKETS_PER_TURN 32

void
host_unpublish(struct host *host)
{
	tree_remove_host(&host->registry->tree, host);
	host->published = 0;
}

void
host_close_control(struct host *host)
{
	if (host->control_watched)
		loop_source_remove(host->registry->loop, &host->control_source);
	socket_close_foreign(&host->control, CLOSING_NOBODY);
	settings_end(host);
	host_unpublish(host);
}

static void
started(struct host *host, IOReturn status)
{
	char name[256];

	if (host->state != HOST_STARTING)
		return;
	host_describe(host, name, sizeof(name));
	host->start_status = status;
	if (status == kIOReturnSuccess) {
		host->state = HOST_STARTED;
		log_debug("%s: started", name);
		return;
	}
	log_error("%s: Start failed: %s", name, status_string(status));
	snprintf(host->reason, sizeof(host->reason), "its Start failed: %s", status_string(status));
	host_log_note(host, "%s", host->reason);
	host->state = matching_next(host->registry->bundles, host->provider, host->personality)
			      ? HOST_YIELDING
			      : HOST_FAILED;
	host_arm(host, HOST_STOP_PATIENCE);
}

/* What the registry knows of a service goes over what the driver says of itself. */
static bool
complete_properties(const struct host *host, OSDictionary *properties)
{
	return OSDictionarySetStringValue(properties, "dext_device", host->device->label) &&
	       OSDictionarySetStringValue(properties, "dext_bundle_path",
					  host->personality->bundle->path) &&
	       OSDictionarySetUInt64Value(properties, "dext_host_pid", (uint64_t)host->pid);
}

/* They can be told to an app: references to one string may have made much of little. */
static bool
can_be_told(const OSDictionary *properties)
{
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status = plist_encode(properties, &bytes, &length);

	free(bytes);
	return status == kIOReturnSuccess && length <= PACKET_MAX - sizeof(struct packet_header);
}

/* Another host that came back had published it, and may be about to say so. */
static bool
is_of_another(const struct host *host, uint64_t id)
{
	uint64_t since;

	for (const struct host *other = host->registry->hosts; other != NULL; other = other->next) {
		if (other != host && other->record >= 0 &&
		    record_find_service(other->record, id, &since))
			return true;
	}
	return false;
}

static IOReturn
publish_properties(struct host *host, const struct publish_body *body, OSDictionary *properties)
{
	struct tree *tree = &host->registry->tree;
	struct entry *entry = tree_find(tree, body->id);
	struct entry *provider = tree_find(tree, body->provider);
	const char *class_name = OSDictionaryGetStringValue(properties, "IOClass");
	IOReturn status;

	if (!complete_properties(host, properties))
		return kIOReturnNoMemory;
	if (!can_be_told(properties)) {
		log_error("the properties of a service have no room in a packet");
		return kIOReturnIPCError;
	}
	if (entry != NULL)
		return entry->host == host ? tree_replace(tree, entry, properties)
					   : kIOReturnIPCError;
	if (body->id == 0 || provider == NULL ||
	    (provider != host->provider && provider->host != host) ||
	    (host->registry->adopting && is_of_another(host, body->id)))
		return kIOReturnIPCError;
	if (host->published >= DEXT_LIMIT_SERVICES_HOST) {
		log_error("a host publishes more than %u services (DEXT_LIMIT_SERVICES_HOST)",
			  DEXT_LIMIT_SERVICES_HOST);
		return kIOReturnIPCError;
	}
	status = tree_add(tree, body->id, class_name != NULL ? class_name : "IOUserService",
			  properties, provider, host, &entry);
	if (status != kIOReturnSuccess)
		return status;
	host->published++;
	host->withdrew = false;
	/* What it had published before counts until all of it is there. */
	if (!host->asked)
		keep_services(host);
	else
		record_find_service(host->record, body->id, &entry->since);
	return kIOReturnSuccess;
}

static IOReturn
publish(struct host *host, const struct packet *packet)
{
	OSDictionary *properties;
	OSObject *object = NULL;
	struct publish_body body;
	IOReturn status;

	memcpy(&body, packet->body, sizeof(body));
	status = plist_decode(packet->body + sizeof(body), packet->body_length - sizeof(body),
			      &object);
	if (status != kIOReturnSuccess)
		return kIOReturnIPCError;
	properties = OSDynamicCast(OSDictionary, object);
	status = properties != NULL ? publish_properties(host, &body, properties)
				    : kIOReturnIPCError;
	OSRelease(object);
	if (status == kIOReturnSuccess)
		log_debug("service 0x%" PRIx64 " was published", body.id);
	return status;
}

static IOReturn
withdraw(struct host *host, const struct packet *packet)
{
	struct entry *entry;
	struct id_body body;

	memcpy(&body, packet->body, sizeof(body));
	entry = tree_find(&host->registry->tree, body.id);
	if (entry == NULL)
		return kIOReturnSuccess; /* it went with its provider */
	if (entry->host != host)
		return kIOReturnIPCError;
	tree_remove(&host->registry->tree, entry);
	host->published = 0;
	for (entry = host->registry->tree.first; entry != NULL; entry = entry->next)
		host->published += entry->host == host;
	host->withdrew = host->published == 0;
	keep_services(host);
	return kIOReturnSuccess;
}

static IOReturn
gone(struct host *host)
{
	if (host->device->kind == DEVICE_RESOURCES)
		return kIOReturnIPCError;
	plug_device_gone(host->registry, host->device);
	return kIOReturnSuccess;
}

/*
 * PROTOCOL.md 3: the answer to LIST. The host may be told to end meanwhile, because its device has
 * gone; the answer is then on its way all the same. One that came back may have been asked by
 * registries that were killed before they had read it: the first that comes is as good as ours,
 * since it is followed by all that has changed, and the others say nothing new.
 */
static IOReturn
listing(struct host *host, const struct packet *packet)
{
	struct listing_body body;

	if (!host->adopted)
		return kIOReturnIPCError;
	memcpy(&body, packet->body, sizeof(body));
	if (!host->listing)
		host->started_before = (body.flags & LISTING_STARTED) != 0;
	host->listing = true;
	return body.flags & LISTING_GONE ? gone(host) : kIOReturnSuccess;
}

static IOReturn
listed(struct host *host)
{
	char name[256];

	if (!host->adopted)
		return kIOReturnIPCError;
	host->asked = false;
	if (host->state != HOST_ADOPTED)
		return kIOReturnSuccess;
	host->state = host->started_before ? HOST_STARTED : HOST_STARTING;
	keep_services(host);
	host_describe(host, name, sizeof(name));
	log_info("%s: its host (process %d) goes on; it serves %u", name, (int)host->pid,
		 host->published);
	return kIOReturnSuccess;
}

/*
 * Until it lists its services a host that came back is not taken at its word: what it says was
 * meant for the registry before, which has taken some of it.
 */
static bool
is_old_news(const struct host *host, uint16_t type)
{
	return !host->listing && type != PACKET_HOST_LISTING && type != PACKET_HOST_GONE;
}

static IOReturn
handle(struct host *host, const struct packet *packet)
{
	IOReturn status = packets_check(packet, PACKET_CONTROL_REPLY);
	uint64_t number;

	if (status != kIOReturnSuccess)
		return status;
	if (is_old_news(host, packet->header->type))
		return kIOReturnSuccess;
	switch (packet->header->type) {
	case PACKET_HOST_STARTED:
		started(host, packet->header->status);
		return kIOReturnSuccess;
	case PACKET_HOST_PUBLISH:
		return publish(host, packet);
	case PACKET_HOST_UNPUBLISH:
		return withdraw(host, packet);
	case PACKET_HOST_GONE:
		return gone(host);
	case PACKET_HOST_PROPERTIES_SET:
		memcpy(&number, packet->body, sizeof(number));
		return settings_answered(host, number, packet->header->status);
	case PACKET_HOST_LISTING:
		return listing(host, packet);
	case PACKET_HOST_LISTED:
		return listed(host);
	default:
		return kIOReturnIPCError;
	}
}

IOReturn
host_take_packets(struct host *host, unsigned most)
{
	struct packet *packet = &host->registry->host_packet;
	char name[256];

	for (unsigned i = 0; i < most; i++) {
		IOReturn status = packet_receive_plain(host->control, packet);

		if (status == kIOReturnNotReady)
			return kIOReturnSuccess;
		if (status == kIOReturnSuccess)
			status = handle(host, packet);
		if (status == kIOReturnOffline)
			return status;
		if (status != kIOReturnSuccess) {
			host_describe(host, name, sizeof(name));
			log_error("%s: its host broke the protocol (%s) and is ended", name,
				  status_string(status));
			host_kill(host);
			return status;
		}
	}
	return kIOReturnSuccess;
}

void
host_control_ready(struct loop_source *source, uint32_t events)
{
	struct host *host = host_of_control(source);

	if (host->control < 0)
		return;
	if (host_take_packets(host, PACKETS_PER_TURN) != kIOReturnSuccess) {
		host_close_control(host);
		if (host->pid > 0 && !host->timer_armed)
			host_arm(host, HOST_STOP_PATIENCE);
	}
	registry_changed(host->registry);
}

/* What they have to say takes no host out of the list: that is left to a task. */
static struct host *
catch_up_some(struct host *host)
{
	struct host *hosts[HOSTS_AT_ONCE];
	struct pollfd pending[HOSTS_AT_ONCE];
	unsigned count = 0;

	for (; host != NULL && count < HOSTS_AT_ONCE; host = host->next) {
		if (host->control < 0 || !host->control_watched)
			continue;
		pending[count] = (struct pollfd){.fd = host->control, .events = POLLIN};
		hosts[count++] = host;
	}
	if (count > 0 && poll(pending, count, 0) > 0)
		for (unsigned i = 0; i < count; i++)
			if (pending[i].revents != 0 && hosts[i]->control == pending[i].fd)
				host_control_ready(&hosts[i]->control_source,
						   (uint32_t)pending[i].revents);
	return host;
}

void
hosts_catch_up(struct registry *registry)
{
	struct host *host = registry->hosts;

	while (host != NULL)
		host = catch_up_some(host);
}
