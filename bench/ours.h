/* SPDX-License-Identifier: Apache-2.0 */
/* Our side of the contests: apps on libiokit, against the drivers bench and bulkstream. */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "contest.h"

#include <IOKit/IOKitLib.h>

extern const struct contestant our_call;
extern const struct contestant our_sleeping_call; /* neither side ever spins */
extern const struct contestant our_paced_call;	  /* one each millisecond */
extern const struct contestant our_paced_sleeping_call;
/* our_streams.c: buffers of a shape to the virtual sink, and how the app waits. */
extern const struct contestant our_stream;		 /* mach_msg */
extern const struct contestant our_stream_by_poll;	 /* a poll loop of its own */
extern const struct contestant our_ring_stream;		 /* dext_ring */
extern const struct contestant our_latency;		 /* what counts is send to completion */
extern const struct contestant our_in_stream;		 /* from the virtual source */
extern const struct contestant our_small_send, our_send; /* what counts is the call that sends */
/* our_rings.c: RING_TURN entries to the bench driver through dext_ring, `argument` at once. */
extern const struct contestant our_ring;
/* A buffer of 64 MiB mapped and unmapped. */
extern const struct contestant our_handover;
/* Calls over `argument` connections in turn. */
extern const struct contestant our_many;
extern const struct contestant our_one;

/* Connects to it. *ret_host: its process. */
bool bench_open_service(const char *name, io_connect_t *ret_connect, pid_t *ret_host);
/* The process that has the service. */
pid_t bench_host_of(io_service_t service);
/* How often threads of the bench driver's process went to sleep so far. */
unsigned long bench_host_sleeps(void);
/* Opens `count` connections to the bench driver in this process, and calls once on each. */
bool bench_open_many(unsigned count);

#endif
