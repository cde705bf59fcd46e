/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model: what a virtual device does with packets. backend_virtual runs it on the device's own
 * thread, so a model has no lock; the queues, the faults and the counting of transfers are not its
 * business.
 *
 * Vendor requests, answered for all models by vdev_control: <dext_virtual.h>.
 */
#ifndef USB_VDEV_H
#define USB_VDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xxhash.h>

#include <dext_virtual.h>

#include "vdev_descriptors.h"
#include "vdev_spec.h"

/* What one IN step came to. */
enum vdev_in {
	VDEV_IN_FILLED,	  /* the room is full, by whole packets */
	VDEV_IN_SHORT,	  /* a short packet came: the transfer ends */
	VDEV_IN_NAK,	  /* nothing more now */
	VDEV_IN_OVERFLOW, /* the next packet is longer than the room; it was not acknowledged */
};

struct vdev_model {
	const char *name;
	/* NULL without memory. */
	void *(*create)(const struct vdev_spec *spec);
	void (*destroy)(void *model);
	void (*reset)(void *model);
	/*
	 * `length` bytes in full packets, of which the last is short if `ends` (a zero-length one
	 * if the length is a multiple). *ret_taken: bytes accepted, in whole packets. True if all
	 * was, the short packet included; false: NAK. NULL: no OUT endpoint.
	 */
	bool (*out)(void *model, const uint8_t *data, uint32_t length, bool ends,
		    uint32_t *ret_taken);
	/* *ret_given: bytes put into `data`, whichever result. NULL: no IN endpoint. */
	enum vdev_in (*in)(void *model, uint8_t *data, uint32_t room, uint32_t *ret_given);
	/* The next `length` bytes, of which the last packet is short. NULL: no short-every option.
	 */
	void (*in_short)(void *model, uint8_t *data, uint32_t length);
	/*
	 * A vendor request: as vdev_control, or VDEV_NOT_MINE for those of <dext_virtual.h>. NULL:
	 * the model has none.
	 */
	int32_t (*vendor)(void *model, const uint8_t setup[8], uint8_t *data);
};

#define VDEV_STALL    (-1)
#define VDEV_NOT_MINE (-2)

extern const struct vdev_model vdev_sink;
extern const struct vdev_model vdev_source;
extern const struct vdev_model vdev_loopback;
extern const struct vdev_model vdev_ftdi;

/* What the state request reports. */
struct vdev_counters {
	struct dext_virtual_state state; /* all but the hash */
	XXH3_state_t *hash;
};

struct vdev_counters *vdev_counters_create(void);
void vdev_counters_destroy(struct vdev_counters *counters);
void vdev_counters_reset(struct vdev_counters *counters);

/* What a control request does to the rest of the device. */
struct vdev_effect {
	bool reset;	/* the model's state, to what it was at power-on */
	uint8_t clears; /* the halt of this endpoint; 0: none */
};

/*
 * Answers a control request. Returns bytes of the data stage in `data` (IN) or taken from it, or -1
 * for a stall.
 */
int32_t vdev_control(const struct vdev_spec *spec, const struct vdev_descriptors *descriptors,
		     const struct vdev_counters *counters, uint8_t alternate,
		     const uint8_t setup[8], uint8_t *data, struct vdev_effect *ret_effect);

#endif
