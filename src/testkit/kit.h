/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the test kit share: kit.c (a test, from its begin to its end), kit_threads.c
 * (its registry and its hosts), device.c (the device as a USB backend), script.c (what it does),
 * descriptors.c (what it says of itself).
 *
 * Lock order: a device's lock, then the test's.
 */
#ifndef TESTKIT_KIT_H
#define TESTKIT_KIT_H

#include <pthread.h>

#include <OpenDext/TestKit.h>
#include <USBDriverKit/AppleUSBDefinitions.h>

#include "backend.h"

#define ENDPOINTS	  33u /* endpoint 0, then 16 OUT, then 16 IN */
#define CONFIGURATION_MAX (9u + 9u + 7u * DEXT_TEST_ENDPOINTS_MAX)
/* How long a transfer may wait for which there is no step. */
#define STEP_PATIENCE (UINT64_C(1000) * 1000000)

enum step_kind { STEP_OUT, STEP_IN, STEP_CONTROL, STEP_STALL, STEP_DELAY, STEP_UNPLUG };

struct step {
	enum step_kind kind;
	unsigned number; /* 1 for the first */
	uint8_t endpoint;
	uint8_t setup[8]; /* STEP_CONTROL */
	unsigned delay;	  /* ms */
	uint64_t begun;	  /* of a delay: when it became the first step; 0: not yet */
	size_t length;
	struct step *next;
	uint8_t bytes[];
};

/* Of one transfer, from its submission until it is finished. */
struct pending {
	struct usb_transfer *transfer;
	uint64_t since;	   /* when it was submitted */
	uint64_t deadline; /* UINT64_MAX: none */
	struct pending *next;
};

struct usb_device {
	dext_test *test; /* [const] */
	uint8_t device[18];
	uint8_t configuration[CONFIGURATION_MAX];
	uint16_t configuration_length;

	pthread_t thread;
	int event; /* readable while `done` is not empty, and once it has gone */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* for the thread and for dext_test_wait */
	struct endpoint {
		struct pending *head, **tail;
		bool exists, halted;
		uint64_t last_due;	  /* of its transfers that cook */
	} endpoints[ENDPOINTS];		  /* [lock] */
	struct step *steps, **steps_tail; /* [lock] the first is the one that is due */
	unsigned step_count;		  /* [lock] that were ever added */
	struct cooked {
		struct usb_transfer *transfer;
		uint64_t due;
		struct cooked *next;
	} * cooking;				/* [lock] finished, and held back for a while */
	struct usb_transfer *done, **done_tail; /* [lock] */
	uint64_t finished;			/* [lock] how many; for shuffling */
	bool claimed, gone, stopping;		/* [lock] */
	uint8_t configured;			/* [lock] */
	struct usb_device *next;		/* the test's list */
};

/* --- kit.c --- */
void DEXT_PRINTF(2, 3) test_fail(dext_test *test, const char *format, ...);
/* On CLOCK_MONOTONIC; UINT64_MAX: for ever. */
uint64_t test_deadline(const dext_test *test);
uint64_t test_seed(const dext_test *test); /* 0: nothing is shuffled */
bool test_await(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline);

/* --- device.c --- */
extern const struct usb_backend device_backend;
/* The one that is plugged in last, which the next host opens. */
struct usb_device *device_create(dext_test *test, const dext_test_usb *usb);
/* Its host has ended. */
void device_destroy(struct usb_device *device);
struct endpoint *device_endpoint(struct usb_device *device, uint8_t address);
/* The first transfer of the endpoint is over. */
void device_finish_locked(struct usb_device *device, struct endpoint *endpoint, IOReturn status,
			  uint32_t actual);
void device_go_locked(struct usb_device *device);
/* Wakes those who wait for a change. */
void device_unlock(struct usb_device *device);

/* --- script.c --- */
/* Takes every step that can be taken; when to come again, or UINT64_MAX. */
uint64_t script_run_locked(struct usb_device *device, uint64_t now);
/* What has not come, at the end. */
void script_end(struct usb_device *device);

/* --- descriptors.c --- */
bool descriptors_make(struct usb_device *device, const dext_test_usb *usb);
/* A standard request. False: it is none; else its outcome, kUSBHostReturnPipeStalled among them. */
bool descriptors_answer_locked(struct usb_device *device, struct usb_transfer *transfer,
			       IOReturn *ret_status, uint32_t *ret_actual);

#endif
