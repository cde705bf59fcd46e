/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line between the virtual host controller and a model: moves the packets of one transfer, step
 * by step, and does the faults of the spec on the way, so that models know nothing of them. What
 * was moved is counted and hashed here.
 *
 * It belongs to the device's thread alone and has no lock; the queues are backend_virtual's.
 */
#ifndef USB_VDEV_LINE_H
#define USB_VDEV_LINE_H

#include "backend.h"
#include "vdev.h"

struct vdev_line {
	struct vdev_spec spec;		     /* [const] */
	struct vdev_descriptors descriptors; /* [const] */
	const struct vdev_model *ops;	     /* [const] */
	uint16_t packet;		     /* [const] */
	void *model;
	struct vdev_counters *counters;
	uint64_t moved;	      /* bytes, for nak and unplug-after */
	uint64_t started_out; /* transfers so far, for the -every options */
	uint64_t started_in;
};

enum vdev_fault { VDEV_FAULT_NONE, VDEV_FAULT_STALL, VDEV_FAULT_SHORT };

/* What will happen to one transfer; zeroed at first, decided at its first packet. */
struct vdev_plan {
	uint32_t limit; /* bytes after which the fault comes */
	enum vdev_fault fault;
	bool started;
	bool corrupt;
};

/* What became of a step. */
struct vdev_outcome {
	bool progress;
	bool over;
	bool gone;	 /* the device has, with this step */
	bool halts;	 /* the endpoint, until it is cleared */
	uint8_t clears;	 /* the halt of this endpoint; 0: none */
	IOReturn status; /* if over */
};

/* kIOReturnNoMemory. */
IOReturn vdev_line_open(struct vdev_line *line, const struct vdev_spec *spec);
void vdev_line_close(struct vdev_line *line);

/* Moves what can be moved now of a bulk transfer, at most VDEV_STEP_MAX bytes. */
void vdev_line_bulk(struct vdev_line *line, struct usb_transfer *transfer, struct vdev_plan *plan,
		    struct vdev_outcome *ret_outcome);
/* Moves all packets of an isochronous transfer; it is over then. */
void vdev_line_isochronous(struct vdev_line *line, struct usb_transfer *transfer,
			   struct vdev_outcome *ret_outcome);
void vdev_line_control(struct vdev_line *line, struct usb_transfer *transfer, uint8_t alternate,
		       struct vdev_outcome *ret_outcome);

#define VDEV_STEP_MAX (64u << 10) /* then others have their turn; whole packets */

#endif
