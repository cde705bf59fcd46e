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
#include "log.h"
#include "packet.h"
#include "plist.h"
#include "status.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

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
	fd_close(&host->control);
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
	if (entry != NULL)
		return entry->host == host ? tree_replace(tree, entry, properties) : kIOReturnIPCError;
	if (body->id == 0 || provider == NULL ||
	    (provider != host->provider && provider->host != host) ||
	    host->published >= DEXT_LIMIT_SERVICES_HOST)
		return kIOReturnIPCError;
	status = tree_add(tree, body->id, class_name != NULL ? class_name : "IOUserService",
			  properties, provider, host, NULL);
	if (status == kIOReturnSuccess)
		host->published++;
	return status;
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

static IOReturn
handle(struct host *host, const struct packet *packet)
{
	IOReturn status = packets_check(packet, PACKET_CONTROL_REPLY);
	uint64_t number;

	if (status != kIOReturnSuccess)
		return status;
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
	default:
		return kIOReturnIPCError;
	}
}

IOReturn
host_take_packets(struct host *host, unsigned most)
{
	struct packet *packet = &host->registry->packet;
	char name[256];

	for (unsigned i = 0; i < most; i++) {
		IOReturn status = packet_receive(host->control, packet, false);

		if (status == kIOReturnNotReady)
			return kIOReturnSuccess;
		if (status == kIOReturnSuccess) {
			status = handle(host, packet);
			packet_close_fds(packet);
		}
		if (status == kIOReturnOffline)
			return status;
		if (status != kIOReturnSuccess) {
			host_describe(host, name, sizeof(name));
			log_error("%s: its host broke the protocol (%s) and is ended", name,
				  status_string(status));
			kill(host->pid, SIGKILL);
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
