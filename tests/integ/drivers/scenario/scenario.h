/* SPDX-License-Identifier: Apache-2.0 */
/* The test driver Scenario, on a virtual sink: what its methods and its memory are. */
#ifndef TESTS_INTEG_SCENARIO_H
#define TESTS_INTEG_SCENARIO_H

#include <stdint.h>

#define SCENARIO_SERVICE "Scenario"

enum scenario_method {
	SCENARIO_COUNTS = 0, /* scalars out: enum scenario_count; of the driver, since it started */
	/*
	 * A large structure. Scalars in: whether the descriptor is kept, a byte. An output is
	 * filled with the byte. Scalars out: where it was mapped, how long, the sum of its bytes
	 * before.
	 */
	SCENARIO_USE = 1,
	SCENARIO_POKE = 2, /* scalars in: offset, byte; into the descriptor that was kept */
	SCENARIO_PEEK = 3, /* scalar in: offset; out: the byte there */
	/*
	 * Asynchronous. Keeps the completion. Out, as scalars if there is room for two, else as
	 * structure: its number, and the length of the structure in, which may be anything.
	 */
	SCENARIO_REGISTER = 4,
	/* Scalars in: completion, status, arguments, first argument; each argument is 1 more. */
	SCENARIO_COMPLETE = 5,
	SCENARIO_FORGET = 6,	 /* scalar in: completion, which is released */
	SCENARIO_SEND = 7,	 /* scalars in: type, length; completion 0: enum scenario_sent */
	SCENARIO_ASK_DEVICE = 8, /* structure out: struct dext_virtual_state */
	SCENARIO_CLEAR = 9,	 /* clears the pipe's stall */
	SCENARIO_WRITE = 10,	 /* scalars in: type, offset, byte; into the memory of that type */
	SCENARIO_READ = 11,	 /* scalars in: type, offset; out: the byte there */
};

enum scenario_count {
	SCENARIO_NEW_USER_CLIENTS,
	SCENARIO_LAST_TYPE, /* of IOServiceOpen */
	SCENARIO_STARTS,
	SCENARIO_STOPS,
	SCENARIO_FREES,
	SCENARIO_COMPLETED, /* CompleteAsyncIO */
	SCENARIO_ABORTED,   /* of these, with kIOReturnAborted */
	SCENARIO_COUNTS_MAX,
};

/* Arguments of a completion of SCENARIO_SEND. */
enum scenario_sent { SCENARIO_TYPE, SCENARIO_BYTES, SCENARIO_TIMESTAMP, SCENARIO_SENT_MAX };

#define SCENARIO_COMPLETIONS 4 /* that can be kept */

/* Memory types. 0 to 4 are buffers of these sizes. */
#define SCENARIO_BUFFERS 5
#define SCENARIO_BUFFER_SIZES                \
	{                                    \
		1, 128, 4097, 65536, 1 << 20 \
	}

enum scenario_type {
	SCENARIO_WINDOW = 5,   /* pages 1 and 2 of a buffer of SCENARIO_PARENT bytes */
	SCENARIO_JOINED = 6,   /* two buffers, one after the other */
	SCENARIO_READONLY = 7, /* kIOUserClientMemoryReadOnly */
	SCENARIO_PARENT = 8,   /* what the window is a part of; not for the app */
	SCENARIO_TYPES,
};

#define SCENARIO_PAGES	       65536 /* whole pages, whatever their size */
#define SCENARIO_PARENT_SIZE   (5 * SCENARIO_PAGES)
#define SCENARIO_WINDOW_OFFSET SCENARIO_PAGES
#define SCENARIO_WINDOW_SIZE   (2 * SCENARIO_PAGES)
#define SCENARIO_JOINED_FIRST  (2 * SCENARIO_PAGES)
#define SCENARIO_JOINED_SECOND 5000
#define SCENARIO_READONLY_SIZE 6000

#endif
