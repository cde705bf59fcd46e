/* SPDX-License-Identifier: Apache-2.0 */
/* The two classes of the test driver. */
#ifndef TESTS_INTEG_SCENARIO_DRIVER_H
#define TESTS_INTEG_SCENARIO_DRIVER_H

#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>

#include <stdatomic.h>

#include "scenario.h"

typedef struct Scenario Scenario;
typedef struct ScenarioUserClient ScenarioUserClient;

extern const OSMetaClass gScenarioMetaClass;
extern const OSMetaClass gScenarioUserClientMetaClass;

struct Scenario_IVars {
	IOUSBHostInterface *interface;
	IOUSBHostPipe *pipe;
};

/* Each on its own: nobody compares two of one moment. */
extern atomic_ullong scenario_counts[SCENARIO_COUNTS_MAX];

#endif
