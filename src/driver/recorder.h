/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host records for who looks on (PROTOCOL.md 2.8; the files are wire/trace.h). Where
 * something happens that is recorded it says
 *
 *	if (recorder_is_on())
 *		record_...(...);
 *
 * which costs a look at a word that hardly ever changes while nobody looks.
 *
 *	recorder.c		who looks, the files, places
 *	record_client.c		connections and their calls
 *	usb/record_transfer.c	pipes and control requests
 */
#ifndef DRIVER_RECORDER_H
#define DRIVER_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "loop.h"
#include "packets.h"
#include "trace.h"

/* Low bits: what is recorded. Above: which recording of this host it is, from 1. 0: none. */
extern _Atomic uint32_t recorder_state;
#define RECORDER_EVENTS	 1u
#define RECORDER_CAPTURE 2u
#define RECORDER_ONE	 4u

static inline bool
recorder_is_on(void)
{
	/* Relaxed: what is recorded a moment too late or too early is not missed. */
	return __builtin_expect(atomic_load_explicit(&recorder_state, memory_order_relaxed) != 0,
				0);
}

/* A new reader's socket, which it takes; answers on it. */
void recorder_serve_take(struct loop *loop, int socket, const struct host_trace_body *body);
/* After the loop has ended: readers see the end. */
void recorder_close(void);

/* --- for record_... --- */

/* An object's place, in the object; zeros at first. */
struct recorder_place {
	_Atomic uint32_t number; /* index + 1; 0: none yet */
};

/*
 * The place of an object, of which `describe` says whose it is when it gets one. NULL: nobody looks
 * any more, or all are taken.
 */
struct trace_place *recorder_find(struct recorder_place *place,
				  void (*describe)(const void *object, struct trace_owner *owner),
				  const void *object);
/* The object goes. */
void recorder_leave(struct recorder_place *place);

/* The number of the recording; 0: nobody looks any more. */
uint32_t recorder_number(void);
/* How many bytes of a transfer are wanted; *ret_wanted: whether any event is, in the capture. */
uint32_t recorder_snap(bool *ret_wanted);
/* Into the trace. `place` may be NULL. A time of 0 is now. */
void recorder_write(const struct trace_place *place, struct trace_event *event);
/* Into the capture. */
void recorder_write_bytes(const struct trace_place *place, struct trace_event *event,
			  const void *bytes, uint32_t length);

/* ns as an event has them. */
static inline uint32_t
recorder_saturated(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static inline void
recorder_add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

/* One that has ended. spent 0: it is not known when it began. */
void recorder_count_end(struct trace_place *place, bool failed, uint64_t bytes, uint64_t spent);

#endif
