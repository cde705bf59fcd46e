/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host process: START, the provider, the driver, and the end.
 *
 * START is read before any thread runs, so that the log has its name; then the loop runs, and the
 * driver is started from one of its threads, since its Start may need others. The host ends when
 * the driver has stopped, for whatever reason: STOP, the control socket's end, the device's, or its
 * own Terminate, and the apps have all completions that waited for them. If the stop takes longer
 * than END_GRACE the process ends all the same; for the apps it waits TAKE_GRACE, or ASKED_GRACE
 * where the registry has asked, which waits for the process in turn.
 *
 * The registry's death is seen as the end of the control socket; where the registry set a
 * parent-death signal before it started this process, that comes as well and is quicker. A control
 * socket that somebody keeps for the next registry does not end, and nothing happens here.
 *
 * The sandbox is entered when START is there and the descriptors of the loop, before the first
 * thread and before anything of the driver.
 */
#include "host_control.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bound_settings.h"
#include "budget.h"
#include "bundle.h"
#include "clock.h"
#include "closing.h"
#include "connection.h"
#include "fault.h"
#include "fence.h"
#include "hang.h"
#include "log.h"
#include "places.h"
#include "plist.h"
#include "recorder.h"
#include "sandbox.h"
#include "service.h"
#include "status.h"
#include "witness.h"

#define HOST_THREADS 2
#define END_GRACE    (5 * NSEC_PER_SEC)
#define TAKE_GRACE   (5 * NSEC_PER_SEC)
#define ASKED_GRACE  (1 * NSEC_PER_SEC)

static struct {
	const struct host_inside *inside;	      /* [const] NULL: a process of its own */
	struct loop *loop;			      /* [const] while the loop runs */
	const struct host_provider *provider_methods; /* [const] */
	OSDictionary *start;			      /* [const] */
	struct bundle *bundle; /* [start_task] never unloaded: its code may run to the last */
	struct fd_list files;  /* [start_task] of the device, which came with START */
	struct loop_task start_task, end_task;
	struct loop_timer deadline, taking;
	pthread_mutex_t lock;
	IOService *provider; /* [lock] +1 */
	IOService *root;     /* [lock] +1; NULL before it is made */
	bool stopping;	     /* [lock] told to stop, perhaps before there is a root */
	bool unplugged;	     /* [lock] the device is to go, perhaps before there is one */
	bool gone;	     /* [lock] the device has; the registry was told, or is being told */
	bool asked;	     /* [lock] by the registry */
	bool ending;	     /* [lock] the driver has stopped; for the apps there is `taking` */
	bool deadline_armed; /* [lock] */
	int status;	     /* [lock] of the process */
} host = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct loop *
host_loop(void)
{
	return host.loop;
}

/* --- the end --- */

