/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver of this example puts into its queue, memory type 0. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

#define SAMPLE_QUEUE 0 /* memory type, and type of the notification port */

struct sample {
	uint64_t time; /* ns */
	uint32_t number;
	uint32_t value;
};

#endif
