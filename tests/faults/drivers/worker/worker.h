/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of a loopback device that uses what a driver can call, once each, when an app asks for
 * it. Each method answers with the status of the first call that was refused.
 */
#ifndef TESTS_FAULTS_WORKER_H
#define TESTS_FAULTS_WORKER_H

#define WORKER_SERVICE "Worker"

enum {
	WORKER_TRANSFER, /* sync, async and aborted; what comes back is what was sent */
	WORKER_CONTROL,	 /* requests and descriptors */
	WORKER_BUNDLE,
	WORKER_ISOCHRONOUS,
	WORKER_DEVICE, /* its interfaces */
	WORKER_CANCEL, /* of an action, a queue, a source; work in a concurrent queue */
	WORKER_IO_LIB, /* memory, a lock of each kind, waiting */
	WORKER_RESET,  /* configuration and reset, which is the end of the service */
	WORKER_PULL,   /* the device of fake_usb.c is pulled out */
	WORKER_LEAVE,  /* a transfer is left under way, and a thread in a method, at the end */
	WORKER_METHODS,
	WORKER_REMAP = WORKER_METHODS, /* the memory WORKER_READ_ONLY */
};

/* Memory of two pages; each page begins with WORKER_BYTE. */
enum {
	WORKER_PART,	  /* of a larger one */
	WORKER_JOINED,	  /* from two */
	WORKER_READ_ONLY, /* which the driver then maps once more */
	WORKER_MEMORY,
};
#define WORKER_BYTE 0x5a

/* A vendor request, of fake_usb.c only. */
#define WORKER_REQUEST_PULL 0xee

#endif
