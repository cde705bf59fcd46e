/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as a whole: bundles and devices go in, hosts come out. A device is matched once, by
 * registry_start or when it is plugged in later (plug.c).
 *
 * One thread, the loop's.
 */
#include "registry_private.h"

#include "plane.h"
#include "policy.h"

#include "log.h"
#include "status.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The root of all planes; it is older than everything else and goes last. */
static IOReturn
add_root(struct tree *tree, uint64_t id)
{
	OSDictionary *properties = OSDictionaryCreate(4), *planes = OSDictionaryCreate(2);
	IOReturn status = kIOReturnNoMemory;
	bool complete = properties != NULL && planes != NULL;

	for (unsigned i = PLANE_SERVICE; i <= PLANE_LAST && complete; i++)
		complete = OSDictionarySetStringValue(planes, plane_name((enum plane)i),
						      plane_name((enum plane)i));
	if (complete && OSDictionarySetStringValue(properties, "IORegistryEntryName", "Root") &&
	    OSDictionarySetStringValue(properties, "IOKitBuildVersion", "OpenDext") &&
	    OSDictionarySetValue(properties, "IORegistryPlanes", planes))
		status = tree_add(tree, id, CLASS_ROOT, properties, NULL, NULL, NULL);
	OSSafeReleaseNULL(planes);
	OSSafeReleaseNULL(properties);
	return status;
}

static void
entry_changed(struct tree *tree, const struct entry *entry, enum tree_change change)
{
	static const enum event_kind kinds[] = {
		[TREE_ADDED] = EVENT_APPEARED,
		[TREE_REMOVED] = EVENT_GONE,
		[TREE_REPLACED] = EVENT_CHANGED,
	};

	server_tell((struct registry *)((char *)tree - offsetof(struct registry, tree)), entry,
		    kinds[change]);
}

IOReturn
registry_create(struct loop *loop, const struct registry_options *options,
		struct registry **ret_registry)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	IOReturn status;

	if (registry == NULL)
		return kIOReturnNoMemory;
	registry->loop = loop;
	registry->restarts = options->restarts;
	registry->sandbox = options->sandbox;
	registry->plugging = options->plugging;
	registry->memory_max = options->memory_max;
	registry->first_uid = options->first_uid;
	registry->last_uid = options->last_uid;
	registry->changed = options->changed;
	registry->context = options->context;
	registry->listener = -1;
	registry->spare_fd = -1;
	registry->tree.changed = entry_changed;
	registry->store = options->store;
	registry->inside = options->inside;
	registry->given = store_take(options->store);
	registry->state = kIOReturnNotReady;
	registry->runtime_dir = strdup(options->runtime_dir);
	registry->host_program = strdup(options->host_program);
	status = device_open_resources(&registry->devices);
	if (status == kIOReturnSuccess)
		status = add_root(&registry->tree, adopt_root(registry));
	if (status == kIOReturnSuccess)
		status = policy_open(options->access_file, POLICY_SEATS, &registry->policy);
	registry->shared = options->access_file != NULL;
	if (registry->runtime_dir == NULL || registry->host_program == NULL)
		status = kIOReturnNoMemory;
	if (status != kIOReturnSuccess) {
		registry_destroy(registry);
		return status;
	}
	*ret_registry = registry;
	return kIOReturnSuccess;
}

static void
free_bundles(struct bundle **bundles)
{
	while (*bundles != NULL) {
		struct bundle *bundle = *bundles;

		*bundles = bundle->next;
		bundle_free(bundle);
	}
}

void
registry_destroy(struct registry *registry)
{
	if (registry == NULL)
		return;
	server_stop(registry);
	adopt_cancel(registry);
	while (registry->hosts != NULL) {
		struct host *host = registry->hosts;

		registry->hosts = host->next;
		host_destroy(host);
	}
	tree_clear(&registry->tree);
	while (registry->devices != NULL) {
		struct device *device = registry->devices;

		registry->devices = device->next;
		keep_forget_device(registry, device);
		device_close(device);
	}
	store_forget(registry->store, KEPT_ROOT);
	while (registry->given != NULL) {
		struct store_entry *entry = registry->given;

		registry->given = entry->next;
		store_entry_free(entry);
	}
	free_bundles(&registry->bundles);
	free_bundles(&registry->retired);
	free(registry->runtime_dir);
	free(registry->host_program);
	policy_close(registry->policy);
	id_set_clear(&registry->asked_uids);
	id_set_clear(&registry->taken_uids);
	free(registry->group);
	free(registry);
}

unsigned
registry_free_place(const struct registry *registry)
{
	const struct device *other = registry->devices;
	unsigned number = 1;

	while (other != NULL) {
		if (other->kind == DEVICE_VIRTUAL && other->address == number) {
			number++;
			other = registry->devices;
		} else {
			other = other->next;
		}
	}
	return number;
}

void
registry_take_device(struct registry *registry, struct device *device)
{
	struct device **last;

	for (last = &registry->devices; *last != NULL; last = &(*last)->next)
		;
	*last = device;
}

