/* SPDX-License-Identifier: Apache-2.0 */
/* RARE before a function that most calls of its callers do not need: it stays out of them, so that
 * they have fewer registers to save and lie closer together. */
#ifndef BASE_RARE_H
#define BASE_RARE_H

#define RARE __attribute__((noinline, cold))

#endif
