/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and hosts that came back from the descriptor store, because the process of this registry
 * that had them was killed or crashed.
 *
 *	adopt_root		the root has the id that it had
 *	registry_adopt		devices get their nodes, with the ids that they had, and hosts a
 *				struct host; what cannot be used is ended and forgotten
 *	adopt_begin		each host is asked for its services
 *	adopt_check		all have answered, or ended: registry_run
 *
 * Nothing is matched before that, and no app is listened to, so that nobody is told of the end of
 * what is there. A host that has not answered after ANSWER_PATIENCE is killed, and started again as
 * after any crash.
 *
 * The records are this registry's own. The hosts are not to be trusted: a host may only bring the
 * services that no other one's record has (launch_packets.c). One whose bundle has changed or gone
 * meanwhile is told to stop. One thread, the registry's.
 */
#include "given.h"

#include "clock.h"
#include "log.h"
#include "packet.h"
#include "record.h"
#include "status.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#define ANSWER_PATIENCE	   (1 * NSEC_PER_SEC)
#define KILL_PATIENCE_MSEC 1000

uint64_t
adopt_root(struct registry *registry)
{
	struct given *all;
	size_t count = 0;
	uint64_t id = 0;

	all = given_take_all(registry, KEPT_ROOT, "ID", &count);
	for (size_t i = 0; i < count; i++) {
		id = id == 0 ? all[i].time : id;
		given_finish(registry, &all[i], id == 0);
	}
	free(all);
	registry->root_kept = id != 0;
	return id;
}

/* --- devices --- */

static IOReturn
recall_device(struct registry *registry, struct given *given, struct device **ret_device)
{
	uint64_t type = DEVICE_USB + 1;

	OSDictionaryGetUInt64Value(given->facts, "Type", &type);
	switch (type) {
	case DEVICE_RESOURCES:
		/* It is always there already, the first one. */
		*ret_device = registry->devices;
		return registry->devices->record < 0 ? kIOReturnSuccess : kIOReturnBadArgument;
	case DEVICE_VIRTUAL:
		return device_recall_virtual(given->facts, ret_device);
	case DEVICE_USB:
		if (given->device < 0)
			return kIOReturnBadArgument;
		return device_recall_usb_take(given_take_fd(given, given->device), given->facts,
					      ret_device);
	default:
		return kIOReturnBadArgument;
	}
}

static IOReturn
recall_ids(struct device *device, const OSDictionary *facts)
{
	const OSArray *ids = OSDynamicCast(OSArray, OSDictionaryGetValue(facts, "IDs"));
	uint32_t count = ids != NULL ? OSArrayGetCount(ids) : 0;

	device->ids = calloc(count + 1, sizeof(device->ids[0]));
	if (device->ids == NULL)
		return kIOReturnNoMemory;
	for (uint32_t i = 0; i < count; i++) {
		const OSNumber *number = OSDynamicCast(OSNumber, OSArrayGetValue(ids, i));

		if (number == NULL)
			return kIOReturnBadArgument;
		device->ids[i] = OSNumberGetUInt64Value(number);
	}
	device->id_count = count;
	return kIOReturnSuccess;
}

static IOReturn
adopt_device(struct registry *registry, struct given *given)
{
	struct device *device = NULL;
	IOReturn status = recall_device(registry, given, &device);

	if (status != kIOReturnSuccess)
		return status;
	device->kept = strdup(given->entry->name);
	if (device->kept == NULL)
		status = kIOReturnNoMemory;
	if (status == kIOReturnSuccess)
		status = recall_ids(device, given->facts);
	device->record = given_take_fd(given, given->record);
	if (device->kind != DEVICE_RESOURCES)
		registry_take_device(registry, device);
	if (status == kIOReturnSuccess)
		status = device_publish(device, &registry->tree);
	device->detached = record_detached(device->record);
	return status;
}

