/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between a driver's code and the rest of the machine. A host calls sandbox_enter once,
 * when its control socket and its device are open and before it has a second thread or any of the
 * driver's code: what it holds is all that it will ever have. From then on, for the rest of the
 * process:
 *
 *	files		Landlock: the bundle and the system's libraries can be read, nothing else
 *			can be opened, created, removed or executed; there is no /proc
 *	system calls	seccomp: those that the runtime needs, see calls.c. No socket, no connect,
 *			no opening for writing, no exec, no new process, no ptrace: EPERM
 *	privileges	none can be gained
 *
 * A user of its own and a limit on memory are the registry's to give, before it starts the process.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>

#include <DriverKit/IOReturn.h>

enum sandbox_level {
	SANDBOX_OFF,	  /* only no_new_privs */
	SANDBOX_BEST,	  /* what the kernel and the build have; the log says what is missing */
	SANDBOX_REQUIRED, /* all of it, or an error */
};

/* "off", "best", "required"; false for anything else. */
bool sandbox_level_of(const char *name, enum sandbox_level *ret_level);
const char *sandbox_level_name(enum sandbox_level level);

/*
 * Nobody may look into this process from now on, its own user and the programs of that user
 * included: no ptrace, no /proc/PID/mem, no core file. Before the device's descriptor is received.
 * Under a sanitizer nothing is done: its search for leaks looks in by ptrace.
 */
IOReturn sandbox_hide(void);

/*
 * `bundle` is the folder that stays readable, `executable` the file that will be loaded, which may
 * be a link that leads out of it. Logs one line: what holds now, and what is missing. With
 * SANDBOX_REQUIRED kIOReturnUnsupported where the kernel or the build lacks a part. A step that
 * fails although it is there is an error at every level but OFF, and the process must end: it may
 * hold half of it.
 */
IOReturn sandbox_enter(enum sandbox_level level, const char *bundle, const char *executable);

#endif
