/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNCANCELLED at the top of a function: pthread_cancel does nothing to its thread until it returns,
 * so that no lock stays held and no slot is lost. On macOS these functions are no cancellation
 * points either.
 */
#ifndef CLIENT_UNCANCELLED_H
#define CLIENT_UNCANCELLED_H

#include <pthread.h>

static inline int
cancellation_off(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void
cancellation_restore(const int *before)
{
	pthread_setcancelstate(*before, NULL);
}

#define UNCANCELLED                                                                            \
	__attribute__((cleanup(cancellation_restore), unused)) const int cancellation_before = \
		cancellation_off()

#endif