static IOReturn
adopt_devices(struct registry *registry)
{
	IOReturn status = kIOReturnSuccess;
	struct given *all;
	size_t count = 0;

	all = given_take_all(registry, "device-", "Session", &count);
	for (size_t i = 0; i < count; i++) {
		IOReturn res = all[i].facts != NULL ? adopt_device(registry, &all[i])
						    : kIOReturnBadArgument;

		if (res == kIOReturnNoMemory)
			status = res;
		if (res != kIOReturnSuccess)
			log_info("%s of the descriptor store is no device that is here: %s",
				 all[i].entry->name, status_string(res));
		given_finish(registry, &all[i], res != kIOReturnSuccess);
	}
	free(all);
	return all != NULL ? status : kIOReturnNoMemory;
}

/* --- hosts --- */

static struct device *
find_device(const struct registry *registry, const struct entry *provider)
{
	struct device *device = registry->devices;

	while (device != NULL && (device->node == NULL || !tree_is_below(provider, device->node)))
		device = device->next;
	return device;
}

/* The personality that it was started for, if the bundle is still what it was; else NULL. */
static const struct personality *
find_personality(const struct registry *registry, const OSDictionary *facts,
		 const OSDictionary *start)
{
	const char *identifier = OSDictionaryGetStringValue(start, "Bundle");
	const char *path = OSDictionaryGetStringValue(start, "BundlePath");
	const char *name = OSDictionaryGetStringValue(facts, "PersonalityName");
	uint64_t print = 0;

	if (identifier == NULL || path == NULL || name == NULL ||
	    !OSDictionaryGetUInt64Value(facts, "Print", &print))
		return NULL;
	for (const struct bundle *bundle = registry->bundles; bundle != NULL;
	     bundle = bundle->next) {
		if (strcmp(bundle->identifier, identifier) != 0 ||
		    strcmp(bundle->path, path) != 0 || bundle->print != print)
			continue;
		for (unsigned i = 0; i < bundle->personality_count; i++) {
			if (strcmp(bundle->personalities[i].name, name) == 0)
				return &bundle->personalities[i];
		}
	}
	return NULL;
}

/* As it was; it is retired from the beginning, so its host has to end. */
static const struct personality *
recall_personality(struct registry *registry, const OSDictionary *facts, const OSDictionary *start)
{
	const char *name = OSDictionaryGetStringValue(facts, "PersonalityName");
	struct bundle *bundle = NULL;

	if (name == NULL || bundle_recall(start, name, &bundle) != kIOReturnSuccess)
		return NULL;
	bundle->retired = true;
	bundle->next = registry->retired;
	registry->retired = bundle;
	return &bundle->personalities[0];
}

/* What the process was; false: it is not all there, or has ended. */
static bool
get_process(struct given *given, struct host_process *process)
{
	struct pollfd exited = {.fd = given->pidfd, .events = POLLIN};
	uint64_t pid = 0, uid = 0;

	if (given->facts == NULL || given->socket < 0 || given->pidfd < 0 ||
	    poll(&exited, 1, 0) != 0 ||
	    !OSDictionaryGetUInt64Value(given->facts, "Process", &pid) ||
	    !OSDictionaryGetUInt64Value(given->facts, "User", &uid) ||
	    given_pid(given->pidfd) != (pid_t)pid)
		return false;
	process->kept = given->entry->name;
	process->pid = (pid_t)pid;
	process->uid = (uid_t)uid;
	return true;
}

static bool
adopt_host(struct registry *registry, struct given *given)
{
	const OSDictionary *start =
		given->facts == NULL
			? NULL
			: OSDynamicCast(OSDictionary, OSDictionaryGetValue(given->facts, "Start"));
	const struct personality *personality;
	struct host_process process;
	struct entry *provider;
	struct device *device;
	struct host *host;
	uint64_t id = 0;

	if (start == NULL || !get_process(given, &process) ||
	    !OSDictionaryGetUInt64Value(start, "ProviderID", &id))
		return false;
	provider = tree_find(&registry->tree, id);
	device = provider != NULL ? find_device(registry, provider) : NULL;
	personality = find_personality(registry, given->facts, start);
	if (personality == NULL)
		personality = recall_personality(registry, given->facts, start);
	if (device == NULL || personality == NULL ||
	    host_create(registry, personality, device, provider, &host) != kIOReturnSuccess)
		return false;
	process.record = given_take_fd(given, given->record);
	process.control = given_take_fd(given, given->socket);
	process.pidfd = given_take_fd(given, given->pidfd);
	/* -1: it was started by a version that did not take logs. */
	process.log = given_take_fd(given, given->log);
	if (host_adopt_take(host, &process) != kIOReturnSuccess)
		host_kill(host);
	else if (personality->bundle->retired)
		host_stop(host);
	return true;
}

