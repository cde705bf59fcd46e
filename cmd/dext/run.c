/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext run: the registry in the foreground, for as long as a command or until Ctrl-C.
 *
 * Everything is event driven on one thread: the registry's own sources, a signalfd, and the pidfd
 * of the command. The phases are starting (hosts run, services are awaited up to a deadline),
 * serving, and stopping (the command has ended or a signal came; hosts are told to stop, those that
 * do not are killed). Whatever was started is ended by its own process id; if this process is
 * killed, the parent-death signal ends them.
 *
 * The runtime directory is private (mode 0700) and removed at the end; one that was left behind by
 * a `dext run` that was killed is removed by the next (runtime_dir.c).
 */
#include "dext.h"
#include "runtime_dir.h"

#include "clock.h"
#include "closing.h"
#include "log.h"
#include "loop.h"
#include "packet.h"
#include "program.h"
#include "registry.h"
#include "status.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_DEFAULT	 10
#define WAIT_MAX	 3600
#define COMMAND_PATIENCE (5 * NSEC_PER_SEC)
#define RESTARTS	 5
#define DEVICES_MAX	 16

enum phase {
	PHASE_STARTING,
	PHASE_SERVING,
	PHASE_STOPPING,
	PHASE_OVER,
};

struct run {
	/* command line */
	char **bundles;
	unsigned bundle_count;
	struct {
		bool usb;
		const char *spec;
		unsigned bus, number;
	} devices[DEVICES_MAX];
	unsigned device_count;
	unsigned wait; /* seconds for the services to appear */
	enum sandbox_level sandbox;
	char **command; /* NULL: none */

	struct loop *loop;
	struct registry *registry;
	struct runtime_dir runtime_dir;
	enum phase phase;
	int status; /* exit status, once it is known */
	bool in_changed;
	bool waiting; /* for devices: there is no host, and it has been said */

	struct loop_source signals;
	struct loop_timer timer;
	sigset_t old_mask;
	struct rlimit old_files;
	pid_t pid; /* of the command; 0: none or reaped */
	struct loop_source exited;
};

static const char help_text[] =
	"usage: dext run BUNDLE... [--virtual SPEC | --usb BUS:DEV]... [--wait SECONDS]\n"
	"                [--sandbox=LEVEL] [-- COMMAND [ARGUMENT...]]\n"
	"\n"
	"Starts each driver bundle that matches one of the devices in a process of its own, waits\n"
	"until its services are published, and runs COMMAND with OPENDEXT_RUNTIME_DIR set, so that "
	"it\n"
	"finds them. Ends with COMMAND's exit status. Without COMMAND it prints the line that sets "
	"the\n"
	"variable in another shell and serves until Ctrl-C.\n"
	"\n"
	"Virtual devices may also be plugged in and unplugged while it runs, by `dext plug` and\n"
	"`dext unplug`: without a device a driver waits for one.\n"
	"\n"
	"  --virtual SPEC   a virtual USB device: sink, source, loopback or ftdi, with options "
	"after a "
	"comma\n"
	"  --usb BUS:DEV    a real one, as lsusb lists it; the kernel's driver gets it back at the "
	"end\n"
	"  --wait SECONDS   how long the services may take to appear (default 10)\n"
	"  --sandbox=LEVEL  best (what this system has, the default), required (all of it, or the\n"
	"                   drivers are not started) or off (for valgrind, or a driver that needs "
	"more)\n"
	"\n"
	"A driver whose IOProviderClass is IOUserResources needs no device.\n"
	"\n"
	"Example: dext run bulkstream.dext --virtual sink -- dext send FILE\n"
	"\n"
	"Exit status without COMMAND, or when it was not run: 0 ended by a signal, 2 wrong "
	"command\n"
	"line or bundle, 3 no driver matched or it did not start, 5 the device cannot be used, or "
	"a\n"
	"real one has gone. 127: COMMAND was not found, 128+N: it was ended by signal N.\n";

static void begin_stop(struct run *run, int status);
static void changed(void *context);

static void
print_line(void *context, const char *text)
{
	complain("run", "%s", text);
}

/* --- command line --- */

static int
parse_usb(struct run *run, const char *text)
{
	unsigned bus, number;
	int used = 0;

	if (sscanf(text, "%3u:%3u%n", &bus, &number, &used) != 2 || text[used] != '\0' ||
	    bus == 0 || number == 0)
		return usage_error("run", "--usb %s: BUS:DEV was expected, for instance 1:4", text);
	run->devices[run->device_count].usb = true;
	run->devices[run->device_count].bus = bus;
	run->devices[run->device_count++].number = number;
	return DEXT_EXIT_OK;
}

