/* SPDX-License-Identifier: Apache-2.0 */
/* What the app and the driver of this example agree on. */
#ifndef BUFFER_RING_RING_H
#define BUFFER_RING_RING_H

#include <stdint.h>

#define RING_SERVICE "BufferRing"

#define RING_BUFFERS	 4
#define RING_BUFFER_SIZE 65536

/* Selectors: the second argument of IOConnectCall...Method. */
enum {
	kRingShareStatus = 0,	/* structure output, RING_SHARED_SIZE: the app's own memory */
	kRingShareSettings = 1, /* structure input, RING_SHARED_SIZE: the app's own memory */
	kRingRegister = 2,	/* asynchronous: where completions go */
	kRingSend = 3,		/* scalars: buffer number, length */
	kRingAskDevice = 4,	/* structure output: struct dext_virtual_state of the sink */
	kRingWriteSettings = 5, /* a mistake on purpose: the driver writes into the settings */
};

/* Memory types: the second argument of IOConnectMapMemory64. 0 to 3 are the buffers. */
enum {
	kRingStatistics = 100, /* read-only: struct ring_status */
};

/* Structures of more than 4096 bytes are handed over as memory, not copied into a message. What the
 * driver keeps of it is shared in whole pages, and these are up to 64 KiB. */
#define RING_SHARED_SIZE 65536

/* Written by the driver. */
struct ring_status {
	uint64_t buffers_sent;
	uint64_t bytes_sent;
};

/* Written by the app. */
struct ring_settings {
	uint64_t longest; /* the driver refuses to send more bytes at a time */
};

#endif
