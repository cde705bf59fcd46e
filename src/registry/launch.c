/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts: starting their processes, hearing what they publish, and what happens when they end.
 *
 * A struct host is one driver instance and outlives its processes. A process is watched through its
 * pidfd (its end) and its control socket (its packets; the end of the socket takes its services out
 * of the tree even while the process lingers). Exit status 0 after START was answered is an end of
 * its own accord; anything else is a crash, and the driver is started again, later each time, until
 * it has crashed `restarts` times without running well in between.
 *
 * The loop has one thread here, and that thread forks: the parent-death signal, which makes hosts
 * end with the registry even when that is killed, is tied to the thread.
 */
#include "registry_private.h"

#include "bounds.h"
#include "clock.h"
#include "log.h"
#include "packet.h"
#include "plist.h"
#include "status.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_FD	 3
#define STOP_PATIENCE	 (2 * NSEC_PER_SEC)
#define RESTART_FIRST	 (100 * NSEC_PER_MSEC)
#define RESTART_LONGEST	 (5 * NSEC_PER_SEC)
#define RAN_WELL	 (30 * NSEC_PER_SEC)
#define PACKETS_PER_TURN 32

static void control_ready(struct loop_source *source, uint32_t events);
static void exit_ready(struct loop_source *source, uint32_t events);
static void timer_fired(struct loop_timer *timer);

static struct host *
host_of_control(struct loop_source *source)
{
	return (struct host *)((char *)source - offsetof(struct host, control_source));
}

static struct host *
host_of_exit(struct loop_source *source)
{
	return (struct host *)((char *)source - offsetof(struct host, exit_source));
}

static void
control_removed(struct loop_source *source)
{
	host_of_control(source)->control_watched = false;
}

static void
exit_removed(struct loop_source *source)
{
	host_of_exit(source)->exit_watched = false;
}

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

static void
arm(struct host *host, uint64_t delay)
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

/* --- starting --- */

/* In the child: only what is allowed after fork. */
static void
become_host(char *const *arguments, int control, pid_t parent)
{
	sigset_t none;
	int null;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Not in the terminal's foreground group: Ctrl-C is for the registry, which stops us. */
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(126);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(126);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(126);
	if (control == CONTROL_FD)
		fcntl(control, F_SETFD, 0);
	else if (dup2(control, CONTROL_FD) < 0)
		_exit(126);
	execv(arguments[0], arguments);
	_exit(127);
}

static IOReturn
spawn(struct host *host)
{
	char number[16];
	char *arguments[] = {host->registry->host_program, "--control", number, NULL};
	pid_t parent = getpid(), child;
	int ends[2];

	snprintf(number, sizeof(number), "%d", CONTROL_FD);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return status_from_errno(errno, "socketpair");
	child = fork();
	if (child == 0)
		become_host(arguments, ends[1], parent);
	fd_close(&ends[1]);
	if (child < 0) {
		fd_close(&ends[0]);
		return status_from_errno(errno, "fork");
	}
	host->pid = child;
	host->control = ends[0];
	host->pidfd = pidfd_open(child, 0); /* not reaped yet, so the number is still its own */
	if (host->pidfd < 0)
		return status_from_errno(errno, "pidfd_open");
	return kIOReturnSuccess;
}

static IOReturn
watch(struct host *host)
{
	struct loop *loop = host->registry->loop;
	IOReturn status;

	assert(!host->control_watched && !host->exit_watched);
	host->control_source = (struct loop_source){
		.fd = host->control,
		.events = EPOLLIN,
		.handler = control_ready,
		.removed = control_removed,
	};
	host->exit_source = (struct loop_source){
		.fd = host->pidfd,
		.events = EPOLLIN,
		.handler = exit_ready,
		.removed = exit_removed,
	};
	status = loop_source_add(loop, &host->control_source);
	if (status != kIOReturnSuccess)
		return status;
	host->control_watched = true;
	status = loop_source_add(loop, &host->exit_source);
	if (status != kIOReturnSuccess)
		return status;
	host->exit_watched = true;
	return kIOReturnSuccess;
}