static int
parse_wait(struct run *run, const char *text)
{
	int used = 0;

	if (sscanf(text, "%4u%n", &run->wait, &used) != 1 || text[used] != '\0' || run->wait == 0 ||
	    run->wait > WAIT_MAX)
		return usage_error("run", "--wait %s: 1 to %d seconds were expected", text,
				   WAIT_MAX);
	return DEXT_EXIT_OK;
}

static int
parse_option(struct run *run, int option)
{
	if (option == 'h') {
		fputs(help_text, stdout);
		exit(DEXT_EXIT_OK);
	}
	if (option == 'w')
		return parse_wait(run, optarg);
	if (option == 's') {
		if (sandbox_level_of(optarg, &run->sandbox))
			return DEXT_EXIT_OK;
		return usage_error("run", "--sandbox=%s: best, required or off was expected",
				   optarg);
	}
	if (option != 'v' && option != 'u')
		return DEXT_EXIT_USAGE; /* getopt has said what */
	if (run->device_count == DEVICES_MAX)
		return usage_error("run", "more than %d devices", DEVICES_MAX);
	if (option == 'u')
		return parse_usb(run, optarg);
	run->devices[run->device_count++].spec = optarg;
	return DEXT_EXIT_OK;
}

static int
parse(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{"virtual", required_argument, NULL, 'v'},
		{"usb", required_argument, NULL, 'u'},
		{"wait", required_argument, NULL, 'w'},
		{"sandbox", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int end = argc, option, status;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			end = i;
			break;
		}
	}
	if (end < argc) {
		run->command = argv + end + 1;
		if (run->command[0] == NULL)
			return usage_error("run", "after -- a command was expected");
	}
	while ((option = getopt_long(end, argv, "h", options, NULL)) != -1) {
		status = parse_option(run, option);
		if (status != DEXT_EXIT_OK)
			return status;
	}
	run->bundles = argv + optind;
	run->bundle_count = (unsigned)(end - optind);
	if (run->bundle_count == 0)
		return usage_error("run", "a driver bundle (a folder NAME.dext) was expected");
	return DEXT_EXIT_OK;
}

/* --- the command --- */

static void
command_exited(struct loop_source *source, uint32_t events)
{
	struct run *run = (struct run *)((char *)source - offsetof(struct run, exited));
	siginfo_t info = {0};

	if (run->pid == 0)
		return;
	while (waitid(P_PIDFD, (id_t)run->exited.fd, &info, WEXITED) < 0 && errno == EINTR)
		;
	run->pid = 0;
	loop_source_remove(run->loop, &run->exited);
	run->status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	begin_stop(run, run->status);
}

/* In the child: only what is allowed after fork. */
static void
become_command(struct run *run, pid_t parent, const char *not_found)
{
	sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
	setrlimit(RLIMIT_NOFILE, &run->old_files);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		_exit(126);
	execvp(run->command[0], run->command);
	if (write(STDERR_FILENO, not_found, strlen(not_found)) < 0)
		_exit(126);
	_exit(errno == ENOENT ? 127 : 126);
}

static IOReturn
start_command(struct run *run)
{
	pid_t parent = getpid(), child;
	char not_found[256];
	int pidfd;

	snprintf(not_found, sizeof(not_found), "dext run: %.200s: cannot be executed\n",
		 run->command[0]);
	if (setenv("OPENDEXT_RUNTIME_DIR", run->runtime_dir.path, 1) < 0)
		return status_from_errno(errno, "setenv");
	fflush(NULL);
	child = fork();
	if (child == 0)
		become_command(run, parent, not_found);
	if (child < 0)
		return status_from_errno(errno, "fork");
	run->pid = child;
	pidfd = pidfd_open(child, 0);
	if (pidfd < 0)
		return status_from_errno(errno, "pidfd_open");
	run->exited = (struct loop_source){
		.fd = pidfd,
		.events = EPOLLIN,
		.handler = command_exited,
	};
	return loop_source_add(run->loop, &run->exited);
}

/* --- phases --- */

/* Says honestly what stands between the driver, this user and the rest of the machine. */
static void
print_isolation(void)
{
	fprintf(stderr,
		"dext run: isolation: each driver is a process of its own, in the sandbox that its "
		"first log line names; it runs as the same user as its apps, which protects it "
		"from "
		"accidents, not from malice\n");
}