IOReturn
registry_add_device(struct registry *registry, const char *spec, struct device **ret_device,
		    char error[REGISTRY_ERROR_MAX])
{
	IOReturn status =
		device_open_virtual(spec, registry_free_place(registry), ret_device, error);

	if (status == kIOReturnSuccess)
		registry_take_device(registry, *ret_device);
	return status;
}

IOReturn
registry_add_virtual(struct registry *registry, const char *spec, char error[REGISTRY_ERROR_MAX])
{
	struct device *device = NULL;

	return registry_add_device(registry, spec, &device, error);
}

IOReturn
registry_open_usb(struct registry *registry, unsigned bus, unsigned number,
		  struct device **ret_device, char error[REGISTRY_ERROR_MAX])
{
	IOReturn status = device_open_usb(bus, number, ret_device, error);

	if (status == kIOReturnSuccess)
		registry_take_device(registry, *ret_device);
	return status;
}

IOReturn
registry_open_pci(struct registry *registry, const char *root, const char *address,
		  struct device **ret_device)
{
	IOReturn status = device_open_pci(root, address, ret_device);

	if (status == kIOReturnSuccess)
		registry_take_device(registry, *ret_device);
	return status;
}

IOReturn
registry_add_usb(struct registry *registry, unsigned bus, unsigned number,
		 char error[REGISTRY_ERROR_MAX])
{
	struct device *device = NULL;

	return registry_open_usb(registry, bus, number, &device, error);
}

IOReturn
registry_match(struct registry *registry, struct device *device)
{
	IOReturn status = device_publish(device, &registry->tree);

	if (status == kIOReturnSuccess)
		keep_device(registry, device);
	for (struct entry *entry = device->node; status == kIOReturnSuccess && entry != NULL;
	     entry = entry->next) {
		struct matching_result result;

		/* Nodes of this device only: it was published last. */
		matching_select(registry->bundles, entry, &result);
		for (unsigned i = 0; i < result.count && status == kIOReturnSuccess; i++)
			status = host_create(registry, result.winners[i], device, entry, NULL);
	}
	return status;
}

static IOReturn
set_limit(struct registry *registry, char error[REGISTRY_ERROR_MAX])
{
	char cause[REGISTRY_ERROR_MAX];
	IOReturn status;

	if (registry->memory_max == 0)
		return kIOReturnSuccess;
	status = limit_prepare(registry, cause);
	if (status == kIOReturnSuccess)
		return status;
	if (registry->sandbox == SANDBOX_REQUIRED) {
		snprintf(error, REGISTRY_ERROR_MAX,
			 "the memory of hosts cannot be limited, which is required: %.400s", cause);
		return status;
	}
	log_info("the memory of hosts is NOT limited: %s", cause);
	return kIOReturnSuccess;
}

/* Those that came back have their nodes, and perhaps hosts, already. */
static IOReturn
match_new(struct registry *registry)
{
	IOReturn status = kIOReturnSuccess;

	for (struct device *device = registry->devices;
	     device != NULL && status == kIOReturnSuccess; device = device->next) {
		if (device->node == NULL)
			status = registry_match(registry, device);
	}
	return status;
}

/* Interfaces whose hosts ended while there was no registry, and that nobody else has taken. */
static void
give_back_rest(struct registry *registry)
{
	for (struct device *device = registry->devices; device != NULL; device = device->next) {
		for (int i = 0; i < INTERFACES_MAX; i++) {
			if ((device->detached >> i & 1) != 0 &&
			    !renewal_is_taken(registry, device, i))
				device_give_back(device, i);
		}
	}
}

void
registry_run(struct registry *registry)
{
	registry->adopting = false;
	if (registry->stopping)
		return;
	registry->state = match_new(registry);
	if (registry->state == kIOReturnSuccess) {
		registry->started = true;
		renewal_match(registry);
		give_back_rest(registry);
		/* What ended before there was anything to take its place. */
		plug_sweep(registry);
		registry->state = server_listen(registry);
	}
	if (registry->state != kIOReturnSuccess)
		log_error("the registry cannot start: %s", status_string(registry->state));
}

IOReturn
registry_start(struct registry *registry, char error[REGISTRY_ERROR_MAX])
{
	IOReturn status = set_limit(registry, error);

	if (status == kIOReturnSuccess)
		status = server_start(registry, error);
	if (status != kIOReturnSuccess)
		return status;
	adopt_begin(registry);
	if (registry->adopting)
		return kIOReturnSuccess;
	registry_run(registry);
	if (registry->state != kIOReturnSuccess)
		snprintf(error, REGISTRY_ERROR_MAX, "matching: %s", status_string(registry->state));
	return registry->state;
}

IOReturn
registry_state(const struct registry *registry)
{
	return registry->state;
}

void
registry_stop(struct registry *registry)
{
	if (registry->stopping)
		return;
	registry->stopping = true;
	for (struct host *host = registry->hosts; host != NULL; host = host->next)
		host_stop(host);
}

