/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On which CPUs the two sides of a turn run that the kernel may place as it likes. By the client,
 * which notes before a turn and asks after it.
 */
#ifndef BENCH_PLACES_H
#define BENCH_PLACES_H

#include <sys/types.h>

struct place {
	int client, server; /* CPUs; -1: not known */
};

void places_note(pid_t server);
/* Since the note: where both were then, and where they are. Of the server that thread counts which
 * has run most meanwhile. */
void places_ask(pid_t server, struct place *ret_from, struct place *ret_to);

#endif
