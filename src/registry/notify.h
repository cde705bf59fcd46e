/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3): what systemd is told, if it started this process. */
#ifndef REGISTRY_NOTIFY_H
#define REGISTRY_NOTIFY_H

#include <stdbool.h>

/* For instance "READY=1". Waits at most a second for systemd's socket to have room. */
void notify(const char *state);
/* The same with descriptors, which stay the caller's. False: it was not sent; the log says why. */
bool notify_with(const char *state, const int *fds, unsigned count);
/* Whether there is somebody to tell. */
bool notify_is_heard(void);

#endif
