/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What MADV_POPULATE_READ and MADV_POPULATE_WRITE do, for a kernel before 5.14, which knows
 * neither: an error where a plain access would be a fault that ends the process.
 */
#ifndef MEMORY_TOUCH_H
#define MEMORY_TOUCH_H

#include <stdint.h>

/*
 * Whole pages. 0, or an errno: EFAULT where one cannot be read, or written. A written page has the
 * bytes that it had, even if others write there now.
 */
int touch_to_read(const void *pages, uint64_t length);
int touch_to_write(void *pages, uint64_t length);

#endif
