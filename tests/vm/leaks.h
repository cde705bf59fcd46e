/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine's processes hold: which there are, their descriptors, how many of these are
 * memory, and what usbfs has left of its limit. After a case it has to be what it was before.
 */
#ifndef TESTS_VM_LEAKS_H
#define TESTS_VM_LEAKS_H

#include <stdbool.h>

/* Takes what is held now as what it should be. */
void leaks_begin(void);
/* Waits until it is so again; false: it did not become so, and is printed. True if nothing was
 * taken. */
bool leaks_check(void);
void leaks_end(void);

#endif
