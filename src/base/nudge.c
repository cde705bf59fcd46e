/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses it: threads that close (closing.c), and methods that hang (driver/hang.c). */
#include "nudge.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUDGE SIGURG

/* Alone: what the answer looks at is ordered by itself. */
static void (*_Atomic answering)(void);

static void
on_nudge(int number)
{
	void (*answer)(void) = atomic_load(&answering);
	int error = errno;

	(void)number;
	if (answer != NULL)
		answer();
	errno = error;
}

void
nudge_begin(void)
{
	struct sigaction action = {.sa_handler = on_nudge, .sa_flags = SA_RESTART};

	sigaction(NUDGE, &action, NULL);
}

void
nudge_answer(void (*answer)(void))
{
	atomic_store(&answering, answer);
}

void
nudge_accept(void)
{
	sigset_t nudges;

	sigemptyset(&nudges);
	sigaddset(&nudges, NUDGE);
	pthread_sigmask(SIG_UNBLOCK, &nudges, NULL);
}

void
nudge_thread(pthread_t thread)
{
	pthread_kill(thread, NUDGE);
}

bool
nudge_number(pid_t thread)
{
	return syscall(SYS_tgkill, getpid(), thread, NUDGE) == 0;
}
