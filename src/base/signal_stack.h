/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second stack for a thread, on which handlers with SA_ONSTACK run: a thread that has used up its
 * own could not run any.
 */
#ifndef BASE_SIGNAL_STACK_H
#define BASE_SIGNAL_STACK_H

#include <stddef.h>

struct signal_stack {
	void *memory; /* NULL: none is ours */
	size_t length;
};

/*
 * Gives the calling thread one. Where there is one already, as a sanitizer's, or no memory, the
 * thread goes on with what it has.
 */
void signal_stack_use(struct signal_stack *stack);
/* Takes it back, on the same thread. */
void signal_stack_leave(struct signal_stack *stack);

#endif
