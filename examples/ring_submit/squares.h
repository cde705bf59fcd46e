/* SPDX-License-Identifier: Apache-2.0 */
/* What goes through the rings of this example, memory type 0: a number there, its square back. */
#ifndef SQUARES_H
#define SQUARES_H

#include <stdint.h>

#define SQUARES_RINGS	0    /* memory type */
#define SQUARES_ENTRIES 1024 /* of each direction */

struct square {
	uint64_t number;
	uint64_t square; /* 0 on the way there */
	uint64_t unused[6];
};

#endif
