/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles that come, go and are replaced while the registry runs.
 *
 * A bundle that goes is retired: it is no candidate any more, its hosts are told to stop, and apps
 * with open connections get the termination. When the last of them has ended, the bundle is freed
 * and all devices are matched again, so that whoever is next of that category gets the provider. A
 * provider has one host of a category at a time, also while one bundle takes over from another.
 *
 * A driver that runs is not displaced by a better candidate; one that has failed or ended is.
 *
 * Kernel drivers stay detached while there is a successor: the interface is given back only if
 * nobody takes it. One thread, the registry's.
 */
#include "registry_private.h"

#include "log.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

/* The host that drives this provider for this category; NULL: none. */
static struct host **
find_place(struct registry *registry, const struct entry *provider, const char *category)
{
	struct host **link = &registry->hosts;

	while (*link != NULL && ((*link)->provider != provider ||
				 strcmp((*link)->personality->match_category, category) != 0))
		link = &(*link)->next;
	return link;
}

/* A new host, not launched, unless somebody has the place. */
static IOReturn
fill(struct registry *registry, struct device *device, struct entry *provider,
     const struct personality *winner)
{
	struct host **link = find_place(registry, provider, winner->match_category);
	struct host *host = *link;

	if (host != NULL) {
		if (!host_is_over(host) || host->personality == winner)
			return kIOReturnSuccess;
		*link = host->next;
		host_destroy(host);
	}
	return host_create(registry, winner, device, provider, NULL);
}

static IOReturn
match_again(struct registry *registry, struct device *device)
{
	IOReturn status = kIOReturnSuccess;

	for (struct entry *entry = device->node; entry != NULL; entry = entry->next) {
		struct matching_result result;

		if (entry->host != NULL || !tree_is_below(entry, device->node))
			continue;
		matching_select(registry->bundles, entry, &result);
		for (unsigned i = 0; i < result.count && status == kIOReturnSuccess; i++)
			status = fill(registry, device, entry, result.winners[i]);
	}
	return status;
}

static void
match_all(struct registry *registry)
{
	for (struct device *device = registry->devices; device != NULL; device = device->next) {
		IOReturn status = kIOReturnSuccess;

		if (device->node != NULL && !device->going)
			status = match_again(registry, device);
		if (status != kIOReturnSuccess)
			log_error("%s was not matched again: %s", device->label,
				  status_string(status));
	}
}

static void
launch_new(struct registry *registry)
{
	for (struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->launched == 0 && host->state == HOST_IDLE)
			host_launch(host);
	}
}

void
renewal_match(struct registry *registry)
{
	match_all(registry);
	launch_new(registry);
}

/* --- */

static IOReturn
add_take(struct registry *registry, struct bundle *bundle, char error[REGISTRY_ERROR_MAX])
{
	struct bundle **last;

	for (last = &registry->bundles; *last != NULL; last = &(*last)->next) {
		if (strcmp((*last)->identifier, bundle->identifier) == 0) {
			snprintf(error, REGISTRY_ERROR_MAX,
				 "%.180s and %.180s have the same CFBundleIdentifier; give one of "
				 "them another, or remove it",
				 (*last)->path, bundle->path);
			bundle_free(bundle);
			return kIOReturnBadArgument;
		}
	}
	*last = bundle;
	if (registry->started && !registry->stopping) {
		renewal_match(registry);
		registry_changed(registry);
	}
	return kIOReturnSuccess;
}

static void
retire(struct registry *registry, struct bundle *bundle)
{
	struct bundle **link = &registry->bundles;

	while (*link != bundle)
		link = &(*link)->next;
	*link = bundle->next;
	bundle->next = registry->retired;
	registry->retired = bundle;
	bundle->retired = true;
	for (struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->personality->bundle == bundle && !host_is_over(host))
			host_stop(host);
	}
}

IOReturn
registry_add_bundle(struct registry *registry, const char *path, char error[REGISTRY_ERROR_MAX])
{
	struct bundle *bundle = NULL;

	return registry_replace_bundle(registry, path, &bundle, error);
}

IOReturn
registry_replace_bundle(struct registry *registry, const char *path, struct bundle **bundle,
			char error[REGISTRY_ERROR_MAX])
{
	struct bundle *new = NULL;
	IOReturn status = registry->inside != NULL ? bundle_open_inside(path, &new, error)
						   : bundle_open(path, &new, error);

	if (status != kIOReturnSuccess)
		return status;
	registry_remove_bundle(registry, bundle);
	status = add_take(registry, new, error);
	if (status == kIOReturnSuccess)
		*bundle = new;
	return status;
}

void
registry_remove_bundle(struct registry *registry, struct bundle **bundle)
{
	if (*bundle == NULL)
		return;
	retire(registry, *bundle);
	*bundle = NULL;
	plug_sweep(registry);
}

/* Takes the hosts of retired bundles that are over out of the registry's list. */
static struct host *
take_over_hosts(struct registry *registry)
{
	struct host *taken = NULL;

	for (struct host **link = &registry->hosts; *link != NULL;) {
		struct host *host = *link;

		if (!host->personality->bundle->retired || !host_is_over(host)) {
			link = &host->next;
			continue;
		}
		*link = host->next;
		host->next = taken;
		taken = host;
	}
	return taken;
}

bool
renewal_is_taken(const struct registry *registry, const struct device *device, int interface)
{
	for (const struct host *host = registry->hosts; host != NULL; host = host->next) {
		if (host->device == device &&
		    (host->interface < 0 || host->interface == interface || interface < 0))
			return true;
	}
	return false;
}

static void
free_retired(struct registry *registry)
{
	for (struct bundle **link = &registry->retired; *link != NULL;) {
		struct bundle *bundle = *link;
		const struct host *host = registry->hosts;

		while (host != NULL && host->personality->bundle != bundle)
			host = host->next;
		if (host != NULL) {
			link = &bundle->next;
			continue;
		}
		*link = bundle->next;
		bundle_free(bundle);
	}
}

bool
renewal_sweep(struct registry *registry)
{
	struct host *taken;

	if (registry->retired == NULL || registry->stopping || !registry->started)
		return false;
	taken = take_over_hosts(registry);
	match_all(registry);
	while (taken != NULL) {
		struct host *host = taken;

		taken = host->next;
		if (!renewal_is_taken(registry, host->device, host->interface))
			device_give_back(host->device, host->interface);
		host_destroy(host);
	}
	free_retired(registry);
	launch_new(registry);
	return true;
}
