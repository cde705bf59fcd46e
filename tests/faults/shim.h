/* SPDX-License-Identifier: Apache-2.0 */
/* Between the functions that stand before the real ones (calls.c) and what decides (shim.c). */
#ifndef TESTS_FAULTS_SHIM_H
#define TESTS_FAULTS_SHIM_H

#include "page.h"

#include <stdbool.h>

/* The errno with which this call fails; 0: it does not. `can_fail`: used in this way it could. */
int fault_here(const void *caller, bool can_fail);
/* What has been allocated there, and what has been freed by whomever. */
void fault_allocated(const void *caller, const void *address);
void fault_freed(const void *address);
/* For the app: how often a fault has happened. */
uint32_t faults_fired(void);

#endif
