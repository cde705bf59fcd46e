/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing what another process chose. The last close of a file may block for as long as somebody
 * likes: a TCP socket that lingers, a file of FUSE; and so does that of a socket with such a one in
 * a packet that was not read. A process that serves others leaves this to threads that hold
 * nothing.
 */
#ifndef BASE_CLOSING_H
#define BASE_CLOSING_H

/*
 * Once, before there is a second thread, in a process that serves others. In one that has not
 * called it the functions below close at once.
 */
void closing_begin(void);

/*
 * Take *fd, which becomes -1 (which is allowed before, too). It is closed on return only if nothing
 * can make that wait: it is a memfd; or, of a packet socket, nothing was left unread. Never block;
 * any thread; errno is kept.
 */
void fd_close_foreign(int *fd);
void socket_close_foreign(int *socket);

#endif