static void
begin_serving(struct run *run)
{
	IOReturn status;

	run->phase = PHASE_SERVING;
	loop_timer_cancel(run->loop, &run->timer);
	if (run->command == NULL) {
		print_isolation();
		printf("export OPENDEXT_RUNTIME_DIR=%s\n", run->runtime_dir.path);
		fflush(stdout);
		return;
	}
	status = start_command(run);
	if (status != kIOReturnSuccess) {
		complain("run", "%s could not be started: %s", run->command[0],
			 status_string(status));
		begin_stop(run, DEXT_EXIT_ERROR);
	}
}

static void
timed_out(struct loop_timer *timer)
{
	struct run *run = (struct run *)((char *)timer - offsetof(struct run, timer));

	if (run->phase == PHASE_STARTING) {
		complain("run", "not all services were published within %u seconds:", run->wait);
		registry_explain(run->registry, print_line, NULL);
		begin_stop(run, DEXT_EXIT_NOT_FOUND);
	} else if (run->phase == PHASE_STOPPING && run->pid > 0) {
		kill(run->pid, SIGKILL); /* not reaped, so the number is still its own */
	}
}

static void
arm(struct run *run, uint64_t delay)
{
	run->timer.fired = timed_out;
	loop_timer_arm(run->loop, &run->timer, clock_now() + delay);
}

static void
begin_stop(struct run *run, int status)
{
	if (run->phase < PHASE_STOPPING) {
		if (run->phase == PHASE_STARTING)
			loop_timer_cancel(run->loop, &run->timer);
		run->phase = PHASE_STOPPING;
		run->status = status;
	}
	if (run->pid > 0) {
		/* First the command, then the drivers that it uses. */
		kill(run->pid, SIGTERM);
		arm(run, COMMAND_PATIENCE);
		return;
	}
	registry_stop(run->registry);
	changed(run); /* there may have been nothing to stop */
}

/* Real devices do not come back here; virtual ones may. */
static bool
all_are_real(const struct run *run)
{
	for (unsigned i = 0; i < run->device_count; i++) {
		if (!run->devices[i].usb)
			return false;
	}
	return run->device_count > 0;
}

static void
wait_for_devices(struct run *run)
{
	if (!run->waiting)
		complain("run", "no device is there; waiting for `dext plug SPEC`");
	run->waiting = true;
}

static void
look_starting(struct run *run, const struct registry_summary *summary)
{
	bool waits = summary->hosts == 0 && run->device_count == 0 && summary->wants_devices;

	if ((summary->hosts == 0 && !waits) || summary->failed > 0 || summary->ended > 0) {
		registry_explain(run->registry, print_line, NULL);
		begin_stop(run, DEXT_EXIT_NOT_FOUND);
	} else if (waits) {
		wait_for_devices(run);
		begin_serving(run);
	} else if (summary->starting + summary->silent == 0) {
		if (summary->unmatched > 0)
			registry_explain(run->registry, print_line, NULL);
		begin_serving(run);
	}
}

/* Nobody but Ctrl-C ends it, as long as there may be something to serve. */
static void
look_serving(struct run *run, const struct registry_summary *summary)
{
	bool may_come = summary->plugged || (summary->wants_devices && !all_are_real(run));

	if (summary->hosts == 0 && may_come) {
		wait_for_devices(run);
		return;
	}
	run->waiting = false;
	if (summary->ended < summary->hosts || summary->going > 0 || summary->plugged)
		return;
	complain("run", "no driver is left: each has ended, or was given up; see above");
	begin_stop(run, DEXT_EXIT_DEVICE);
}

/* The registry's state has changed; may be called from within anything that changes it. */
static void
look(struct run *run)
{
	struct registry_summary summary = registry_summary(run->registry);

	if (run->phase == PHASE_STARTING)
		look_starting(run, &summary);
	else if (run->phase == PHASE_SERVING && run->command == NULL)
		look_serving(run, &summary);
	summary = registry_summary(run->registry);
	if (run->phase == PHASE_STOPPING && run->pid == 0 && summary.ended == summary.hosts) {
		run->phase = PHASE_OVER;
		loop_stop(run->loop);
	}
}

static void
changed(void *context)
{
	struct run *run = context;

	if (run->in_changed || run->registry == NULL)
		return;
	run->in_changed = true;
	look(run);
	run->in_changed = false;
}

static void
signalled(struct loop_source *source, uint32_t events)
{
	struct run *run = (struct run *)((char *)source - offsetof(struct run, signals));
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	/* Ctrl-C reaches the command too, which decides itself what that means. */
	if (run->pid > 0 && info.ssi_signo == SIGINT && run->phase == PHASE_SERVING)
		return;
	begin_stop(run, run->command != NULL ? 128 + (int)info.ssi_signo : DEXT_EXIT_OK);
}

/* --- setting up --- */

