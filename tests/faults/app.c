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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mach/mach.h>

/* Of the shim, if it is there: how often a fault has happened. */
__attribute__((weak)) uint32_t faults_fired(void);

static const struct scenario *const groups[] = {
	scenarios_calls, scenarios_memory,  scenarios_events,	scenarios_local,
	scenarios_words, scenarios_devices, scenarios_registry, scenarios_loops,
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

io_service_t
attempt_service(const char *name)
{
	uint64_t deadline = attempt_msec() + DEADLINE_MSEC;
	io_service_t service;

	for (;;) {
		service = IOServiceGetMatchingService(kIOMainPortDefault,
						      IOServiceNameMatching(name));
		if (service != MACH_PORT_NULL || attempt_msec() >= deadline)
			return service;
		usleep(2000);
	}
}

bool
link_open(struct link *link, const char *name)
{
	uint64_t deadline = attempt_msec() + DEADLINE_MSEC;
	kern_return_t status;

	for (;;) {
		link->service = attempt_service(name);
		NAMES(link->service);
		status = IOServiceOpen(link->service, mach_task_self(), 0, &link->connect);
		/* It was on its way out. */
		if (status != kIOReturnNotFound || attempt_msec() >= deadline)
			break;
		IOObjectRelease(link->service);
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
	printf("done\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
