/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two wake-ups of a connection. The doorbell is an eventfd that the client writes and the host
 * has in its epoll set, edge-triggered and never read. The bell pipe goes the other way, for apps
 * that poll: the host alone holds the write end, non-blocking; a full pipe means that it was rung
 * already.
 */
#ifndef WIRE_DOORBELL_H
#define WIRE_DOORBELL_H

#include <DriverKit/IOReturn.h>

IOReturn doorbell_create(int *ret_fd);
void doorbell_ring(int fd); /* errno is kept */

IOReturn bell_pipe_create(int *ret_read_end, int *ret_write_end);
/* errno is kept. SIGPIPE must be ignored, as it is in a host. */
void bell_pipe_ring(int write_end);
/* Reads what is there, without blocking (by poll and bounded reads: the read end may be shared).
 * errno is kept. A pipe whose host has gone stays readable to poll, with POLLHUP. */
void bell_pipe_drain(int read_end);

#endif
