/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an integration test stands on: a real registry and real driver processes, started by
 * `dext run` without a command in a runtime directory of its own, and ended by process id.
 *
 *	static struct harness harness;
 *	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
 *	... libiokit finds the services: OPENDEXT_RUNTIME_DIR is set in this process ...
 *	harness_stop(&harness);
 *
 * The arguments are those of `dext run`: bundles, "--virtual", "sink", ... Start it inside the
 * test, not in a fixture of the program, so that a test that fails takes its processes with it:
 * they end with this process (parent-death signal).
 *
 * Environment, set by tests/integ/meson.build: DEXT, the program; one variable for each bundle.
 */
#ifndef TESTS_INTEG_HARNESS_H
#define TESTS_INTEG_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <IOKit/IOKitLib.h>

#define HARNESS_DEADLINE_SEC 20
#define HARNESS_LOG_MAX	     65536

struct harness {
	pid_t pid;  /* of dext run */
	int output; /* its standard output */
	char runtime_dir[256];
	char log_path[64]; /* of its, and the drivers', standard error */
};

/* The value of an environment variable that must be set. */
const char *harness_bundle(const char *variable);

/* Starts and waits until the services are published. The list ends with NULL. */
void harness_start(struct harness *harness, const char *const *arguments);
/* SIGTERM, and waits. Returns dext run's exit status; the runtime directory must be gone. */
int harness_stop(struct harness *harness);
/* What was written to standard error so far; static storage. */
const char *harness_log(const struct harness *harness);
/* The end of it, as much as a message of Check has room for. */
#define HARNESS_SHOWN 3000
const char *harness_log_end(const struct harness *harness);
/* Of the registry and its drivers; whatever a sanitizer writes has its name in it. */
void harness_expect_no_report(const struct harness *harness);
/* Waits until the log has this text, with a deadline. */
void harness_wait_log(const struct harness *harness, const char *text);
/*
 * The driver was meant to crash: waits until the registry has noticed and forgets the log so far,
 * with what a sanitizer reported about it.
 */
void harness_forget_crash(const struct harness *harness);

/* Waits for a service of that name, with a deadline; the caller releases it. */
io_service_t harness_wait_service(const char *name);
/* The same, for one with another id than `id`; sets *id. */
io_service_t harness_wait_new_service(const char *name, uint64_t *id);
/* The process of the host that serves the first service of that name. */
pid_t harness_host_pid(const char *name);
/* Opens the service; the test fails if that does. */
io_connect_t harness_open(const char *name, uint32_t type);

/* Waits until the condition is true, asking again every few milliseconds; false at the deadline. */
bool harness_until(bool (*condition)(void *context), void *context);

#endif