/* The process, if it still runs, is nobody's. */
static void
end_process(const struct given *given)
{
	struct pollfd exited = {.fd = given->pidfd, .events = POLLIN};

	if (given->pidfd < 0 || poll(&exited, 1, 0) != 0)
		return;
	log_error("%s of the descriptor store cannot be used; process %d is ended",
		  given->entry->name, (int)given_pid(given->pidfd));
	pidfd_send_signal(given->pidfd, SIGKILL, NULL, 0);
	/* Its device is somebody else's only when it has ended. */
	poll(&exited, 1, KILL_PATIENCE_MSEC);
}

static IOReturn
adopt_hosts(struct registry *registry)
{
	struct given *all;
	size_t count = 0;

	all = given_take_all(registry, "host-", "Launched", &count);
	for (size_t i = 0; i < count; i++) {
		bool adopted = adopt_host(registry, &all[i]);

		if (!adopted)
			end_process(&all[i]);
		given_finish(registry, &all[i], !adopted);
	}
	free(all);
	return all != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

IOReturn
registry_adopt(struct registry *registry)
{
	IOReturn status = adopt_devices(registry);
	struct store_entry *rest;

	if (status == kIOReturnSuccess)
		status = adopt_hosts(registry);
	/* Of a version that kept other things. */
	while ((rest = registry->given) != NULL) {
		registry->given = rest->next;
		store_forget(registry->store, rest->name);
		store_entry_free(rest);
	}
	return status;
}

/* --- their answers --- */

static bool
is_waiting(const struct registry *registry)
{
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->state == HOST_ADOPTED)
			return true;
	}
	return false;
}

static void
run(struct loop_task *task)
{
	struct registry *registry =
		(struct registry *)((char *)task - offsetof(struct registry, adopt_task));

	registry->adopt_posted = false;
	if (!registry->adopting)
		return;
	adopt_cancel(registry);
	/* They have answered in any order; look-ups tell of the oldest first. */
	tree_order_services(&registry->tree);
	registry_run(registry);
	registry_changed(registry);
}

/* Not at once: hosts may be freed by it, and this is said from inside of their handlers. */
static void
go_on(struct registry *registry)
{
	if (registry->adopt_posted)
		return;
	registry->adopt_posted = true;
	registry->adopt_task.run = run;
	loop_post(registry->loop, &registry->adopt_task);
}

static void arm(struct registry *registry);

static void
too_late(struct loop_timer *timer)
{
	struct registry *registry =
		(struct registry *)((char *)timer - offsetof(struct registry, adopt_timer));
	char name[256];

	registry->adopt_armed = false;
	if (registry->insisted) {
		go_on(registry);
		return;
	}
	registry->insisted = true;
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->state != HOST_ADOPTED)
			continue;
		host_describe(host, name, sizeof(name));
		log_error("%s: its host (process %d) does not say what it serves and is killed",
			  name, (int)host->pid);
		host_kill(host);
	}
	arm(registry);
}

static void
arm(struct registry *registry)
{
	registry->adopt_timer.fired = too_late;
	registry->adopt_armed = true;
	loop_timer_arm(registry->loop, &registry->adopt_timer, clock_now() + ANSWER_PATIENCE);
}

void
adopt_cancel(struct registry *registry)
{
	if (registry->adopt_armed)
		loop_timer_cancel(registry->loop, &registry->adopt_timer);
	registry->adopt_armed = false;
}

void
adopt_begin(struct registry *registry)
{
	keep_root(registry);
	for (struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->pid > 0 && limit_begin(host) != kIOReturnSuccess)
			log_error("the memory of process %d could not be limited again",
				  (int)host->pid);
		if (host->state == HOST_ADOPTED)
			host_ask(host);
	}
	registry->adopting = is_waiting(registry);
	if (registry->adopting)
		arm(registry);
}

void
adopt_check(struct registry *registry)
{
	if (registry->adopting && !is_waiting(registry))
		go_on(registry);
}
