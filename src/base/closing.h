/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing what another process chose. The last close of a file may block for as long as somebody
 * likes: a TCP socket that lingers, a file of FUSE; and so does that of a socket with such a one in
 * a packet that was not read. That of much memory takes long, too. A process that serves others
 * leaves this to threads that hold nothing.
 */
#ifndef BASE_CLOSING_H
#define BASE_CLOSING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Once, before there is a second thread, in a process that serves others. In one that has not
 * called it the functions below close at once.
 */
void closing_begin(void);

/*
 * `owner` is the user whose process sent it: of one user no more than a share of the threads is
 * kept waiting.
 *
 * Take *fd, which becomes -1 (which is allowed before, too). It is closed on return only if nothing
 * can make that wait: it is a memfd without much memory; or, of a packet socket, nothing was left
 * unread. Never block; any thread; errno is kept.
 */
void fd_close_foreign(int *fd, uint32_t owner);
/* The same; when it is closed, then(value) is called, by whoever closes. */
void fd_close_foreign_then(int *fd, uint32_t owner, void (*then)(uint64_t value), uint64_t value);
void socket_close_foreign(int *socket, uint32_t owner);

/*
 * False: DEXT_LIMIT_CLOSING_USER of what this user has sent wait to be closed, or more. Whoever
 * serves the user reads no more of it then, but ends the connection: what is left in a socket is
 * closed with that, which waits for no file system.
 */
bool closing_has_room(uint32_t owner);

#define CLOSING_NOBODY UINT32_MAX /* the owner of what no app has sent, or nobody knows which */

#endif