static OSDictionary *
make_start(const struct host *host)
{
	const struct bundle *bundle = host->personality->bundle;
	const struct device *device = host->device;
	OSDictionary *start = OSDictionaryCreate(8), *described = OSDictionaryCreate(2);
	bool complete = start != NULL && described != NULL;

	complete = complete &&
		   OSDictionarySetStringValue(start, "Executable", bundle->executable) &&
		   OSDictionarySetStringValue(start, "Bundle", bundle->identifier) &&
		   OSDictionarySetValue(start, "Personality", host->personality->properties) &&
		   OSDictionarySetUInt64Value(start, "ProviderID", host->provider->id);
	if (complete && host->interface >= 0)
		complete = OSDictionarySetUInt64Value(start, "InterfaceNumber",
						      (uint64_t)host->interface);
	if (complete && device->kind == DEVICE_VIRTUAL)
		complete = OSDictionarySetStringValue(described, "Backend", "virtual") &&
			   OSDictionarySetStringValue(described, "Spec", device->spec);
	if (complete && device->kind == DEVICE_USB)
		complete = OSDictionarySetStringValue(described, "Backend", "usb");
	if (complete && device->kind != DEVICE_RESOURCES)
		complete = OSDictionarySetValue(start, "Device", described);
	OSSafeReleaseNULL(described);
	if (!complete)
		OSSafeReleaseNULL(start);
	return start;
}

static IOReturn
send_start(struct host *host, int device_fd)
{
	struct packet_header header = {.type = PACKET_HOST_START, .sequence = 1};
	OSDictionary *start = make_start(host);
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status;

	if (start == NULL)
		return kIOReturnNoMemory;
	status = plist_encode(start, &bytes, &length);
	OSRelease(start);
	if (status == kIOReturnSuccess)
		status = packet_send(host->control, &header, bytes, length, &device_fd,
				     device_fd >= 0 ? 1 : 0, false);
	free(bytes);
	return status;
}

/* Ends a process that was only half set up. */
static void
discard(struct host *host)
{
	if (host->control_watched)
		loop_source_remove(host->registry->loop, &host->control_source);
	if (host->exit_watched)
		loop_source_remove(host->registry->loop, &host->exit_source);
	fd_close(&host->control);
	fd_close(&host->pidfd);
	if (host->pid > 0) {
		kill(host->pid, SIGKILL);
		waitpid(host->pid, NULL, 0);
	}
	host->pid = 0;
}

static void
end(struct host *host, enum host_state state)
{
	host->state = state;
	disarm(host);
	if (host->device->kind == DEVICE_USB)
		device_give_back(host->device, host->interface);
	registry_changed(host->registry);
}

void
host_launch(struct host *host)
{
	char name[256];
	IOReturn status;
	int device_fd = -1;

	assert(host->pid == 0);
	host_describe(host, name, sizeof(name));
	host->launched = clock_now();
	host->state = HOST_STARTING;
	status = device_prepare(host->device, host->interface, &device_fd);
	if (status == kIOReturnSuccess)
		status = spawn(host);
	if (status == kIOReturnSuccess)
		status = watch(host);
	if (status == kIOReturnSuccess)
		status = send_start(host, device_fd);
	fd_close(&device_fd);
	if (status == kIOReturnSuccess)
		return;
	log_error("%s could not be launched: %s", name, status_string(status));
	host->start_status = status;
	discard(host);
	end(host, HOST_FAILED);
}

/* --- packets of a host --- */

static void
unpublish(struct host *host)
{
	tree_remove_host(&host->registry->tree, host);
	host->published = 0;
}

static void
close_control(struct host *host)
{
	if (host->control_watched)
		loop_source_remove(host->registry->loop, &host->control_source);
	fd_close(&host->control);
	unpublish(host);
}

static void
started(struct host *host, IOReturn status)
{
	char name[256];

	if (host->state != HOST_STARTING)
		return;
	host_describe(host, name, sizeof(name));
	host->start_status = status;
	if (status == kIOReturnSuccess) {
		host->state = HOST_STARTED;
		log_debug("%s: started", name);
		return;
	}
	log_error("%s: Start failed: %s", name, status_string(status));
	host->state = HOST_FAILED;
	arm(host, STOP_PATIENCE);
}

