/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dextd with two bundles (Echo, and BulkStream for what is plugged in) and a stand-in for systemd's
 * descriptor store: begin, daemon_kill, daemon_start or kill_and_start, end.
 */
#ifndef TESTS_INTEG_STORE_SCENE_H
#define TESTS_INTEG_STORE_SCENE_H

#include "daemon.h"
#include "keeper.h"
#include "plugging.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define KEEP ((const char *[]){"--allow-virtual", "--keep-hosts", "500", NULL})

static struct daemon dextd;
static struct keeper keeper;

static inline uint64_t
now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Kills dextd, and starts it with what it had put into the store. */
static inline void
kill_and_start(void)
{
	daemon_kill(&dextd);
	daemon_start(&dextd, KEEP);
	plug_elsewhere();
}

/* False: the test is skipped. */
static inline bool
begin(void)
{
	if (!daemon_prepare(&dextd, 0))
		return false;
	keeper_start(&keeper, &dextd, KEEPER_MAX);
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "one");
	daemon_drop(&dextd, harness_bundle("BULKSTREAM_BUNDLE"), "bulkstream.dext", NULL);
	daemon_start(&dextd, KEEP);
	return true;
}

static inline bool
is_empty(void *context)
{
	return keeper_count(context) == 0;
}

/* An orderly end leaves nothing in the store. */
static inline void
end(void)
{
	ck_assert_int_eq(daemon_stop(&dextd), 0);
	ck_assert(harness_until(is_empty, &keeper));
}

/* Of the service's provider. */
static inline uint64_t
provider_of(const char *name)
{
	io_service_t service = harness_wait_service(name), provider = MACH_PORT_NULL;
	uint64_t id = 0;

	ck_assert_int_eq(IORegistryEntryGetParentEntry(service, kIOServicePlane, &provider), 0);
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(provider, &id), 0);
	IOObjectRelease(provider);
	IOObjectRelease(service);
	return id;
}

static inline uint64_t
id_of(const char *name)
{
	io_service_t service = harness_wait_service(name);
	uint64_t id = 0;

	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &id), 0);
	IOObjectRelease(service);
	return id;
}

#define IDS_MAX 32

/* The whole tree: the root, devices, interfaces, services. */
static inline unsigned
all_ids(uint64_t ids[IDS_MAX])
{
	io_registry_entry_t entry = IORegistryGetRootEntry(kIOMainPortDefault);
	io_iterator_t iterator = MACH_PORT_NULL;
	unsigned count = 0;

	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(entry, &ids[count++]), 0);
	IOObjectRelease(entry);
	ck_assert_int_eq(IORegistryCreateIterator(kIOMainPortDefault, kIOServicePlane,
						  kIORegistryIterateRecursively, &iterator),
			 0);
	while ((entry = IOIteratorNext(iterator)) != MACH_PORT_NULL && count < IDS_MAX) {
		ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(entry, &ids[count++]), 0);
		IOObjectRelease(entry);
	}
	IOObjectRelease(iterator);
	return count;
}

static inline bool
has_ended(void *context)
{
	pid_t pid = *(pid_t *)context;
	char path[64], line[256] = "";
	FILE *file;
	bool zombie = false;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return true;
	while (!zombie && fgets(line, sizeof(line), file) != NULL)
		zombie = strncmp(line, "State:\tZ", 8) == 0;
	fclose(file);
	return zombie; /* whoever its parent is now will see it */
}

#endif
