/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of vm-function, a USB device of our own behind FunctionFS: interface 0 has a bulk
 * OUT and a bulk IN endpoint, on each of which travels the stream of bytes that function_byte says.
 * Vendor requests to the interface steer it.
 */
#ifndef TESTS_VM_FUNCTION_H
#define TESTS_VM_FUNCTION_H

#include <stdint.h>

enum {
	FUNCTION_STATE = 1,    /* IN: struct function_state */
	FUNCTION_HALT_OUT = 2, /* when the next transfer has been read */
	FUNCTION_HALT_IN = 3,
	FUNCTION_STOP = 4, /* reads the next transfer, and then no other */
	FUNCTION_GO = 5,
	FUNCTION_SEND = 6, /* wValue bytes, with a zero-length packet if the last one is full */
};

struct function_state {
	uint64_t out_bytes; /* since the last mark */
	uint64_t out_wrong; /* of all there ever were, other than they should be */
	uint64_t out_reads; /* transfers, too, each ended by a short packet or 64 KiB */
	uint64_t out_mark;  /* number of the last mark */
	uint64_t in_bytes;
};

/*
 * An OUT transfer of just this does not count: the stream begins anew behind it. Who sees its
 * number in the state knows that whatever came before has been counted, however late that was.
 */
struct function_mark {
	uint64_t magic, number;
};
#define FUNCTION_MAGIC UINT64_C(0x6d61726b206d6521)

static inline uint8_t
function_byte(uint64_t position)
{
	return (uint8_t)((position * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

#endif
