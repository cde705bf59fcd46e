/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large input structure is mapped read-only, as on macOS; on macOS, too, a write to it ends the
 * driver. The handler says what to do instead, puts the earlier action back and returns: the same
 * instruction faults again, and the process ends as it would have without us, core and sanitizer
 * report included.
 *
 * It runs on the thread that faulted, in the driver's own code, not inside the log or malloc; so
 * the log may be used.
 */
#include "fault.h"

#include "log.h"
#include "readonly.h"

#include <signal.h>
#include <stddef.h>

static struct sigaction before;

static void
explain(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (readonly_contains(info->si_addr))
		log_error(
			"the driver wrote to an app's input structure, at %p: that is mapped "
			"read-only. What the driver is to fill in, the app must pass as the output "
			"structure",
			info->si_addr);
	sigaction(number, &before, NULL);
}

void
fault_explain(void)
{
	struct sigaction action = {.sa_sigaction = explain, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &before);
}
