/* SPDX-License-Identifier: Apache-2.0 */
/* Explains the one fault that a driver's author cannot understand from a stack alone. */
#ifndef DRIVER_FAULT_H
#define DRIVER_FAULT_H

/* From now on a write to an app's input structure is logged before the process ends by it. */
void fault_explain(void);

#endif
