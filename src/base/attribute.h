/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of sysfs: a file of one line each. They go with their device, at any time. */
#ifndef BASE_ATTRIBUTE_H
#define BASE_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The first line of FOLDER/NAME without its end, as much as there is room for; bytes below 0x20
 * and 0x7f come as '?', since it goes to terminals. False, and "": there is none, or it is empty.
 */
bool attribute_read(const char *folder, const char *name, char *text, size_t size);
/*
 * The number with which it begins; base 16: with or without 0x. False, and 0: there is none, or it
 * has more than 32 bits.
 */
bool attribute_read_number(const char *folder, const char *name, int base, uint32_t *ret_number);

#endif
