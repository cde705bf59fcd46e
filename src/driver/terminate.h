/* SPDX-License-Identifier: Apache-2.0 */
/* Between service_life.c and terminate.c. */
#ifndef DRIVER_TERMINATE_H
#define DRIVER_TERMINATE_H

#include "service.h"

/* Calls Stop on the service's queue and detaches it when that has ended. Once. */
void service_stop(IOService *self);
/* A child was detached, or Start has returned: the end of the service may be waiting for that. */
void service_may_stop(IOService *self);

#endif