/* What the registry knows of a service goes over what the driver says of itself. */
static bool
complete_properties(const struct host *host, OSDictionary *properties)
{
	return OSDictionarySetStringValue(properties, "dext_device", host->device->label) &&
	       OSDictionarySetStringValue(properties, "dext_bundle_path",
					  host->personality->bundle->path) &&
	       OSDictionarySetUInt64Value(properties, "dext_host_pid", (uint64_t)host->pid);
}

static IOReturn
publish_properties(struct host *host, const struct publish_body *body, OSDictionary *properties)
{
	struct tree *tree = &host->registry->tree;
	struct entry *entry = tree_find(tree, body->id);
	struct entry *provider = tree_find(tree, body->provider);
	const char *class_name = OSDictionaryGetStringValue(properties, "IOClass");
	IOReturn status;

	if (!complete_properties(host, properties))
		return kIOReturnNoMemory;
	if (entry != NULL)
		return entry->host == host ? tree_replace(entry, properties) : kIOReturnIPCError;
	if (body->id == 0 || provider == NULL ||
	    (provider != host->provider && provider->host != host) ||
	    host->published >= DEXT_LIMIT_SERVICES_HOST)
		return kIOReturnIPCError;
	status = tree_add(tree, body->id, class_name != NULL ? class_name : "IOUserService",
			  properties, provider, host, NULL);
	if (status == kIOReturnSuccess)
		host->published++;
	return status;
}

static IOReturn
publish(struct host *host, const struct packet *packet)
{
	OSDictionary *properties;
	OSObject *object = NULL;
	struct publish_body body;
	IOReturn status;

	memcpy(&body, packet->body, sizeof(body));
	status = plist_decode(packet->body + sizeof(body), packet->body_length - sizeof(body),
			      &object);
	if (status != kIOReturnSuccess)
		return kIOReturnIPCError;
	properties = OSDynamicCast(OSDictionary, object);
	status = properties != NULL ? publish_properties(host, &body, properties)
				    : kIOReturnIPCError;
	OSRelease(object);
	if (status == kIOReturnSuccess)
		log_debug("service 0x%" PRIx64 " was published", body.id);
	return status;
}

static IOReturn
withdraw(struct host *host, const struct packet *packet)
{
	struct entry *entry;
	struct id_body body;

	memcpy(&body, packet->body, sizeof(body));
	entry = tree_find(&host->registry->tree, body.id);
	if (entry == NULL)
		return kIOReturnSuccess; /* it went with its provider */
	if (entry->host != host)
		return kIOReturnIPCError;
	tree_remove(&host->registry->tree, entry);
	host->published = 0;
	for (entry = host->registry->tree.first; entry != NULL; entry = entry->next)
		host->published += entry->host == host;
	return kIOReturnSuccess;
}

static IOReturn
handle(struct host *host, const struct packet *packet)
{
	IOReturn status = packets_check(packet, PACKET_CONTROL_REPLY);

	if (status != kIOReturnSuccess)
		return status;
	switch (packet->header->type) {
	case PACKET_HOST_STARTED:
		started(host, packet->header->status);
		return kIOReturnSuccess;
	case PACKET_HOST_PUBLISH:
		return publish(host, packet);
	case PACKET_HOST_UNPUBLISH:
		return withdraw(host, packet);
	default:
		return kIOReturnIPCError;
	}
}

/* Takes up to `most` packets. Not success: there is nothing more to come on this socket. */
static IOReturn
take_packets(struct host *host, unsigned most)
{
	struct packet *packet = &host->registry->packet;
	char name[256];

	for (unsigned i = 0; i < most; i++) {
		IOReturn status = packet_receive(host->control, packet, false);

		if (status == kIOReturnNotReady)
			return kIOReturnSuccess;
		if (status == kIOReturnSuccess) {
			status = handle(host, packet);
			packet_close_fds(packet);
		}
		if (status == kIOReturnOffline)
			return status;
		if (status != kIOReturnSuccess) {
			host_describe(host, name, sizeof(name));
			log_error("%s: its host broke the protocol (%s) and is ended", name,
				  status_string(status));
			kill(host->pid, SIGKILL);
			return status;
		}
	}
	return kIOReturnSuccess;
}

