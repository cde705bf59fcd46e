/* SPDX-License-Identifier: Apache-2.0 */
/* Text of another process, made fit for a terminal and a journal. */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

/* A byte takes up to four. */
#define ESCAPE_ROOM(bytes) ((bytes)*4 + 1)

/*
 * `bytes` as one line of well-formed UTF-8 without control characters: a control character (those
 * of Latin-1 and the marks that turn the direction of text included) and a byte of no sequence
 * become \xNN each, a backslash stays what it is, a tab a tab. bytes[length] is readable and is
 * NUL. `out` has ESCAPE_ROOM(length) bytes; returns its length without the NUL.
 */
size_t escape_line(char *out, const char *bytes, size_t length);

#endif
