/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts: when they are started, stopped and started again, and what happens when they end.
 *
 * A struct host is one driver instance and outlives its processes. Exit status 0 after START was
 * answered and all services were withdrawn is an end of its own accord; anything else is a crash,
 * and the driver is started again, later each time, until it has crashed `restarts` times without
 * running well in between.
 *
 * The host's one timer is either its restart, without a process, or the end of its patience with a
 * process that does not end. The registry's one thread.
 *
 * Left out: the process itself (launch_process.c) and what it sends (launch_packets.c).
 */
#include "launch_private.h"

#include "clock.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define RESTART_FIRST	(100 * NSEC_PER_MSEC)
#define RESTART_LONGEST (5 * NSEC_PER_SEC)
#define RAN_WELL	(30 * NSEC_PER_SEC)
#define LAST_PACKETS	16384u /* more than a socket holds */

static void timer_fired(struct loop_timer *timer);

void
host_describe(const struct host *host, char *text, size_t size)
{
	const struct personality *personality = host->personality;
	char interface[32] = "";

	if (host->interface >= 0)
		snprintf(interface, sizeof(interface), ", interface %d", host->interface);
	if (host->device->kind == DEVICE_RESOURCES)
		snprintf(text, size, "driver %s (%s)", personality->user_class,
			 personality->bundle->identifier);
	else
		snprintf(text, size, "driver %s (%s) on %s%s", personality->user_class,
			 personality->bundle->identifier, host->device->label, interface);
}

void
host_arm(struct host *host, uint64_t delay)
{
	host->timer.fired = timer_fired;
	host->timer_armed = true;
	loop_timer_arm(host->registry->loop, &host->timer, clock_now() + delay);
}

static void
disarm(struct host *host)
{
	if (host->timer_armed)
		loop_timer_cancel(host->registry->loop, &host->timer);
	host->timer_armed = false;
}

static void
end(struct host *host, enum host_state state)
{
	host->state = state;
	disarm(host);
	if (host->personality->bundle->retired) /* perhaps to a successor */
		plug_sweep(host->registry);
	else if (host->device->kind == DEVICE_USB)
		device_give_back(host->device, host->interface);
	if (host->device->going)
		plug_sweep(host->registry);
	registry_changed(host->registry);
}

uint64_t
host_restart_delay(unsigned crashes)
{
	uint64_t delay = RESTART_FIRST;

	for (unsigned i = 1; i < crashes && delay < RESTART_LONGEST; i++)
		delay *= 2;
	return delay < RESTART_LONGEST ? delay : RESTART_LONGEST;
}

/* After a while, which gets longer; false: it was too often, or would be in vain. */
static bool
start_again(struct host *host, const char *name, const char *how, bool in_vain)
{
	uint64_t delay;

	snprintf(host->reason, sizeof(host->reason), "its host %s", how);
	if (clock_now() - host->launched > RAN_WELL)
		host->crashes = 0;
	host->crashes++;
	if (host->crashes > host->registry->restarts || in_vain) {
		log_error("%s: its host %s, the %u. time; giving up: no service of it until the "
			  "registry is started again",
			  name, how, host->crashes);
		host_log_note(host, "given up: %s, the %u. time", host->reason, host->crashes);
		reports_keep_crash(host);
		return false;
	}
	delay = host_restart_delay(host->crashes);
	log_error("%s: its host %s; starting it again in %u ms (%u of %u)", name, how,
		  (unsigned)(delay / NSEC_PER_MSEC), host->crashes, host->registry->restarts);
	host_log_note(host, "crashed: %s; starting it again in %u ms (%u of %u)", host->reason,
		      (unsigned)(delay / NSEC_PER_MSEC), host->crashes, host->registry->restarts);
	reports_keep_crash(host);
	host->state = HOST_IDLE;
	host_arm(host, delay);
	registry_changed(host->registry);
	return true;
}

