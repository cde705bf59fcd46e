/* SPDX-License-Identifier: Apache-2.0 */
/* Names for the addresses of a crash. */
#ifndef DEXT_SYMBOL_H
#define DEXT_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * `line` is one of a driver's log. Where it ends with "PATH+0xOFFSET", " (FUNCTION+OFFSET)" is
 * written to `text`, else "". The line is not to be trusted: PATH is opened only if it is a regular
 * file, and every number in it is checked.
 */
void symbol_of_line(const char *line, char *text, size_t size);

#endif
