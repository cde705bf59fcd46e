/* SPDX-License-Identifier: Apache-2.0 */
/* Between the driver (worker.c) and what it does when it is asked to (work.c). */
#ifndef TESTS_FAULTS_WORK_H
#define TESTS_FAULTS_WORK_H

#include "worker.h"

#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>

typedef struct Worker Worker;
extern const OSMetaClass gWorkerMetaClass, gWorkerUserClientMetaClass;

struct Worker_IVars {
	IOUSBHostInterface *interface;
	IOUSBHostPipe *out, *in;
	IOMemoryDescriptor *left; /* of a transfer that its Stop does not end */
};

#define ivars(self) OSObjectIVars(Worker, self)

/* One of worker.h's methods; not on the worker's own queue. */
kern_return_t worker_do(Worker *self, uint64_t method);

#endif
