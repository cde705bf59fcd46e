/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of what goes through dext_ring: entries alone, and bulkstream's buffers. */
#include "rows.h"

#include "ours.h"
#include "peers/peers.h"

/* Buffers of bulkstream through its ring, against a call for each. */
#define STREAM(words, bytes, where)                                                              \
	{                                                                                        \
		.name = "stream of " words " through a ring", .ours = &our_ring_stream,          \
		.yardstick = &our_stream, .shape = SHAPE(.size = (bytes)), .placement = (where), \
		.wanted = {{THROUGHPUT, 0, true}, {CPU_PER_GIB, 0, false}, {BELLS, 0, false}},   \
	}
/* The same against one process of two threads. */
#define STREAM_ALONE(words, bytes, where)                                                          \
	{                                                                                          \
		.name = "stream of " words " through a ring", .ours = &our_ring_stream,            \
		.yardstick = &thread_stream, .shape = SHAPE(.size = (bytes)),                      \
		.placement = (where),                                                              \
		.wanted = {{THROUGHPUT, 0.95, true}, {CPU_PER_GIB, 0, false}, {COPIED, 0, false}}, \
	}
/* The same where there is no goal. */
#define STREAM_ELSEWHERE(words, bytes, where)                                                  \
	{                                                                                      \
		.name = "stream of " words " through a ring", .ours = &our_ring_stream,        \
		.yardstick = &thread_stream, .shape = SHAPE(.size = (bytes)),                  \
		.placement = (where),                                                          \
		.wanted = {{THROUGHPUT, 0, true}, {CPU_PER_GIB, 0, false}, {BELLS, 0, false}}, \
	}

const struct row ring_rows[] = {
	/* --- entries --- */
	{.name = "dext_ring, batch 1",
	 .ours = &our_ring,
	 .yardstick = &raw_ring,
	 .argument = 1,
	 .placement = TWO_CPUS,
	 .wanted = {{RATE, 0.7, true}, {CPU, 0, false}, {RING_BELLS, 0.1, false}}},
	{.name = "dext_ring, batch 8",
	 .ours = &our_ring,
	 .yardstick = &raw_ring,
	 .argument = 8,
	 .placement = TWO_CPUS,
	 .wanted = {{RATE, 0.9, true}, {CPU, 0, false}, {RING_BELLS, 0.1, false}}},
	{.name = "dext_ring, batch 64",
	 .ours = &our_ring,
	 .yardstick = &raw_ring,
	 .argument = 64,
	 .placement = TWO_CPUS,
	 .wanted = {{RATE, 0.9, true}, {CPU, 0, false}, {RING_BELLS, 0.1, false}}},
	{.name = "dext_ring, batch 1",
	 .ours = &our_ring,
	 .yardstick = &raw_messages,
	 .argument = 1,
	 .placement = TWO_CPUS,
	 .wanted = {{RATE, 50, true}}},
	{.name = "dext_ring, batch 8",
	 .ours = &our_ring,
	 .yardstick = &raw_messages,
	 .argument = 8,
	 .placement = TWO_CPUS,
	 .wanted = {{RATE, 50, true}}},
	{.name = "dext_ring, batch 64",
	 .ours = &our_ring,
	 .yardstick = &raw_messages,
	 .argument = 64,
	 .placement = TWO_CPUS,
	 .wanted = {{RATE, 50, true}}},
	{.name = "dext_ring, batch 64",
	 .ours = &our_ring,
	 .yardstick = &raw_messages,
	 .argument = 64,
	 .placement = ONE_CPU,
	 .wanted = {{RATE, 0, true}, {RING_BELLS, 0, false}}},
	/* --- buffers, against a call for each --- */
	STREAM("512 B", 512, TWO_CPUS),
	STREAM("4 KiB", 4096, TWO_CPUS),
	STREAM("16 KiB", 16384, TWO_CPUS),
	STREAM("64 KiB", 65536, TWO_CPUS),
	STREAM("1 MiB", 1048576, TWO_CPUS),
	STREAM("4 KiB", 4096, ONE_CPU),
	/* --- and against what a program has that runs its USB stack itself --- */
	STREAM_ALONE("16 KiB", 16384, TWO_CPUS),
	STREAM_ALONE("64 KiB", 65536, TWO_CPUS),
	STREAM_ALONE("1 MiB", 1048576, TWO_CPUS),
	STREAM_ALONE("64 KiB", 65536, ONE_CPU),
	/* --- in other places --- */
	STREAM_ELSEWHERE("16 KiB", 16384, ONE_CPU),
	STREAM_ELSEWHERE("1 MiB", 1048576, ONE_CPU),
	STREAM_ELSEWHERE("64 KiB", 65536, UNPINNED),
	{.name = "stream of 64 KiB through a ring, a hog on each CPU",
	 .ours = &our_ring_stream,
	 .yardstick = &socket_stream,
	 .shape = SHAPE(.size = 65536),
	 .placement = TWO_CPUS,
	 .hogs = true,
	 .wanted = {{THROUGHPUT, 0, true}, {BELLS, 0, false}}},
	{.name = "dext_ring, batch 8, a hog on each CPU",
	 .ours = &our_ring,
	 .yardstick = &raw_messages,
	 .argument = 8,
	 .placement = TWO_CPUS,
	 .hogs = true,
	 .wanted = {{RATE, 0, true}, {RING_BELLS, 0, false}}},
};
const unsigned ring_row_count = sizeof(ring_rows) / sizeof(ring_rows[0]);