static IOReturn
watch_signals(struct run *run)
{
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &mask, &run->old_mask) < 0)
		return status_from_errno(errno, "sigprocmask");
	fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return status_from_errno(errno, "signalfd");
	run->signals = (struct loop_source){.fd = fd, .events = EPOLLIN, .handler = signalled};
	return loop_source_add(run->loop, &run->signals);
}

/* Each app that is connected to the registry needs two descriptors here. */
static IOReturn
raise_limits(struct run *run)
{
	struct rlimit files;

	signal(SIGCHLD, SIG_DFL); /* ignored, it would take the children's statuses */
	if (getrlimit(RLIMIT_NOFILE, &run->old_files) < 0)
		return status_from_errno(errno, "getrlimit");
	files = run->old_files;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return status_from_errno(errno, "setrlimit");
	return kIOReturnSuccess;
}

static int
add_all(struct run *run)
{
	char error[REGISTRY_ERROR_MAX] = "";
	IOReturn status = kIOReturnSuccess;

	for (unsigned i = 0; i < run->bundle_count; i++) {
		status = registry_add_bundle(run->registry, run->bundles[i], error);
		if (status != kIOReturnSuccess) {
			complain("run", "%s", error);
			return DEXT_EXIT_USAGE;
		}
	}
	for (unsigned i = 0; i < run->device_count; i++) {
		if (run->devices[i].usb)
			status = registry_add_usb(run->registry, run->devices[i].bus,
						  run->devices[i].number, error);
		else
			status = registry_add_virtual(run->registry, run->devices[i].spec, error);
		if (status != kIOReturnSuccess) {
			complain("run", "%s", error);
			return run->devices[i].usb ? DEXT_EXIT_DEVICE : DEXT_EXIT_USAGE;
		}
	}
	return DEXT_EXIT_OK;
}

static int
set_up(struct run *run)
{
	struct registry_options options = {
		.runtime_dir = run->runtime_dir.path,
		.restarts = RESTARTS,
		.sandbox = run->sandbox,
		.plugging = true,
		.changed = changed,
		.context = run,
	};
	char host[PATH_MAX * 2];
	IOReturn status;

	if (!program_find("dext-host", host, sizeof(host))) {
		complain("run",
			 "dext-host is neither beside this program nor in %s; is the installation "
			 "complete?",
			 OPENDEXT_LIBEXECDIR);
		return DEXT_EXIT_ERROR;
	}
	options.host_program = host;
	if (!runtime_dir_make(&run->runtime_dir)) {
		complain("run", "/tmp: no private directory can be made there: %s",
			 strerror(errno));
		return DEXT_EXIT_ERROR;
	}
	closing_begin();
	status = raise_limits(run);
	if (status == kIOReturnSuccess)
		status = loop_create(&run->loop);
	if (status == kIOReturnSuccess)
		status = watch_signals(run);
	if (status == kIOReturnSuccess)
		status = registry_create(run->loop, &options, &run->registry);
	if (status != kIOReturnSuccess) {
		complain("run", "%s", status_string(status));
		return DEXT_EXIT_ERROR;
	}
	return add_all(run);
}

static void
tear_down(struct run *run)
{
	registry_destroy(run->registry);
	run->registry = NULL;
	if (run->loop != NULL)
		loop_destroy(run->loop);
	if (!runtime_dir_remove(&run->runtime_dir))
		complain("run", "%s: %s", run->runtime_dir.path, strerror(errno));
}

int
run_main(int argc, char **argv)
{
	struct run run = {.wait = WAIT_DEFAULT,
			  .sandbox = SANDBOX_BEST,
			  .signals = {.fd = -1},
			  .exited = {.fd = -1},
			  .runtime_dir = {.fd = -1}};
	char error[REGISTRY_ERROR_MAX] = "";
	IOReturn status;
	int result = parse(&run, argc, argv);

	if (result != DEXT_EXIT_OK)
		return result;
	result = set_up(&run);
	if (result == DEXT_EXIT_OK) {
		run.in_changed = true; /* until all hosts have been launched */
		arm(&run, run.wait * NSEC_PER_SEC);
		status = registry_start(run.registry, error);
		run.in_changed = false;
		if (status == kIOReturnSuccess) {
			changed(&run);
			status = loop_run(run.loop, 1);
			result = run.status;
		}
		if (status != kIOReturnSuccess) {
			complain("run", "%s", error[0] != '\0' ? error : status_string(status));
			result = DEXT_EXIT_ERROR;
		}
	}
	tear_down(&run);
	fd_close(&run.signals.fd);
	fd_close(&run.exited.fd);
	return result;
}