static void
give_up(int number)
{
	static const char line[] = "dext-host: a method of the driver has not returned; the "
				   "process ends without it\n";

	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

/*
 * A method of the driver that never returns keeps one of the loop's threads, which may be the one
 * that cleans up.
 */
static void
end_loop(void)
{
	if (host.inside == NULL) {
		signal(SIGALRM, give_up);
		alarm((unsigned)(END_GRACE / NSEC_PER_SEC));
	}
	loop_stop(host.loop);
}

static void
take_no_more(struct loop_timer *timer)
{
	connections_abandon();
}

static void
take_within(uint64_t grace)
{
	host.taking.fired = take_no_more;
	loop_timer_arm(host.loop, &host.taking, clock_now() + grace);
}

static void
run_end(struct loop_task *task)
{
	bool asked;

	pthread_mutex_lock(&host.lock);
	host.ending = true;
	asked = host.asked;
	pthread_mutex_unlock(&host.lock);
	loop_timer_cancel(host.loop, &host.deadline);
	if (host.provider != NULL) {
		loop_will_block(host.loop);
		host.provider_methods->close(host.provider);
		loop_did_block(host.loop);
	}
	if (connections_await(end_loop))
		take_within(asked ? ASKED_GRACE : TAKE_GRACE);
	else
		end_loop();
}

/* The driver has stopped, or was never made. */
static void
finish(void *context)
{
	host.end_task.run = run_end;
	loop_post(host.loop, &host.end_task);
}

static void
too_late(struct loop_timer *timer)
{
	if (host.inside != NULL)
		log_abort("the driver's Stop has not ended");
	log_error("the driver's Stop has not ended; the process ends without it");
	_exit(EXIT_FAILURE);
}

static void
stop(void)
{
	IOService *root;
	bool arm;

	pthread_mutex_lock(&host.lock);
	host.stopping = true;
	root = host.root;
	OSRetain(root);
	arm = !host.deadline_armed && !host.ending &&
	      (host.inside == NULL || !host.inside->patient);
	host.deadline_armed |= arm;
	pthread_mutex_unlock(&host.lock);
	if (arm) {
		host.deadline.fired = too_late;
		loop_timer_arm(host.loop, &host.deadline, clock_now() + END_GRACE);
	}
	if (root != NULL)
		service_terminate(root);
	OSRelease(root);
}

void
host_stop(void)
{
	bool ending;

	pthread_mutex_lock(&host.lock);
	host.asked = true;
	ending = host.ending;
	pthread_mutex_unlock(&host.lock);
	if (ending)
		take_within(ASKED_GRACE);
	stop();
}

void
host_fail(void)
{
	pthread_mutex_lock(&host.lock);
	host.status = EXIT_FAILURE;
	pthread_mutex_unlock(&host.lock);
	host_stop();
}

void
host_unplug(void)
{
	IOService *provider;

	pthread_mutex_lock(&host.lock);
	host.unplugged = true;
	provider = host.provider;
	OSRetain(provider);
	pthread_mutex_unlock(&host.lock);
	if (provider != NULL && host.provider_methods->unplug != NULL)
		host.provider_methods->unplug(provider);
	OSRelease(provider);
}

bool
host_is_gone(void)
{
	bool gone;

	pthread_mutex_lock(&host.lock);
	gone = host.gone;
	pthread_mutex_unlock(&host.lock);
	return gone;
}

void
host_provider_gone(IOService *provider)
{
	bool known;

	pthread_mutex_lock(&host.lock);
	known = host.gone;
	host.gone = true;
	pthread_mutex_unlock(&host.lock);
	if (known)
		return;
	control_send_gone();
	stop();
}

/* --- the beginning --- */

static const OSMetaClass *
find_class(const struct bundle *bundle, const OSDictionary *personality)
{
	const char *name = OSDictionaryGetStringValue(personality, "IOUserClass");
	const OSMetaClass *metaclass;

	if (name == NULL) {
		log_error("Info.plist: the personality has no IOUserClass");
		return NULL;
	}
	metaclass = bundle_find_class(bundle, name);
	for (const OSMetaClass *at = metaclass; at != NULL; at = at->superclass)
		if (at == OSTypeID(IOService))
			return metaclass;
	if (metaclass != NULL)
		log_error("Info.plist: IOUserClass: %s is no subclass of IOService", name);
	return NULL;
}

/* The driver object, not started. */
static IOReturn
make_driver(IOService *provider, IOService **ret_root)
{
	const char *path = OSDictionaryGetStringValue(host.start, "Executable");
	const char *identifier = OSDictionaryGetStringValue(host.start, "Bundle");
	OSDictionary *personality =
		OSDynamicCast(OSDictionary, OSDictionaryGetValue(host.start, "Personality"));
	const OSMetaClass *metaclass;
	struct bundle *bundle = NULL;
	IODispatchQueue *queue = NULL;
	IOReturn res;

	if (personality == NULL) {
		log_error("START has no Personality");
		return kIOReturnBadArgument;
	}
	if (identifier == NULL)
		identifier = "";
	if (host.inside != NULL && host.inside->classes != NULL)
		res = bundle_create(host.inside->classes, path, identifier, &bundle);
	else
		res = bundle_load(path, identifier, &bundle);
	if (res != kIOReturnSuccess)
		return res;
	/* Not unloaded on failure either: nobody looks whether its code still runs. */
	host.bundle = bundle;
	witness_know(bundle_info(bundle));
	fault_note_modules();
	metaclass = find_class(bundle, personality);
	if (metaclass == NULL)
		return kIOReturnNotFound;
	res = queue_create(metaclass->name, &queue);
	if (res == kIOReturnSuccess)
		res = service_create(metaclass, provider, personality, bundle, queue, ret_root);
	OSRelease(queue);
	return res;
}

/* Whether it may be started: nobody has asked to stop meanwhile. */
static bool
set_root(IOService *root)
{
	bool go;

	service_watch(root, NULL, finish, NULL);
	pthread_mutex_lock(&host.lock);
	host.root = root;
	go = !host.stopping;
	pthread_mutex_unlock(&host.lock);
	return go;
}

static IOReturn
start(bool *ret_root_made)
{
	IOService *provider = NULL, *root = NULL;
	bool unplugged;
	IOReturn res;

	res = host.provider_methods->create(host.start, &host.files, host.loop, &provider);
	fd_list_close(&host.files);
	if (res != kIOReturnSuccess) {
		log_error("the provider: %s", status_string(res));
		return res;
	}
	pthread_mutex_lock(&host.lock);
	host.provider = provider;
	unplugged = host.unplugged;
	pthread_mutex_unlock(&host.lock);
	if (unplugged)
		host_unplug();
	res = make_driver(provider, &root);
	if (res != kIOReturnSuccess)
		return res;
	*ret_root_made = true;
	if (!set_root(root)) {
		service_terminate(root);
		return kIOReturnAborted;
	}
	res = service_start(root);
	if (res != kIOReturnSuccess)
		log_error("%s: Start: %s", OSObject_GetClassName(root), status_string(res));
	return res;
}

static void
run_start(struct loop_task *task)
{
	bool root_made = false;
	IOReturn res;

	loop_will_block(host.loop);
	res = start(&root_made);
	loop_did_block(host.loop);
	if (res != kIOReturnSuccess) {
		pthread_mutex_lock(&host.lock);
		host.status = EXIT_FAILURE;
		pthread_mutex_unlock(&host.lock);
	}
	control_send_started(res);
	if (!root_made)
		finish(NULL);
}

/* --- the process --- */

/*
 * A registry of another user has given this process one of its own. Then nobody else may look into
 * it, and no user takes all its places; the user's own processes stay open to debuggers and
 * sanitizers.
 */
static IOReturn
hide_from_others(int control_socket)
{
	struct ucred registry;
	socklen_t length = sizeof(registry);

	if (getsockopt(control_socket, SOL_SOCKET, SO_PEERCRED, &registry, &length) < 0)
		return status_from_errno(errno, "SO_PEERCRED");
	if (registry.uid == geteuid())
		return kIOReturnSuccess;
	places_share();
	return sandbox_hide();
}

static IOReturn
set_up_process(void)
{
	struct rlimit files;

	closing_begin();
	signal(SIGPIPE, SIG_IGN);
	/* The terminal's interrupt is for whoever started the host, and reaches it as STOP. */
	signal(SIGINT, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			log_info("the limit of open files stays as it is");
	}
	return kIOReturnSuccess;
}

static IOReturn
set_up_loop(void)
{
	IODispatchQueue *populating = NULL;
	uint64_t provider_id = 0;
	IOReturn res = loop_create(&host.loop);

	if (res != kIOReturnSuccess)
		return res;
	queue_set_loop(host.loop);
	if (host.inside == NULL)
		loop_set_signal_stacks(host.loop);
	spinning_start(host.loop);
	res = queue_create("populating", &populating);
	if (res != kIOReturnSuccess)
		return res;
	maps_populate_on(populating);
	OSRelease(populating);
	OSDictionaryGetUInt64Value(host.start, "ProviderID", &provider_id);
	services_set(host.loop, &control_publisher, provider_id);
	host.start_task.run = run_start;
	loop_post(host.loop, &host.start_task);
	return control_listen(host.loop);
}

/* A quarter is for what is not counted: the driver's own, and the kernel's for files and maps. */
static void
set_budget(void)
{
	uint64_t most = 0;

	OSDictionaryGetUInt64Value(host.start, "MemoryMax", &most);
	budget_set(most - most / 4);
}

/* PROTOCOL.md 3: the level that START names. */
static IOReturn
enter_sandbox(void)
{
	const char *name = OSDictionaryGetStringValue(host.start, "Sandbox");
	const char *bundle = OSDictionaryGetStringValue(host.start, "BundlePath");
	const char *executable = OSDictionaryGetStringValue(host.start, "Executable");
	enum sandbox_level level;

	if (name == NULL || bundle == NULL || executable == NULL ||
	    !sandbox_level_of(name, &level)) {
		log_error("START has no %s, or one that is not known",
			  executable == NULL ? "Executable"
			  : bundle == NULL   ? "BundlePath"
					     : "Sandbox");
		return kIOReturnBadArgument;
	}
	return sandbox_enter(level, bundle, executable);
}

/*
 * After the loop has stopped. Its threads end first: the one that started the driver may still be
 * on its way out, if the driver terminated itself in its Start.
 */
static void
clean_up(void)
{
	if (host.loop != NULL) {
		hang_stop();
		loop_destroy(host.loop);
		spinning_stop();
		if (host.inside == NULL)
			alarm(0);
	}
	host.loop = NULL;
	maps_populate_on(NULL);
	recorder_close();
	control_close();
	OSSafeReleaseNULL(host.root);
	OSSafeReleaseNULL(host.provider);
	OSSafeReleaseNULL(host.start);
	fd_list_close(&host.files);
	services_set(NULL, NULL, 0);
	if (host.inside != NULL) {
		queue_set_loop(NULL);
		bundle_destroy(host.bundle);
		host.bundle = NULL;
	}
}

static OSDictionary *
personality(void)
{
	return OSDynamicCast(OSDictionary, OSDictionaryGetValue(host.start, "Personality"));
}

/* ns; 0: the driver is not watched. */
static uint64_t
method_bound(void)
{
	uint64_t msec = HANG_BOUND_MSEC;

	if (personality() != NULL)
		(void)OSDictionaryGetUInt64Value(personality(), "DextMethodMilliseconds", &msec);
	return (msec < UINT32_MAX ? msec : UINT32_MAX) * NSEC_PER_MSEC;
}

/* What is the process's own, before START and after it. */
static IOReturn
prepare_process(int control_socket)
{
	IOReturn res;

	if (host.inside != NULL)
		return kIOReturnSuccess;
	res = set_up_process();
	log_set_level(LOG_LEVEL_INFO);
	log_set_name("dext-host");
	fault_explain();
	/* For rings: as long as there is one thread it costs nothing. */
	fence_join();
	return res == kIOReturnSuccess ? hide_from_others(control_socket) : res;
}

static IOReturn
confine_process(void)
{
	IOReturn res;

	if (host.inside != NULL)
		return kIOReturnSuccess;
	/* The signals of a program that has a host inside are its own. */
	hang_start(host.loop, method_bound());
	res = enter_sandbox();
	if (res != kIOReturnSuccess)
		control_send_started(res);
	return res;
}

static int
run_take(int control_socket, const struct host_provider *provider)
{
	IOReturn res = prepare_process(control_socket);

	host.provider_methods = provider;
	control_open_take(control_socket);
	if (res == kIOReturnSuccess)
		res = control_receive_start(&host.start, &host.files);
	if (res == kIOReturnSuccess) {
		const char *name = OSDictionaryGetStringValue(host.start, "Bundle");

		if (name != NULL)
			log_set_name(name);
		limits_set(personality());
		set_budget();
		res = set_up_loop();
	}
	if (res == kIOReturnSuccess)
		res = confine_process();
	if (res == kIOReturnSuccess)
		res = loop_run(host.loop, HOST_THREADS);
	if (res != kIOReturnSuccess) {
		log_error("the host ends: %s", status_string(res));
		host.status = EXIT_FAILURE;
	}
	clean_up();
	return host.status;
}

int
host_run_take(int control_socket, const struct host_provider *provider)
{
	return run_take(control_socket, provider);
}

/* What a host before has left; its threads have ended. */
static void
forget(void)
{
	host.stopping = host.unplugged = host.gone = host.asked = false;
	host.ending = host.deadline_armed = false;
	host.status = EXIT_SUCCESS;
}

int
host_run_inside_take(int control_socket, const struct host_provider *provider,
		     const struct host_inside *inside)
{
	int status;

	forget();
	host.inside = inside;
	status = run_take(control_socket, provider);
	host.inside = NULL;
	return status;
}
