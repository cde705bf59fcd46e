/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the three files of hosts share: launch.c (when a host starts, ends and is tried again),
 * launch_process.c (its process) and launch_packets.c (what the process sends).
 */
#ifndef REGISTRY_LAUNCH_PRIVATE_H
#define REGISTRY_LAUNCH_PRIVATE_H

#include "clock.h"
#include "registry_private.h"

#include <signal.h>
#include <stddef.h>

/*
 * How long a host may take to end, a second more than it gives itself (PROTOCOL.md 3): for the
 * driver's Stop, and for the apps to take their completions, which is shorter after STOP.
 */
#define HOST_STOP_PATIENCE   (7 * NSEC_PER_SEC)
#define HOST_UNPLUG_PATIENCE (11 * NSEC_PER_SEC)

/* Exit statuses of a child that did not become a host; 127 is the shell's "not found". */
#define EXIT_NO_USER 125

static inline struct host *
host_of_control(struct loop_source *source)
{
	return (struct host *)((char *)source - offsetof(struct host, control_source));
}

static inline struct host *
host_of_exit(struct loop_source *source)
{
	return (struct host *)((char *)source - offsetof(struct host, exit_source));
}

/* launch.c */
/* Sets the host's timer: it restarts the host, or kills a process that lingers. */
void host_arm(struct host *host, uint64_t delay);
/* How many ns a driver waits that has crashed so often in a row: each time longer, up to 5 s. */
uint64_t host_restart_delay(unsigned crashes);
/* The handler of exit_source: the process has ended. */
void host_exit_ready(struct loop_source *source, uint32_t events);

/* launch_process.c */
/* Sets pid, control and pidfd; after a failure host_discard undoes what was done. */
IOReturn host_spawn(struct host *host);
/* Puts the control socket and the pidfd into the loop; likewise. */
IOReturn host_watch(struct host *host);
/* What HOST_START says; the caller's, NULL without memory. */
OSDictionary *host_make_start(const struct host *host);
/* Sends HOST_START; the descriptors stay the caller's. */
IOReturn host_send_start(struct host *host, const OSDictionary *start, const struct fd_list *files);
/* Ends a process that was only half set up. */
void host_discard(struct host *host);
/* Waits for a process that has ended, and forgets it. */
void host_reap(struct host *host, siginfo_t *ret_info);

/* launch_packets.c */
/* The handler of control_source: packets, or the end of the socket. */
void host_control_ready(struct loop_source *source, uint32_t events);
/* Takes up to `most` packets. Not success: there is nothing more to come on this socket. */
IOReturn host_take_packets(struct host *host, unsigned most);
/* Closes the control socket and takes the host's services out of the tree. */
void host_close_control(struct host *host);
void host_unpublish(struct host *host);

#endif