static void
control_ready(struct loop_source *source, uint32_t events)
{
	struct host *host = host_of_control(source);

	if (host->control < 0)
		return;
	if (take_packets(host, PACKETS_PER_TURN) != kIOReturnSuccess) {
		close_control(host);
		if (host->pid > 0 && !host->timer_armed)
			arm(host, STOP_PATIENCE);
	}
	registry_changed(host->registry);
}

/* --- the end of a process --- */

static void
reap(struct host *host, siginfo_t *info)
{
	memset(info, 0, sizeof(*info));
	while (waitid(P_PIDFD, (id_t)host->pidfd, info, WEXITED) < 0 && errno == EINTR)
		;
	if (host->exit_watched)
		loop_source_remove(host->registry->loop, &host->exit_source);
	fd_close(&host->pidfd);
	host->pid = 0;
}

static void
crashed(struct host *host, const siginfo_t *info)
{
	uint64_t delay = RESTART_FIRST;
	char name[256], how[64];

	host_describe(host, name, sizeof(name));
	if (info->si_code == CLD_EXITED)
		snprintf(how, sizeof(how), "ended with status %d", info->si_status);
	else
		snprintf(how, sizeof(how), "was killed by signal %d (%s)", info->si_status,
			 sigabbrev_np(info->si_status) != NULL ? sigabbrev_np(info->si_status)
							       : "?");
	if (clock_now() - host->launched > RAN_WELL)
		host->crashes = 0;
	host->crashes++;
	if (host->crashes > host->registry->restarts ||
	    (info->si_code == CLD_EXITED && info->si_status == 127)) {
		log_error("%s: its host %s, the %u. time; giving up: no service of it until the "
			  "registry is started again",
			  name, how, host->crashes);
		end(host, HOST_FAILED);
		return;
	}
	for (unsigned i = 1; i < host->crashes && delay < RESTART_LONGEST; i++)
		delay *= 2;
	log_error("%s: its host %s; starting it again in %u ms (%u of %u)", name, how,
		  (unsigned)(delay / NSEC_PER_MSEC), host->crashes, host->registry->restarts);
	host->state = HOST_IDLE;
	arm(host, delay);
	registry_changed(host->registry);
}

static void
exit_ready(struct loop_source *source, uint32_t events)
{
	struct host *host = host_of_exit(source);
	enum host_state state;
	siginfo_t info;

	if (host->pid == 0)
		return;
	/* What it sent before it died still counts: the status of Start above all. */
	if (host->control >= 0)
		take_packets(host, UINT32_MAX);
	close_control(host);
	reap(host, &info);
	disarm(host);
	state = host->state;
	if (state == HOST_FAILED || state == HOST_STOPPING || host->registry->stopping)
		end(host, state == HOST_FAILED ? HOST_FAILED : HOST_ENDED);
	else if (state == HOST_STARTED && info.si_code == CLD_EXITED && info.si_status == 0)
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
		kill(host->pid, SIGKILL);
	} else if (host->state == HOST_IDLE && !host->registry->stopping) {
		host_launch(host);
		registry_changed(host->registry);
	}
}

/* --- */

IOReturn
host_create(struct registry *registry, const struct personality *personality, struct device *device,
	    struct entry *provider)
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
	for (last = &registry->hosts; *last != NULL; last = &(*last)->next)
		;
	*last = host;
	return kIOReturnSuccess;
}

void
host_stop(struct host *host)
{
	struct packet_header header = {.type = PACKET_HOST_STOP};

	if (host->pid == 0) {
		if (host->state != HOST_FAILED)
			end(host, HOST_ENDED);
		return;
	}
	if (host->state != HOST_FAILED)
		host->state = HOST_STOPPING;
	if (host->control >= 0)
		packet_send(host->control, &header, NULL, 0, NULL, 0, false);
	if (!host->timer_armed)
		arm(host, STOP_PATIENCE);
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
	discard(host);
	unpublish(host);
	free(host);
}
