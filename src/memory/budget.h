/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory this process may share, where the kernel would end it for more (`dextd
 * --memory-max`): buffers, apps' memory that it holds, call pages, completions that wait. An app's
 * memory counts as well, because who touches a page first is charged for it.
 *
 * Memory counts from when it is made and not from when it is touched: what was made can be touched
 * without a way to refuse. Any thread.
 */
#ifndef MEMORY_BUDGET_H
#define MEMORY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* 0, and before it is called: as much as there is. */
void budget_set(uint64_t bytes);
/* False: that would be more than there may be; the log says so. */
bool budget_take(uint64_t bytes);
void budget_give(uint64_t bytes);

#endif
