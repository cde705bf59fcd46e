/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that a thread which spins has let go together with others, as nothing came from any
 * of them: who spins next takes them back. Any thread.
 */
#ifndef DRIVER_FORMERS_H
#define DRIVER_FORMERS_H

#include <stdbool.h>
#include <stdint.h>

struct connection;

struct former {
	struct connection *connection; /* +1 */
	uint64_t since;		       /* when its client rang, or it had something */
};

/* Takes a reference. One that has ended is not added; of one that is there `since` is new. */
void formers_add_take(struct connection *connection, uint64_t since);
/* For a connection that has ended. */
void formers_forget(struct connection *connection);
bool formers_any(void);
/* With its reference. False: there is none. */
bool formers_take(struct former *ret_former);

#endif
