/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that sees hosts go. A caller sleeps on a futex, which has no hang-up; so it sleeps in
 * steps and looks at the socket after each, or, of a connection that is watched here, for as long
 * as it takes.
 *
 * Setting the timer of a step costs a twentieth of a call whose two sides take turns on one CPU. A
 * process that sleeps seldom does not get a thread for that: who has slept HANGUPS_AFTER times on a
 * connection has it watched.
 */
#ifndef CLIENT_HANGUPS_H
#define CLIENT_HANGUPS_H

struct connection;

#define HANGUPS_AFTER 1000u /* sleeps */

/*
 * From now on the connection is `watched`: connection_check is called at its host's end, which
 * wakes its callers. Or it is not, where no thread or descriptor is to be had. Any thread, also for
 * one that is watched already.
 */
void hangups_watch(struct connection *connection);

/* fork.c: the child has no thread, and its connections are none. */
void hangups_fork_prepare(void);
void hangups_fork_parent(void);
void hangups_fork_child(void);

#endif
