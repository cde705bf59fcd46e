/* SPDX-License-Identifier: Apache-2.0 */
/* A host's control socket, and what host.c does for it. PROTOCOL.md, "Registry and host". */
#ifndef DRIVER_HOST_CONTROL_H
#define DRIVER_HOST_CONTROL_H

#include "host.h"
#include "service.h"

void control_open_take(int socket);
/* Waits for START, the first packet. *ret_device: its descriptor, or -1. */
IOReturn control_receive_start(OSDictionary **ret_start, struct fd_list *ret_files);
/* OPEN and STOP from now on. */
IOReturn control_listen(struct loop *loop);
/* Start's result; after a success everything that was registered is published. */
void control_send_started(IOReturn status);
/* The device has gone. */
void control_send_gone(void);
/* The answer to SET_PROPERTIES. */
void control_send_properties_set(uint64_t number, IOReturn status);
/* After the loop has ended. */
void control_close(void);

extern const struct services_publisher control_publisher;

/* Terminates the driver, or keeps it from being started. Any thread, any number of times. */
void host_stop(void);
/* Likewise, and the process ends as after a crash: so the registry starts the driver again. */
void host_fail(void);
/* Whether the device has gone. */
bool host_is_gone(void);
/* Pulls the device out, as soon as there is one. Likewise. */
void host_unplug(void);

#endif
