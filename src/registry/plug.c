/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that come and go while the registry runs: PLUG and UNPLUG of apps, GONE of hosts, and
 * what hotplug.c sees.
 *
 * A virtual device lives in the processes of its hosts. So unplugging is telling them; the device
 * is `going` from then on, and has gone when the last of them has ended: by itself, or killed once
 * HOST_UNPLUG_PATIENCE is over. Only then its nodes leave the tree, its place is free, and who
 * asked for it gets the answer. Nothing here waits.
 *
 * What a device was made of is freed by a task of its own (`sweep`), because the news come from
 * inside the hosts' own handlers. One thread, the registry's.
 */
#include "registry_private.h"

#include "bounds.h"
#include "log.h"
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SENTENCE_MAX REGISTRY_ERROR_MAX

/* --- going --- */

static bool
has_ended(const struct registry *registry, const struct device *device)
{
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->device == device && !host_is_over(host))
			return false;
	}
	return true;
}

static void
forget(struct registry *registry, struct device *device)
{
	struct device **link = &registry->devices;

	/* First: one that has been told of its end does not come back. */
	keep_forget_device(registry, device);
	for (struct host **at = &registry->hosts; *at != NULL;) {
		struct host *host = *at;

		if (host->device != device) {
			at = &host->next;
			continue;
		}
		*at = host->next;
		host_destroy(host);
	}
	while (*link != device)
		link = &(*link)->next;
	*link = device->next;
	if (device->node != NULL)
		tree_remove(&registry->tree, device->node);
	log_info("%s at 0x%08" PRIx32 " has gone", device->label, device->location);
	if (device->waiter != NULL)
		server_reply_late(device->waiter, &device->waiting, kIOReturnSuccess);
	device_close(device);
}

static void
sweep(struct loop_task *task)
{
	struct registry *registry =
		(struct registry *)((char *)task - offsetof(struct registry, sweep_task));
	struct device *device, *next;
	bool any = false;

	registry->sweeping = false;
	for (device = registry->devices; device != NULL; device = next) {
		next = device->next;
		if (!device->going || !has_ended(registry, device))
			continue;
		forget(registry, device);
		any = true;
	}
	any |= renewal_sweep(registry);
	if (any)
		registry_changed(registry);
}

void
plug_sweep(struct registry *registry)
{
	if (registry->sweeping)
		return;
	registry->sweeping = true;
	registry->sweep_task.run = sweep;
	loop_post(registry->loop, &registry->sweep_task);
}

void
plug_device_gone(struct registry *registry, struct device *device)
{
	if (device->going)
		return;
	device->going = true;
	/* Whether a virtual one is still there nobody can ask, as sysfs about others. */
	if (device->kind == DEVICE_VIRTUAL)
		keep_forget_device(registry, device);
	for (struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->device == device)
			host_unplug(host);
	}
	plug_sweep(registry);
}

/* --- requests --- */

bool
plug_has_room(const struct registry *registry, char error[SENTENCE_MAX])
{
	unsigned count = 0;

	for (const struct device *device = registry->devices; device != NULL; device = device->next)
		count += device->kind == DEVICE_VIRTUAL || device->kind == DEVICE_USB;
	snprintf(error, SENTENCE_MAX, "there are DEXT_LIMIT_DEVICES (%u) devices; unplug one",
		 count);
	return count < DEXT_LIMIT_DEVICES;
}

IOReturn
plug_begin(struct registry *registry, struct device *device, char error[SENTENCE_MAX])
{
	IOReturn status = registry_match(registry, device);

	if (status != kIOReturnSuccess) {
		snprintf(error, SENTENCE_MAX, "%s", status_string(status));
		forget(registry, device);
		return status;
	}
	registry->plugged = true;
	log_info("%s was plugged in at 0x%08" PRIx32, device->label, device->location);
	for (struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->device == device)
			host_launch(host);
	}
	return kIOReturnSuccess;
}

