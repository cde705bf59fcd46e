/* SPDX-License-Identifier: Apache-2.0 */
/* Commands as a user types them, for tests of what they say and of how they end. */
#ifndef TESTS_INTEG_SHELL_H
#define TESTS_INTEG_SHELL_H

#include <dext_cdefs.h>

/* What the last command wrote to both outputs. */
extern char said[65536];

/* Runs a shell command line in which $DEXT, $ECHO, $BULK stand for themselves; how it ended. */
int run(const char *format, ...) DEXT_PRINTF(1, 2);
/* The test fails unless the text was said. */
void check_said(const char *text);

#endif
