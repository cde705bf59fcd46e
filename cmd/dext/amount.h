/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers on command lines. */
#ifndef DEXT_AMOUNT_H
#define DEXT_AMOUNT_H

#include <stdbool.h>
#include <stdint.h>

/* "64", "64K", "1M", "2G", with or without "iB": binary multiples. False: it is none. */
bool amount_parse(const char *text, uint64_t *ret_amount);

#endif
