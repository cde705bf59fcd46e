/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app of the fault injection:
 *
 *	faults-app SCENARIO ROUNDS
 *
 * Tries a scenario several times, writes how each round went ("round 0 ok fired 0"), and at the end
 * "done"; it ends when its standard input does, so that it can be looked at before. Ends with 3 if
 * something was wrong that no fault excuses.
 */
#include "attempt.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <dext_iokit.h>
#include <mach/mach.h>

/* Of the shim, if it is there: how often a fault has happened. */
__attribute__((weak)) uint32_t faults_fired(void);

static const struct scenario *const groups[] = {
	scenarios_calls,   scenarios_memory,   scenarios_events, scenarios_local, scenarios_words,
	scenarios_devices, scenarios_registry, scenarios_loops,	 scenarios_rules,
};

#define PATIENCE_MSEC 30000
#define MOMENT_MSEC   1000

/* What the round was refused. */
static char refused[256];
/* How many faults had happened before it. */
static uint32_t fired_before;

static uint32_t
fired(void)
{
	return faults_fired != NULL ? faults_fired() : 0;
}

/* What a call may say when something is missing that the app is not to blame for. */
static const kern_return_t clean[] = {
	kIOReturnError,		kIOReturnNoMemory, kIOReturnNoResources,   kIOReturnIPCError,
	kIOReturnNoDevice,	kIOReturnVMError,  kIOReturnIOError,	   kIOReturnNotReady,
	kIOReturnNotPermitted,	kIOReturnNoSpace,  kIOReturnBusy,	   kIOReturnTimeout,
	kIOReturnOffline,	kIOReturnAborted,  kIOReturnNotResponding, kIOReturnNotFound,
	kIOReturnOverrun,	KERN_NO_SPACE,	   KERN_RESOURCE_SHORTAGE, KERN_FAILURE,
	MACH_SEND_INVALID_DEST,
};

bool
attempt_tried(const char *call, kern_return_t status)
{
	if (status == kIOReturnSuccess)
		return true;
	snprintf(refused, sizeof(refused), "0x%08x %s: %.120s", (unsigned)status,
		 mach_error_string(status), call);
	/* That is what it says of any failure, as on macOS. */
	if (status == kIOReturnBadArgument && (strstr(call, "IOConnectMapMemory64") == call ||
					       strstr(call, "dext_ring_create") == call))
		return false;
	for (size_t i = 0; i < sizeof(clean) / sizeof(clean[0]); i++)
		if (clean[i] == status)
			return false;
	attempt_wrong("status", 0, refused);
}

bool
attempt_had(const char *what, bool there)
{
	if (!there)
		snprintf(refused, sizeof(refused), "none: %.120s", what);
	return there;
}

void
attempt_wrong(const char *file, int line, const char *what)
{
	printf("wrong %s:%d: %s\n", file, line, what);
	fflush(stdout);
	_exit(3);
}

uint64_t
attempt_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool
attempt_waits(uint64_t since)
{
	return attempt_msec() - since < (fired() == fired_before ? PATIENCE_MSEC : MOMENT_MSEC);
}

void
attempt_restart(void)
{
	printf("restart\n");
	fflush(stdout);
	CHECK(getchar() == '\n');
}

/* --- services that come and go --- */

static void
drain(void *refcon, io_iterator_t iterator)
{
	io_object_t service;

	for (; (service = IOIteratorNext(iterator)) != 0; ++*(unsigned *)refcon)
		IOObjectRelease(service);
}

/* False: what is watched for did not happen, or cannot be waited for. */
static bool
await_event(IONotificationPortRef port, uint64_t deadline)
{
	struct pollfd item = {.fd = IONotificationPortGetFileDescriptor(port), .events = POLLIN};
	uint64_t now = attempt_msec();

	if (now >= deadline || poll(&item, 1, (int)(deadline - now)) <= 0)
		return false;
	dext_notification_port_dispatch(port);
	return true;
}

/*
 * Looks again at each event of that kind, until `is_over`, which is told how many have come. The
 * events of before are taken first, so that what happens between a look and the wait is one.
 */
