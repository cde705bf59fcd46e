/* SPDX-License-Identifier: Apache-2.0 */
/* What a forked child gets in the place of memory that its parent shares with drivers. */
#ifndef CLIENT_SNAPSHOT_H
#define CLIENT_SNAPSHOT_H

struct sharing;

/* All with the sharing lock held. */

/* Before the fork. Without the memory for it sharing->snapshot stays NULL. */
void snapshot_take(struct sharing *sharing);
/* After it, in the parent. */
void snapshot_drop(struct sharing *sharing);
/*
 * After it, in the child, which is alone: wherever the file is mapped shared there is private
 * memory of the same content from then on. Allocates nothing.
 */
void snapshot_place(struct sharing *sharing);

#endif
