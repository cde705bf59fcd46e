/* SPDX-License-Identifier: Apache-2.0 */
/* The yardsticks and peers, in plain C: each one file's worth of what somebody would write by hand.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "contest.h"

/* memory.c: 16 words there and 16 back through shared memory. */
extern const struct contestant raw_line;     /* both sides spin */
extern const struct contestant raw_futex;    /* both sides sleep */
extern const struct contestant raw_doorbell; /* the same, but the server in epoll on an eventfd */
/* checked.c: the last of these, between two who check what the other one has written. */
extern const struct contestant raw_checked;
/* sockets.c: the same in a message each way. */
extern const struct contestant raw_seqpacket;
extern const struct contestant vfio_region; /* vfio-user's region write, with its header */
/* sdbus.c: a method call with 16 words each way, peer to peer. */
extern const struct contestant sdbus_call;
/* streams.c: buffers of a shape, written whole by one side and hashed by the other. */
extern const struct contestant thread_stream;	 /* a thread of this process, a ring between */
extern const struct contestant thread_latency;	 /* the same; what counts is send to completion */
extern const struct contestant thread_in_stream; /* the thread writes, the client hashes */
extern const struct contestant socket_stream;	 /* a daemon, a stream socket between */
/* rings.c: RING_TURN entries one way, `argument` of them at once. */
extern const struct contestant raw_ring;     /* shared memory, both sides spin */
extern const struct contestant raw_messages; /* SEQPACKET, one entry a call */
/* pages.c: `argument` bytes of a new memfd mapped, made and given back. */
extern const struct contestant touched_pages;	/* one after the other, by a write each */
extern const struct contestant populated_pages; /* MADV_POPULATE_WRITE */
extern const struct contestant huge_pages;	/* the same on shmem huge pages */
extern const struct contestant hugetlb_pages;	/* and on those of hugetlbfs */
/* The same memory, mapped anew and read each time, or mapped once. */
extern const struct contestant mapped_again, mapped_once;
/* usbfs.c: buffers of a shape to a real device by libusb, no other process. */
extern const struct contestant usbfs_stream;	   /* one thread */
extern const struct contestant usbfs_event_thread; /* one sends, another handles events */
/* handover.c: 64 MiB of shared memory by descriptor. */
extern const struct contestant raw_handover;

#endif
