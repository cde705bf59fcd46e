/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal to one thread of this process: it ends a wait in the kernel that a signal can end, and
 * the thread may be asked to do something in its handler. SIGURG, whose default is to do nothing:
 * one that comes late, or from elsewhere, harms nobody. This file alone sets its handler.
 *
 *	nudge_begin();			before there is a second thread
 *	nudge_answer(take_stack);	what a nudged thread does; async-signal-safe. NULL: nothing
 *	nudge_accept();			in a thread: those of a loop block all signals
 *	nudge_thread(thread);
 *
 * A system call that it interrupts is restarted where the kernel does that.
 */
#ifndef BASE_NUDGE_H
#define BASE_NUDGE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

void nudge_begin(void);
void nudge_answer(void (*answer)(void));
void nudge_accept(void);
void nudge_thread(pthread_t thread);
/* The same by its number; false: there is no such thread any more. */
bool nudge_number(pid_t thread);

#endif
