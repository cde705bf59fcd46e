/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver's crash leaves in its log: the signal, the place, and the calls that led to it. */
#ifndef DRIVER_FAULT_H
#define DRIVER_FAULT_H

/* From now on. Before the sandbox. */
void fault_explain(void);
/* Modules were loaded: the driver's. */
void fault_note_modules(void);

#endif