uint64_t
registry_busy(const struct registry *registry, const struct entry *entry)
{
	uint64_t count = 0;

	for (const struct host *host = registry->hosts; host != NULL; host = host->next)
		count += (host->state == HOST_IDLE || host->state == HOST_STARTING ||
			  host->state == HOST_YIELDING) &&
			 tree_is_below(host->provider, entry);
	return count;
}

void
registry_changed(struct registry *registry)
{
	server_tell_busy(registry);
	adopt_check(registry);
	if (registry->changed != NULL)
		registry->changed(registry->context);
}

/* --- how it stands --- */

static bool
has_host(const struct registry *registry, const struct bundle *bundle)
{
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->personality->bundle == bundle)
			return true;
	}
	return false;
}

static bool
wants_devices(const struct bundle *bundle)
{
	for (unsigned i = 0; i < bundle->personality_count; i++) {
		if (strcmp(bundle->personalities[i].provider_class, "IOUserResources") != 0)
			return true;
	}
	return false;
}

struct registry_summary
registry_summary(const struct registry *registry)
{
	struct registry_summary summary = {.plugged = registry->plugged};

	for (const struct bundle *bundle = registry->bundles; bundle != NULL;
	     bundle = bundle->next) {
		summary.unmatched += !has_host(registry, bundle);
		summary.wants_devices |= wants_devices(bundle);
	}
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		bool over = host->state == HOST_FAILED || host->state == HOST_ENDED;

		summary.hosts++;
		summary.starting += host->state == HOST_IDLE || host->state == HOST_ADOPTED ||
				    host->state == HOST_STARTING || host->state == HOST_YIELDING;
		summary.silent += host->state == HOST_STARTED && host->published == 0;
		summary.failed += host->state == HOST_FAILED;
		summary.ended += over && host->pid == 0;
		summary.going += host->device->going;
	}
	return summary;
}

struct explanation {
	void (*line)(void *context, const char *text);
	void *context;
};

static void
explain_bundle(const struct registry *registry, const struct bundle *bundle,
	       const struct explanation *to)
{
	char text[768], reason[MATCH_REASON_MAX];
	unsigned keys;

	for (unsigned i = 0; i < bundle->personality_count; i++) {
		const struct personality *personality = &bundle->personalities[i];

		for (const struct entry *entry = registry->tree.first; entry != NULL;
		     entry = entry->next) {
			const char *device =
				OSDictionaryGetStringValue(entry->properties, "dext_device");
			bool resources = strcmp(entry->class_name, "IOUserResources") == 0;

			/* Nobody who brought a device wonders why it is no IOUserResources. */
			if (entry->host != NULL || plane_is_root(entry) ||
			    (resources && registry->devices->next != NULL))
				continue;
			if (matching_personality(personality, entry, &keys, reason))
				snprintf(reason, sizeof(reason),
					 "another driver of category %.80s won it",
					 personality->match_category);
			snprintf(text, sizeof(text),
				 "%.160s: personality %.80s does not take %.40s %.80s: %s",
				 bundle->path, personality->name, entry->class_name,
				 resources ? "" : device, reason);
			to->line(to->context, text);
		}
	}
}

static void
explain_host(const struct host *host, const struct explanation *to)
{
	char text[640], name[256];

	host_describe(host, name, sizeof(name));
	switch (host->state) {
	case HOST_STARTING:
		snprintf(text, sizeof(text),
			 "%s: its Start has not returned; `gdb -p %d` shows where it hangs", name,
			 (int)host->pid);
		break;
	case HOST_ADOPTED:
		snprintf(text, sizeof(text), "%s: it was asked what it serves", name);
		break;
	case HOST_IDLE:
		snprintf(text, sizeof(text), "%s: it crashed and waits to be started again", name);
		break;
	case HOST_YIELDING:
		snprintf(text, sizeof(text), "%s: it did not start, and its process goes on", name);
		break;
	case HOST_FAILED:
		snprintf(text, sizeof(text), "%s: it did not start%s%s; its log is above", name,
			 host->start_status != kIOReturnSuccess ? ": " : "",
			 host->start_status != kIOReturnSuccess ? status_string(host->start_status)
								: "");
		break;
	case HOST_STARTED:
		if (host->published > 0)
			return;
		snprintf(text, sizeof(text),
			 "%s: it started but registered no service; its Start must call "
			 "IOService_RegisterService",
			 name);
		break;
	default:
		snprintf(text, sizeof(text), "%s: it has ended", name);
		break;
	}
	to->line(to->context, text);
}

void
registry_explain(const struct registry *registry, void (*line)(void *context, const char *text),
		 void *context)
{
	struct explanation to = {line, context};

	for (const struct bundle *bundle = registry->bundles; bundle != NULL;
	     bundle = bundle->next) {
		if (!has_host(registry, bundle))
			explain_bundle(registry, bundle, &to);
	}
	for (const struct host *host = registry->hosts; host != NULL; host = host->next)
		explain_host(host, &to);
}
