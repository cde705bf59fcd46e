/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two wake-ups of a connection. The doorbell is an eventfd that the client writes and the host
 * has in its epoll set, edge-triggered and never read. The bell pipe goes the other way, for apps
 * that poll: the host alone holds the write end and never blocks on it; a full one means that it
 * was rung already. It is called a pipe for what it does; why it is a socket pair is in doorbell.c.
 *
 * The client adopts what the host has made, once, before it uses it: after that nothing here waits,
 * whatever the host does with its own descriptors of the same.
 */
#ifndef WIRE_DOORBELL_H
#define WIRE_DOORBELL_H

#include <DriverKit/IOReturn.h>

IOReturn doorbell_create(int *ret_fd);
/* kIOReturnIPCError: it is no eventfd. May wait for the host, as READY itself may. */
IOReturn doorbell_adopt(int fd);
void doorbell_ring(int fd); /* errno is kept */

IOReturn bell_pipe_create(int *ret_read_end, int *ret_write_end);
/* kIOReturnIPCError: it is no read end. A real pipe's is replaced by one that is not shared. */
IOReturn bell_pipe_adopt(int *read_end);
/* errno is kept. */
void bell_pipe_ring(int write_end);
/* Reads what is there, without blocking (by poll and bounded reads: the read end may be shared).
 * errno is kept. A pipe whose host has gone stays readable to poll, with POLLHUP. */
void bell_pipe_drain(int read_end);

#endif
