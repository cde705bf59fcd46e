/* SPDX-License-Identifier: Apache-2.0 */
#include "ours.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <dext_iokit.h>
#include <mach/mach.h>

#define CLIENTS_MAX 64
#define CALLS_EACH  8 /* of a client, before the next one has its turn */

/* --- the driver's process --- */

pid_t
bench_host_of(io_service_t service)
{
	CFTypeRef number = IORegistryEntryCreateCFProperty(service, CFSTR("dext_host_pid"),
							   kCFAllocatorDefault, 0);
	int pid = 0;

	if (number != NULL) {
		CFNumberGetValue(number, kCFNumberIntType, &pid);
		CFRelease(number);
	}
	return pid;
}

bool
bench_open_service(const char *name, io_connect_t *ret_connect, pid_t *ret_host)
{
	io_service_t service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(name));
	bool opened;

	if (service == IO_OBJECT_NULL)
		return false;
	*ret_host = bench_host_of(service);
	opened = IOServiceOpen(service, mach_task_self(), 0, ret_connect) == kIOReturnSuccess;
	IOObjectRelease(service);
	return opened && *ret_host > 0;
}

static void
call(io_connect_t connect)
{
	uint64_t in[16] = {1, 2, 3}, out[16];
	uint32_t count = 16;

	if (IOConnectCallScalarMethod(connect, 0, in, 16, out, &count) != kIOReturnSuccess) {
		fprintf(stderr, "bench: a call failed\n");
		_exit(1);
	}
}

/* --- calls --- */

static bool
open_call(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	io_connect_t connect;

	if (!bench_open_service("Bench", &connect, ret_server))
		return false;
	*ret_state = (void *)(uintptr_t)connect;
	return true;
}

static uint64_t
call_once(void *state)
{
	call((io_connect_t)(uintptr_t)state);
	return 0;
}

/* What counts is the call, not the pause before it. */
static uint64_t
paced_once(void *state)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	uint64_t begun;

	nanosleep(&pause, NULL);
	begun = now_nsec();
	call((io_connect_t)(uintptr_t)state);
	return now_nsec() - begun;
}

struct many {
	io_connect_t connects[CLIENTS_MAX];
	uint64_t count, next;
};

static bool
open_connections(uint64_t count, void **ret_state, pid_t *ret_server)
{
	struct many *many = calloc(1, sizeof(*many));

	for (many->count = 0; many->count < count && many->count < CLIENTS_MAX; many->count++)
		if (!bench_open_service("Bench", &many->connects[many->count], ret_server))
			return false;
	*ret_state = many;
	return true;
}

static bool
open_many(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_connections(argument, ret_state, ret_server);
}

static bool
open_one(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_connections(1, ret_state, ret_server);
}

/* Some calls on one connection, then the next one's turn. */
static uint64_t
many_once(void *state)
{
	struct many *many = state;

	call(many->connects[many->next++ / CALLS_EACH % many->count]);
	return 0;
}

/* --- memory --- */

static uint64_t
handover_once(void *state)
{
	io_connect_t connect = (io_connect_t)(uintptr_t)state;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	if (IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere) !=
		    kIOReturnSuccess ||
	    IOConnectUnmapMemory64(connect, 0, mach_task_self(), address) != kIOReturnSuccess)
		_exit(1);
	return 0;
}

/* --- idle --- */

bool
bench_open_many(unsigned count)
{
	static void *state;
	pid_t host;

	if (!open_connections(count, &state, &host))
		return false;
	for (unsigned i = 0; i < CALLS_EACH * count; i++)
		many_once(state);
	return true;
}

unsigned long
bench_host_sleeps(void)
{
	io_service_t service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("Bench"));
	unsigned long sum = 0, one;
	char path[96], line[128];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)bench_host_of(service));
	IOObjectRelease(service);
	tasks = opendir(path);
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		char status[400];
		FILE *file;

		snprintf(status, sizeof(status), "%s/%s/status", path, entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(status, "r");
		while (file != NULL && fgets(line, sizeof(line), file) != NULL)
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &one) == 1)
				sum += one;
		if (file != NULL)
			fclose(file);
	}
	if (tasks != NULL)
		closedir(tasks);
	return sum;
}

const struct contestant our_call = {
	.name = "call", .open = open_call, .once = call_once, .batch = 64};
const struct contestant our_sleeping_call = {.name = "call, nobody spins",
					     .open = open_call,
					     .once = call_once,
					     .batch = 16,
					     .sets = "OPENDEXT_SPIN=0"};
const struct contestant our_paced_call = {
	.name = "call each ms", .open = open_call, .once = paced_once, .batch = 8};
const struct contestant our_paced_sleeping_call = {.name = "call each ms, nobody spins",
						   .open = open_call,
						   .once = paced_once,
						   .batch = 8,
						   .sets = "OPENDEXT_SPIN=0"};
/* Batches, and with them what is done before a turn counts, are whole rounds. */
const struct contestant our_many = {
	.name = "connections in turn",
	.open = open_many,
	.once = many_once,
	.batch = CLIENTS_MAX * CALLS_EACH,
};
const struct contestant our_one = {
	.name = "one connection",
	.open = open_one,
	.once = many_once,
	.batch = CLIENTS_MAX * CALLS_EACH,
};
const struct contestant our_handover = {
	.name = "map and unmap", .open = open_call, .once = handover_once, .batch = 4};
