/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into the descriptor store, so that the next process of this registry finds it: the
 * root's id, each device (a record and its usbfs file), each process of a host (a record, its
 * control socket, its pidfd and its log). PROTOCOL.md, 3.1, has the names and keys; adopt.c reads
 * them.
 *
 * A host goes in before it is sent START, so one that a registry has left behind unasked has not
 * run anything of its driver. One that does not fit ends with this process, as all do without a
 * store. One thread, the registry's.
 */
#include "registry_private.h"

#include "log.h"
#include "packet.h"
#include "record.h"
#include "status.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_FDS 4 /* record, control socket, pidfd, log */

/* A record with these facts, in the store under this name; -1: it is not there. */
static int
keep(struct registry *registry, const char *name, const OSDictionary *facts, const int *others,
     unsigned count)
{
	int fds[STORE_FDS_MAX] = {-1};
	IOReturn status = record_create(facts, &fds[0]);

	assert(count < STORE_FDS_MAX);
	for (unsigned i = 0; i < count; i++)
		fds[i + 1] = others[i];
	if (status == kIOReturnSuccess && !store_keep(registry->store, name, fds, count + 1))
		fd_close(&fds[0]);
	if (fds[0] < 0)
		log_error("%s could not be put into the descriptor store: when this process ends "
			  "it is lost",
			  name);
	return fds[0];
}

void
keep_root(struct registry *registry)
{
	OSDictionary *facts;
	int record;

	if (registry->root_kept || !store_has_room(registry->store, 1))
		return;
	facts = OSDictionaryCreate(1);
	if (facts == NULL)
		return;
	if (OSDictionarySetUInt64Value(facts, "ID", registry->tree.first->id)) {
		record = keep(registry, KEPT_ROOT, facts, NULL, 0);
		fd_close(&record);
	}
	OSRelease(facts);
}

/* --- devices --- */

/* The ids of its nodes, which are the last of the tree: it was published just now. */
static OSArray *
make_ids(const struct device *device)
{
	OSArray *ids = OSArrayCreate(8);
	bool complete = ids != NULL;

	for (const struct entry *entry = device->node; complete && entry != NULL;
	     entry = entry->next) {
		OSNumber *number = OSNumberCreate(entry->id, 64);

		complete = number != NULL && OSArrayAppendValue(ids, number);
		OSSafeReleaseNULL(number);
	}
	if (!complete)
		OSSafeReleaseNULL(ids);
	return ids;
}

static OSDictionary *
describe_device(const struct device *device)
{
	OSDictionary *facts = OSDictionaryCreate(12);
	OSArray *ids = make_ids(device);

	if (facts != NULL && (ids == NULL || !device_describe(device, facts) ||
			      !OSDictionarySetValue(facts, "IDs", ids)))
		OSSafeReleaseNULL(facts);
	OSSafeReleaseNULL(ids);
	return facts;
}

/* adopt.c knows what to do with it. */
static bool
can_come_back(const struct device *device)
{
	return device->kind == DEVICE_RESOURCES || device->kind == DEVICE_VIRTUAL ||
	       device->kind == DEVICE_USB;
}

void
keep_device(struct registry *registry, struct device *device)
{
	unsigned files = device->fd >= 0 ? 1 : 0;
	OSDictionary *facts;

	if (device->record >= 0 || !can_come_back(device) ||
	    !store_has_room(registry->store, 1 + files))
		return;
	facts = describe_device(device);
	if (facts == NULL || asprintf(&device->kept, "device-%016" PRIx64, device->node->id) < 0)
		device->kept = NULL;
	if (device->kept != NULL)
		device->record = keep(registry, device->kept, facts, &device->fd, files);
	OSSafeReleaseNULL(facts);
}

void
keep_forget_device(struct registry *registry, struct device *device)
{
	if (device->kept != NULL)
		store_forget(registry->store, device->kept);
	free(device->kept);
	device->kept = NULL;
	fd_close(&device->record);
}

/* --- hosts --- */

bool
keep_has_room(const struct host *host)
{
	return host->device->record >= 0 && store_has_room(host->registry->store, HOST_FDS);
}

static OSDictionary *
describe_host(const struct host *host, const OSDictionary *start)
{
	OSDictionary *facts = OSDictionaryCreate(6);

	if (facts != NULL &&
	    !(OSDictionarySetUInt64Value(facts, "Process", (uint64_t)host->pid) &&
	      OSDictionarySetUInt64Value(facts, "User", host->uid) &&
	      OSDictionarySetUInt64Value(facts, "Launched", host->launched) &&
	      OSDictionarySetUInt64Value(facts, "Print", host->personality->bundle->print) &&
	      OSDictionarySetStringValue(facts, "PersonalityName", host->personality->name) &&
	      OSDictionarySetValue(facts, "Start", start)))
		OSSafeReleaseNULL(facts);
	return facts;
}

void
keep_host(struct host *host, const OSDictionary *start)
{
	const int fds[] = {host->control, host->pidfd, host->log.pipe};
	OSDictionary *facts;

	if (!host->outlives)
		return;
	facts = describe_host(host, start);
	if (facts == NULL)
		return;
	snprintf(host->kept, sizeof(host->kept), "host-%d-%" PRIu64, (int)host->pid,
		 host->launched);
	host->record = keep(host->registry, host->kept, facts, fds, HOST_FDS - 1);
	if (host->record < 0)
		host->kept[0] = '\0';
	OSRelease(facts);
}

void
keep_forget_host(struct host *host)
{
	if (host->kept[0] != '\0')
		store_forget(host->registry->store, host->kept);
	host->kept[0] = '\0';
	fd_close(&host->record);
}

void
keep_services(const struct host *host)
{
	struct record_service services[DEXT_LIMIT_SERVICES_HOST];
	unsigned count = 0;

	if (host->record < 0)
		return;
	for (const struct entry *entry = host->registry->tree.first;
	     entry != NULL && count < DEXT_LIMIT_SERVICES_HOST; entry = entry->next) {
		if (entry->host == host)
			services[count++] = (struct record_service){entry->id, entry->since};
	}
	record_set_services(host->record, services, count);
}
