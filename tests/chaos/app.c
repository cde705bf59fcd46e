/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app of the chaos run: streams to the device of its seat, until it is told to stop or is
 * killed. Loses connections when hosts are killed and devices unplugged, and opens again.
 *
 *	chaos-app LEDGER SEED		LEDGER: descriptor of the memory
 */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CoreFoundation/CoreFoundation.h>
#include <mach/mach.h>

#define AGAIN_MSEC 3
#define SETTLE	   400u /* turns, at most, between comparisons */

static struct ledger *ledger;
static uint64_t seed;
static struct stream stream;
static kern_return_t last_look; /* what IOServiceOpen said; kIOReturnNotFound: nothing to open */

/* Below the interface of that device. */
static io_service_t
find(uint64_t device)
{
	CFMutableDictionaryRef matching = IORegistryEntryIDMatching(device), outer;

	for (unsigned i = 0; i < 2; i++) {
		outer = i == 0 ? IOServiceMatching("IOUSBHostInterface")
			       : IOServiceNameMatching(DEXT_BULKSTREAM_SERVICE);
		CFDictionarySetValue(outer, CFSTR("IOParentMatch"), matching);
		CFRelease(matching);
		matching = outer;
	}
	return IOServiceGetMatchingService(kIOMainPortDefault, matching);
}

static int32_t
host_of(io_service_t service)
{
	CFTypeRef value = IORegistryEntryCreateCFProperty(service, CFSTR("dext_host_pid"),
							  kCFAllocatorDefault, 0);
	int32_t pid = 0;

	if (value != NULL) {
		CFNumberGetValue(value, kCFNumberSInt32Type, &pid);
		CFRelease(value);
	}
	return pid;
}

/* False: not now. */
static bool
try_open(uint64_t device, io_connect_t *ret_connect)
{
	io_service_t service = find(device);
	struct epoch before = stream.epoch, now;
	uint64_t since = ledger_now();
	kern_return_t status;
	int32_t host;

	last_look = kIOReturnNotFound;
	if (service == MACH_PORT_NULL)
		return false;
	host = host_of(service);
	status = IOServiceOpen(service, mach_task_self(), DEXT_BULKSTREAM_EXCLUSIVE, ret_connect);
	IOObjectRelease(service);
	last_look = status;
	ledger_waited(&ledger->totals, WAIT_OPEN, since);
	if (ledger_now() - since > wait_bounds[WAIT_OPEN] * UINT64_C(1000000000))
		fail(ledger, "an open took too long");
	now = epoch_now(ledger);
	/* One that began anew while this waited for a registry: what is known is of the last one.
	 */
	if (status == kIOReturnSuccess && memcmp(&now, &before, sizeof(now)) != 0) {
		IOServiceClose(*ret_connect);
		return false;
	}
	if (status == kIOReturnSuccess) {
		ledger->host = host;
		ledger->totals.opens++;
		return true;
	}
	/* One that has ended, which the registry has not heard; one that still has the last app. */
	if (status == kIOReturnExclusiveAccess || status == kIOReturnNotFound ||
	    status == kIOReturnOffline || status == kIOReturnNoDevice ||
	    status == MACH_SEND_INVALID_DEST || memcmp(&now, &before, sizeof(now)) != 0 ||
	    before.kills % 2 != 0 || before.unplugs % 2 != 0 || before.registries % 2 != 0)
		return false;
	fail(ledger, "IOServiceOpen: 0x%08x, and nobody has killed or unplugged anything",
	     (unsigned)status);
}

/* False: told to stop. */
static bool
open_service(io_connect_t *ret_connect)
{
	uint64_t since = ledger_now(), device = 0;

	while (!ledger->stop) {
		uint64_t now_there = ledger->device;

		stream = (struct stream){.ledger = ledger, .epoch = epoch_now(ledger)};
		memcpy(stream.spec, ledger->spec, sizeof(stream.spec));
		/* From when nobody does anything to it. */
		if (now_there == 0 || now_there != device || stream.epoch.kills % 2 != 0 ||
		    stream.epoch.registries % 2 != 0)
			since = ledger_now();
		device = now_there;
		if (device != 0 && ledger->searches == 0)
			ledger->searches = since;
		if (device != 0 && ledger->device == device && try_open(device, ret_connect)) {
			ledger_waited(&ledger->totals, WAIT_SERVICE, since);
			ledger->searches = 0;
			return true;
		}
		if (ledger_now() - since > wait_bounds[WAIT_SERVICE] * UINT64_C(1000000000) &&
		    strstr(stream.spec, "unplug-after") == NULL)
			fail(ledger, "%s: no service of device %llu; the last look: 0x%08x",
			     stream.spec, (unsigned long long)device, (unsigned)last_look);
		poll(NULL, 0, AGAIN_MSEC);
	}
	return false;
}

/* A process that holds all that this one has, and lives on when this one is killed. */
static void
have_child(void)
{
	pid_t child;

	if (draw(&seed) % 8 != 0)
		return;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_NAME, "chaos-child");
		for (;;)
			pause();
	}
	ledger->child = child;
}

static void
end_child(void)
{
	pid_t child = ledger->child;

	if (child <= 0)
		return;
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	ledger->child = 0;
}

static void
live(io_connect_t connect)
{
	unsigned until_settled = 0;
	bool goes_on;

	stream.number = draw(&seed) | 1;
	goes_on = stream_begin(&stream, connect);
	if (goes_on)
		have_child();
	while (goes_on && !ledger->stop) {
		if (until_settled == 0) {
			until_settled = 1 + (unsigned)(draw(&seed) % SETTLE);
			goes_on = stream_settle(&stream);
			continue;
		}
		until_settled--;
		goes_on = stream_turn(&stream, true);
	}
	if (goes_on)
		stream_settle(&stream);
	stream_end(&stream);
	end_child();
}

int
main(int argc, char **argv)
{
	io_connect_t connect = MACH_PORT_NULL;

	if (argc != 3)
		return 2;
	seed = strtoull(argv[2], NULL, 0);
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
	if (ledger == MAP_FAILED)
		return 2;
	ledger->host = 0;
	while (open_service(&connect))
		live(connect);
	return 0;
}