void
host_launch(struct host *host)
{
	OSDictionary *start = host_make_start(host);
	struct fd_list files = {.count = 0};
	char name[256], how[80];
	IOReturn status;
	bool in_vain;

	assert(host->pid == 0);
	host_describe(host, name, sizeof(name));
	host->launched = clock_now();
	host->state = HOST_STARTING;
	status = start != NULL ? identity_give(host) : kIOReturnNoMemory;
	in_vain = start != NULL && status != kIOReturnSuccess;
	if (status == kIOReturnSuccess)
		status = device_prepare(host->device, host->interface, &files);
	if (status == kIOReturnSuccess)
		status = host_spawn(host);
	if (status == kIOReturnSuccess)
		keep_host(host, start);
	if (status == kIOReturnSuccess)
		status = limit_begin(host);
	if (status == kIOReturnSuccess)
		status = host_watch(host);
	if (status == kIOReturnSuccess)
		status = host_send_start(host, start, &files);
	OSSafeReleaseNULL(start);
	fd_list_close(&files);
	if (status == kIOReturnSuccess)
		return;
	/* What is missing may be there again soon. */
	if (!in_vain && (status == kIOReturnNoMemory || status == kIOReturnNoResources)) {
		snprintf(how, sizeof(how), "could not be launched (%.48s)", status_string(status));
		host_discard(host);
		if (!start_again(host, name, how, false))
			end(host, HOST_FAILED);
		return;
	}
	log_error("%s could not be launched: %s", name, status_string(status));
	snprintf(host->reason, sizeof(host->reason), "its host could not be launched: %s",
		 status_string(status));
	host_log_note(host, "given up: %s", host->reason);
	host->start_status = status;
	host_discard(host);
	end(host, HOST_FAILED);
}

/* --- the end of a process --- */

static void
crashed(struct host *host, const siginfo_t *info)
{
	char name[256], how[80];

	host_describe(host, name, sizeof(name));
	if (info->si_code == CLD_EXITED && info->si_status == EXIT_NO_USER)
		snprintf(how, sizeof(how), "could not become the user %u", host->uid);
	else if (host->adopted)
		snprintf(how, sizeof(how), "has ended");
	else if (info->si_code == CLD_EXITED)
		snprintf(how, sizeof(how), "ended with status %d", info->si_status);
	else
		snprintf(how, sizeof(how), "was killed by signal %d (%s)", info->si_status,
			 sigabbrev_np(info->si_status) != NULL ? sigabbrev_np(info->si_status)
							       : "?");
	if (!start_again(host, name, how,
			 info->si_code == CLD_EXITED &&
				 (info->si_status == EXIT_NO_USER || info->si_status == 127)))
		end(host, HOST_FAILED);
}

/* As on macOS: of a category the next candidate gets the provider that the last would not have. */
static void
try_next(struct host *host)
{
	char name[256];

	host->personality =
		matching_next(host->registry->bundles, host->provider, host->personality);
	host->crashes = 0;
	host_describe(host, name, sizeof(name));
	log_info("%s is tried next", name);
	host->state = HOST_IDLE;
	/* Not from here: the last process's sources are on their way out of the loop. */
	host_arm(host, 0);
}

/*
 * PROTOCOL.md 3: it withdraws everything before it ends of its own accord. A driver that calls
 * exit(0) has not. One that came back has no exit status.
 */
static bool
ended_well(const struct host *host, const siginfo_t *info)
{
	return host->withdrew &&
	       (host->adopted || (info->si_code == CLD_EXITED && info->si_status == 0));
}

void
host_exit_ready(struct loop_source *source, uint32_t events)
{
	struct host *host = host_of_exit(source);
	enum host_state state;
	siginfo_t info;

	if (host->pid == 0)
		return;
	/*
	 * What it sent before it died still counts: the status of Start above all. Not without end:
	 * its socket may be somebody else's too by now, who sends on.
	 */
	if (host->control >= 0)
		host_take_packets(host, LAST_PACKETS);
	host_close_control(host);
	host_reap(host, &info);
	disarm(host);
	state = host->state;
	if (state == HOST_YIELDING && !host->registry->stopping)
		try_next(host);
	else if (state == HOST_FAILED || state == HOST_STOPPING || host->registry->stopping)
		end(host, state == HOST_FAILED ? HOST_FAILED : HOST_ENDED);
	else if (state == HOST_STARTED && ended_well(host, &info))
		end(host, HOST_ENDED);
	else
		crashed(host, &info);
}