static IOReturn
plug(struct registry *registry, const char *spec, uint64_t *ret_id, char error[SENTENCE_MAX])
{
	struct device *device = NULL;
	IOReturn status;

	if (!plug_has_room(registry, error)) {
		log_error("%s was not plugged in: %s", spec, error);
		return kIOReturnNoResources;
	}
	if (registry->stopping) {
		snprintf(error, SENTENCE_MAX, "the registry is about to end");
		return kIOReturnNotReady;
	}
	status = registry_add_device(registry, spec, &device, error);
	if (status != kIOReturnSuccess)
		return status;
	status = plug_begin(registry, device, error);
	if (status == kIOReturnSuccess)
		*ret_id = device->node->id;
	return status;
}

IOReturn
registry_plug(struct registry *registry, const struct registry_device *described,
	      char error[SENTENCE_MAX])
{
	struct device *device = NULL;
	IOReturn status;

	if (!plug_has_room(registry, error))
		return kIOReturnNoResources;
	status = device_open_described(described, registry_free_place(registry), &device, error);
	if (status != kIOReturnSuccess)
		return status;
	registry_take_device(registry, device);
	status = plug_begin(registry, device, error);
	registry_changed(registry);
	return status;
}

/* The device with this node, if it is one that can be unplugged now. */
static IOReturn
find(struct registry *registry, uint64_t id, struct device **ret_device, char error[SENTENCE_MAX])
{
	struct device *device = registry->devices;

	while (device != NULL && (device->node == NULL || device->node->id != id))
		device = device->next;
	if (device == NULL) {
		snprintf(error, SENTENCE_MAX, "0x%" PRIx64 " is no device's id", id);
		return kIOReturnNotFound;
	}
	if (device->kind != DEVICE_VIRTUAL) {
		snprintf(error, SENTENCE_MAX, "%s is no virtual device%s", device->label,
			 device->kind == DEVICE_RESOURCES ? "" : "; pull it out");
		return kIOReturnUnsupported;
	}
	if (device->waiter != NULL) {
		snprintf(error, SENTENCE_MAX, "%s is being unplugged", device->label);
		return kIOReturnBusy;
	}
	*ret_device = device;
	return kIOReturnSuccess;
}

static IOReturn
refuse(struct client *client, const struct packet_header *request, IOReturn status,
       const char *error)
{
	return server_reply(client, request, status, error, strlen(error));
}

IOReturn
plug_request(struct registry *registry, struct client *client, const struct packet *packet)
{
	char spec[DEXT_SPEC_MAX + 1] = "", error[SENTENCE_MAX] = "";
	uint64_t id = 0;
	IOReturn status;

	if (!registry->plugging)
		return refuse(client, packet->header, kIOReturnNotPermitted,
			      "this registry takes no virtual devices; start it with "
			      "--allow-virtual");
	if (!server_is_own_user(client))
		return refuse(client, packet->header, kIOReturnNotPermitted,
			      "only the registry's own user may plug in and unplug");
	memcpy(spec, packet->body, packet->body_length);
	status = plug(registry, spec, &id, error);
	if (status != kIOReturnSuccess)
		return refuse(client, packet->header, status, error);
	status = server_reply(client, packet->header, kIOReturnSuccess, &id, sizeof(id));
	registry_changed(registry);
	return status;
}

IOReturn
unplug_request(struct registry *registry, struct client *client, const struct packet *packet)
{
	struct device *device = NULL;
	char error[SENTENCE_MAX] = "";
	struct id_body body;
	IOReturn status;

	if (!registry->plugging)
		return refuse(client, packet->header, kIOReturnNotPermitted,
			      "this registry takes no virtual devices; start it with "
			      "--allow-virtual");
	if (!server_is_own_user(client))
		return refuse(client, packet->header, kIOReturnNotPermitted,
			      "only the registry's own user may plug in and unplug");
	memcpy(&body, packet->body, sizeof(body));
	status = find(registry, body.id, &device, error);
	if (status != kIOReturnSuccess)
		return refuse(client, packet->header, status, error);
	device->waiter = client;
	device->waiting = *packet->header;
	plug_device_gone(registry, device);
	return kIOReturnSuccess;
}

void
plug_forget_client(struct registry *registry, const struct client *client)
{
	for (struct device *device = registry->devices; device != NULL; device = device->next) {
		if (device->waiter == client)
			device->waiter = NULL;
	}
}