static bool
watch_for(const char *kind, CFMutableDictionaryRef matching,
	  bool (*is_over)(void *context, unsigned events), void *context)
{
	uint64_t deadline = attempt_msec() + DEADLINE_MSEC;
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	io_iterator_t iterator = 0;
	unsigned events = 0;
	bool over = false;

	if (matching == NULL)
		;
	else if (port == NULL)
		CFRelease(matching);
	else if (IOServiceAddMatchingNotification(port, kind, matching, drain, &events,
						  &iterator) == kIOReturnSuccess)
		drain(&(unsigned){0}, iterator);
	while (!(over = is_over(context, events)) && iterator != 0 && await_event(port, deadline))
		;
	if (iterator != 0)
		IOObjectRelease(iterator);
	if (port != NULL)
		IONotificationPortDestroy(port);
	return over;
}

struct named {
	const char *name;
	io_service_t service;
};

static bool
is_there(void *context, unsigned events)
{
	struct named *named = context;

	named->service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(named->name));
	return named->service != 0;
}

io_service_t
attempt_service(const char *name)
{
	struct named named = {.name = name};

	if (!is_there(&named, 0))
		watch_for(kIOMatchedNotification, IOServiceNameMatching(name), is_there, &named);
	return named.service;
}

/* Who hears of its end may still find it for a moment. */
static bool
has_gone(void *context, unsigned events)
{
	io_service_t service = IOServiceGetMatchingService(
		kIOMainPortDefault, IORegistryEntryIDMatching(*(uint64_t *)context));

	if (service != 0)
		IOObjectRelease(service);
	return events > 0 || service == 0;
}

bool
attempt_gone(uint64_t id)
{
	return watch_for(kIOTerminatedNotification, IORegistryEntryIDMatching(id), has_gone, &id);
}

bool
link_open(struct link *link, const char *name)
{
	uint64_t deadline = attempt_msec() + DEADLINE_MSEC;
	kern_return_t status;

	for (;;) {
		uint64_t id = 0;

		link->service = attempt_service(name);
		NAMES(link->service);
		status = IOServiceOpen(link->service, mach_task_self(), 0, &link->connect);
		if (status != kIOReturnNotFound || attempt_msec() >= deadline)
			break;
		/* It is on its way out. */
		TRY(IORegistryEntryGetRegistryEntryID(link->service, &id));
		IOObjectRelease(link->service);
		link->service = 0;
		attempt_gone(id);
	}
	return attempt_tried("IOServiceOpen", status);
}

void
link_close(struct link *link)
{
	if (link->connect != MACH_PORT_NULL)
		IOServiceClose(link->connect);
	if (link->service != MACH_PORT_NULL)
		IOObjectRelease(link->service);
	*link = (struct link){0};
}

bool
attempt_with(const char *name, bool (*use)(io_connect_t connect))
{
	struct link link = {0};
	bool well = link_open(&link, name) && (use == NULL || use(link.connect));

	link_close(&link);
	return well;
}

static bool
at_once(void *context, unsigned events)
{
	return true;
}

/* What is left of waiting for a service is there in each run, whether one had to wait or not. */
static void
watch_once(void)
{
	watch_for(kIOMatchedNotification, IOServiceNameMatching("none"), at_once, NULL);
}

static const struct scenario *
find(const char *name)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct scenario *at = groups[i]; at->name != NULL; at++)
			if (strcmp(at->name, name) == 0)
				return at;
	return NULL;
}

int
main(int argc, char **argv)
{
	const struct scenario *scenario = argc == 3 ? find(argv[1]) : NULL;

	for (size_t i = 0; argc == 1 && i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct scenario *at = groups[i]; at->name != NULL; at++)
			printf("%s %s\n", at->name, at->setting != NULL ? at->setting : "plain");
	if (scenario == NULL)
		return argc == 1 ? 0 : 2;
	for (int round = 0; round < atoi(argv[2]); round++) {
		bool well;

		fired_before = fired();
		well = scenario->run();
		printf("round %d %s fired %u%s%s\n", round, well ? "ok" : "refused", fired(),
		       well ? "" : " ", well ? "" : refused);
		fflush(stdout);
	}
	watch_once();
	printf("done\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
