/* SPDX-License-Identifier: Apache-2.0 */
/* What the fixture's driver is to do, and what it has done: one for the program. */
#ifndef TESTS_UNIT_FIXTURE_STATE_H
#define TESTS_UNIT_FIXTURE_STATE_H

#include <check.h>
#include <stdlib.h>

#include "bounds.h"
#include "bundle.h"
#include "clock.h"
#include "connection.h"
#include "log.h"
#include "memfd.h"
#include "meter.h"
#include "queue.h"
#include "queue_private.h"
#include "service.h"

#include <DriverKit/DextRingDispatchSource.h>
#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/IODataQueueDispatchSource.h>
#include <DriverKit/IOUserClient.h>

typedef struct TestDriver TestDriver;
typedef struct TestClient TestClient;
typedef struct TestChild TestChild;

/* What the driver does, and what it did. */
struct fixture {
	struct loop *loop;
	struct bundle *bundle;
	IODispatchQueue *queue;
	IOService *provider;
	IOService *root;
	kern_return_t start_result;
	bool stop_in_start; /* a failing Start calls Stop itself */
	bool register_in_start;
	bool no_super_start;  /* Start never reaches the base class */
	bool no_super_stop;   /* Stop never reaches the base class */
	bool late_super_stop; /* it does later, when fixture_super_stop is called */
	bool plain_free;      /* free goes past the superclass */
	bool init_fails;
	bool no_user_client; /* NewUserClient brings a child service */
	/* Start makes this the Default queue, then raises entered and waits for go. */
	IODispatchQueue *queue_in_start;
	struct meter driver_started, driver_stopped, driver_freed;
	struct meter client_started, client_stopped, client_freed;
	struct meter child_stopped;
	struct meter aborted; /* the handler of a kept completion */
	unsigned stopped_at_abort;
	struct meter entered; /* TEST_BLOCK began */
	struct meter go;      /* TEST_BLOCK, TEST_WORK and TEST_TOIL end when this is raised */
	struct meter wanted;  /* TEST_WORK was */
	struct meter taken;   /* entries of data queues and rings */
	IOUserClient *client; /* the last one, borrowed */
	IOService *stopping;  /* of late_super_stop, +1 */
};

static struct fixture fixture;

static const OSMetaClass gTestDriverMetaClass, gTestClientMetaClass, gTestChildMetaClass;

#endif
