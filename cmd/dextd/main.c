/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dextd: the registry as a daemon. The same registry as in `dext run`; here are its other edges:
 * the folders of bundles, devices by hot-plug, the place of its socket, and what systemd is told.
 *
 * One thread, the loop's: hosts get a parent-death signal, which is tied to the thread that forks.
 */
#include "dextd.h"

#include "closing.h"
#include "folders.h"
#include "hotplug.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "packet.h"
#include "program.h"
#include "status.h"
#include "store.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define RESTARTS	 10
#define READY_TRIES	 5
#define READY_PAUSE_MSEC 20

struct dextd {
	struct dextd_options options;
	int place;
	struct loop *loop;
	struct registry *registry;
	struct folders *folders;
	struct hotplug *hotplug;
	struct store *store;
	struct loop_source signals;
	bool ready, stopping;
};

/* What stands between a driver and the rest of the machine, in one line. */
static void
log_isolation(const struct dextd_options *options)
{
	if (options->first_uid != 0)
		log_info("isolation: sandbox %s; each driver has a user of its own, %u to %u",
			 sandbox_level_name(options->sandbox), options->first_uid,
			 options->last_uid);
	else
		log_info(
			"isolation: sandbox %s; drivers run as uid %u, as this process does, which "
			"protects from accidents, not from malice of that user's programs",
			sandbox_level_name(options->sandbox), geteuid());
}

/* Apps are served from now on: at once, or when the hosts that came back have said what they serve.
 */
/* A service manager that does not hear it takes the daemon for one that hangs. */
static void
tell_ready(void)
{
	for (unsigned i = 0; i < READY_TRIES; i++) {
		if (!notify_is_heard() || notify_with("READY=1", NULL, 0))
			return;
		poll(NULL, 0, READY_PAUSE_MSEC);
	}
}

static void
announce(struct dextd *dextd)
{
	IOReturn state = registry_state(dextd->registry);

	if (dextd->ready || state == kIOReturnNotReady)
		return;
	dextd->ready = true;
	if (state != kIOReturnSuccess) {
		loop_stop(dextd->loop);
		return;
	}
	log_isolation(&dextd->options);
	log_info("ready: apps find it in %s", dextd->options.runtime_dir);
	tell_ready();
}

/* The registry's state has changed; when all hosts have ended after a stop, so does this. */
static void
changed(void *context)
{
	struct dextd *dextd = context;
	struct registry_summary summary;

	if (!dextd->stopping) {
		announce(dextd);
		return;
	}
	summary = registry_summary(dextd->registry);
	if (summary.ended == summary.hosts)
		loop_stop(dextd->loop);
}

static void
signalled(struct loop_source *source, uint32_t events)
{
	struct dextd *dextd = (struct dextd *)((char *)source - offsetof(struct dextd, signals));
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info) || dextd->stopping)
		return;
	notify("STOPPING=1");
	dextd->stopping = true;
	registry_stop(dextd->registry);
	changed(dextd); /* there may have been nothing to stop */
}

static IOReturn
watch_signals(struct dextd *dextd)
{
	sigset_t mask;

	signal(SIGCHLD, SIG_DFL); /* ignored, it would take the children's statuses */
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return status_from_errno(errno, "sigprocmask");
	dextd->signals = (struct loop_source){
		.fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK),
		.events = EPOLLIN,
		.handler = signalled,
	};
	if (dextd->signals.fd < 0)
		return status_from_errno(errno, "signalfd");
	return loop_source_add(dextd->loop, &dextd->signals);
}

/* Each app that is connected needs two descriptors here. */
static void
raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_info("the limit of open files stays as it is");
}

static IOReturn
set_up(struct dextd *dextd)
{
	char host[PATH_MAX * 2], error[REGISTRY_ERROR_MAX] = "";
	const struct dextd_options *options = &dextd->options;
	struct registry_options registry = {
		.runtime_dir = options->runtime_dir,
		.host_program = host,
		.restarts = RESTARTS,
		.sandbox = options->sandbox,
		.plugging = options->allow_virtual,
		.memory_max = options->memory_max,
		.access_file = options->access_file,
		.first_uid = options->first_uid,
		.last_uid = options->last_uid,
		.store = dextd->store,
		.changed = changed,
		.context = dextd,
	};
	IOReturn status;

	if (!program_find("dext-host", host, sizeof(host))) {
		log_error("dext-host is neither beside this program nor at %s; is the installation "
			  "complete?",
			  host);
		return kIOReturnNotFound;
	}
	dextd->place = place_take(options->runtime_dir);
	if (dextd->place < 0)
		return kIOReturnExclusiveAccess;
	raise_limits();
	closing_begin();
	status = privileges_drop();
	if (status == kIOReturnSuccess)
		status = loop_create(&dextd->loop);
	if (status == kIOReturnSuccess)
		status = watch_signals(dextd);
	if (status == kIOReturnSuccess)
		status = registry_create(dextd->loop, &registry, &dextd->registry);
	if (status == kIOReturnSuccess)
		status = folders_create(dextd->loop, dextd->registry, options->folders,
					options->folder_count, &dextd->folders);
	if (status == kIOReturnSuccess)
		status = registry_adopt(dextd->registry);
	if (status == kIOReturnSuccess)
		status = hotplug_create(dextd->loop, dextd->registry, options->pci_root,
					&dextd->hotplug);
	if (status == kIOReturnSuccess)
		status = registry_start(dextd->registry, error);
	if (error[0] != '\0')
		log_error("%s", error);
	return status;
}

static void
tear_down(struct dextd *dextd)
{
	hotplug_destroy(dextd->hotplug);
	folders_destroy(dextd->folders);
	registry_destroy(dextd->registry);
	store_close(dextd->store);
	if (dextd->loop != NULL)
		loop_destroy(dextd->loop);
	fd_close(&dextd->signals.fd);
	fd_close(&dextd->place);
}

/* An option of its own, because only the unit knows when nobody else is there. */
static int
release_limits(void)
{
	char error[REGISTRY_ERROR_MAX] = "";

	if (limit_release(error) == kIOReturnSuccess)
		return 0;
	log_info("no limits were taken off: %s", error);
	return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	struct dextd dextd = {.place = -1, .signals = {.fd = -1}};
	IOReturn status;

	switch (options_parse(&dextd.options, argc, argv)) {
	case OPTIONS_DONE:
		return 0;
	case OPTIONS_WRONG:
		return 2;
	default:
		break;
	}
	log_set_level(LOG_LEVEL_INFO);
	log_set_name("dextd");
	if (dextd.options.release_limits)
		return release_limits();
	/* Before anything else opens a descriptor. */
	status = store_open(dextd.options.store_most, &dextd.store);
	if (status == kIOReturnSuccess || status == kIOReturnNotReady)
		status = set_up(&dextd);
	if (status == kIOReturnSuccess) {
		announce(&dextd);
		status = loop_run(dextd.loop, 1);
	}
	if (status == kIOReturnSuccess && dextd.ready) {
		status = registry_state(dextd.registry);
	}
	if (status != kIOReturnSuccess)
		log_error("it ends: %s", status_string(status));
	tear_down(&dextd);
	return status == kIOReturnSuccess ? 0 : EXIT_FAILURE;
}
