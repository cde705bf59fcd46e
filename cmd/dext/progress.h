/* SPDX-License-Identifier: Apache-2.0 */
/* The progress bar on standard error; nothing at all unless that is a terminal. */
#ifndef DEXT_PROGRESS_H
#define DEXT_PROGRESS_H

struct transfer;

/* Draws it, at most ten times a second. */
void progress_show(const struct transfer *transfer);
/* Wipes it, so that a line can be printed. */
void progress_clear(void);

#endif
