/* SPDX-License-Identifier: Apache-2.0 */
/* The bench driver's memory types. */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#define BENCH_BUFFER 0
#define BENCH_RING   1 /* of struct ring_entry (peers/ring_entry.h), to the driver only */

#endif