static void
timer_fired(struct loop_timer *timer)
{
	struct host *host = (struct host *)((char *)timer - offsetof(struct host, timer));
	char name[256];

	if (!host->timer_armed)
		return;
	host->timer_armed = false;
	if (host->pid > 0) {
		host_describe(host, name, sizeof(name));
		log_error("%s: its host does not end and is killed", name);
		host_kill(host);
	} else if (host->state == HOST_IDLE && !host->registry->stopping) {
		host_launch(host);
		registry_changed(host->registry);
	}
}

/* --- */

IOReturn
host_create(struct registry *registry, const struct personality *personality, struct device *device,
	    struct entry *provider, struct host **ret_host)
{
	struct host *host = calloc(1, sizeof(*host)), **last;
	uint64_t interface;

	if (host == NULL)
		return kIOReturnNoMemory;
	host->registry = registry;
	host->personality = personality;
	host->device = device;
	host->provider = provider;
	host->interface = -1;
	if (OSDictionaryGetUInt64Value(provider->properties, "bInterfaceNumber", &interface))
		host->interface = (int)interface;
	host->pidfd = -1;
	host->control = -1;
	host->record = -1;
	host->log.pipe = -1;
	host->number = ++registry->last_host;
	for (last = &registry->hosts; *last != NULL; last = &(*last)->next)
		;
	*last = host;
	if (ret_host != NULL)
		*ret_host = host;
	return kIOReturnSuccess;
}

IOReturn
host_adopt_take(struct host *host, const struct host_process *process)
{
	assert(host->pid == 0);
	host->state = HOST_ADOPTED;
	host->adopted = host->outlives = true;
	host->launched = clock_now();
	/* Later than any number of the registry before, which counted from an earlier time. */
	host->first_setting = host->last_setting = host->launched;
	host->uid = process->uid;
	host->pid = process->pid;
	host->control = process->control;
	host->pidfd = process->pidfd;
	host->record = process->record;
	host->log.pipe = process->log;
	snprintf(host->kept, sizeof(host->kept), "%s", process->kept);
	return host_watch(host);
}

void
host_ask(struct host *host)
{
	struct packet_header header = {.type = PACKET_HOST_LIST};

	host->asked = true;
	packet_send(host->control, &header, NULL, 0, NULL, 0, false);
}

/* Its process, if there is one, is told by this packet that it is to end. */
static void
tell_to_end(struct host *host, uint16_t type, uint64_t patience)
{
	struct packet_header header = {.type = type};

	if (host->pid == 0) {
		if (host->state != HOST_FAILED)
			end(host, HOST_ENDED);
		return;
	}
	if (host->state != HOST_FAILED)
		host->state = HOST_STOPPING;
	if (host->control >= 0)
		packet_send(host->control, &header, NULL, 0, NULL, 0, false);
	host_arm(host, patience);
}

void
host_stop(struct host *host)
{
	tell_to_end(host, PACKET_HOST_STOP, HOST_STOP_PATIENCE);
}

void
host_unplug(struct host *host)
{
	tell_to_end(host, PACKET_HOST_UNPLUG, HOST_UNPLUG_PATIENCE);
}

bool
host_is_over(const struct host *host)
{
	return (host->state == HOST_FAILED || host->state == HOST_ENDED) && host->pid == 0 &&
	       !host->control_watched && !host->exit_watched && !host->log.watched &&
	       !host->timer_armed;
}

IOReturn
host_open(struct host *host, const struct host_open_body *body, int connection, int pidfd)
{
	struct packet_header header = {.type = PACKET_HOST_OPEN};
	int fds[] = {connection, pidfd};

	if (host->control < 0 || host->state != HOST_STARTED)
		return kIOReturnNotFound;
	return packet_send(host->control, &header, body, sizeof(*body), fds, 2, false);
}

void
host_destroy(struct host *host)
{
	disarm(host);
	host_discard(host);
	settings_end(host);
	host_unpublish(host);
	host_log_free(host);
	reports_forget_crash(host);
	free(host);
}
