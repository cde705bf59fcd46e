/* SPDX-License-Identifier: Apache-2.0 */
#include "signal_stack.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* The kernel's frame, with the widest registers that there are, and a handler that unwinds. */
#define STACK_BYTES 65536u

void
signal_stack_use(struct signal_stack *stack)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	stack_t there = {.ss_flags = 0};
	char *memory;

	*stack = (struct signal_stack){.length = guard + STACK_BYTES};
	if (sigaltstack(NULL, &there) < 0 || !(there.ss_flags & SS_DISABLE))
		return;
	memory = mmap(NULL, stack->length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return;
	there = (stack_t){.ss_sp = memory + guard, .ss_size = STACK_BYTES};
	if (mprotect(there.ss_sp, STACK_BYTES, PROT_READ | PROT_WRITE) < 0 ||
	    sigaltstack(&there, NULL) < 0) {
		munmap(memory, stack->length);
		return;
	}
	stack->memory = memory;
}

void
signal_stack_leave(struct signal_stack *stack)
{
	static const stack_t none = {.ss_flags = SS_DISABLE};

	if (stack->memory == NULL)
		return;
	sigaltstack(&none, NULL);
	munmap(stack->memory, stack->length);
	stack->memory = NULL;
}
