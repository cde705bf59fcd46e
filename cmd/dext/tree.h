/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Property values as `dext tree` shows them: one line in ioreg's notation, or JSON.
 *
 *	a string "x", a number 12, a boolean Yes or No, data <00ff>, an array (1,2), a dictionary
 *	{"key"=1}
 */
#ifndef DEXT_TREE_H
#define DEXT_TREE_H

#include <stdbool.h>
#include <stdio.h>

#include <CoreFoundation/CoreFoundation.h>
#include <json-c/json.h>

/* hex: numbers as 0x12. */
void tree_print_value(FILE *to, CFTypeRef value, bool hex);
/*
 * The caller owns it. Data becomes a string of hexadecimal digits; whole numbers stay numbers up to
 * 64 bits.
 */
struct json_object *tree_json_value(CFTypeRef value);

/* The keys of a dictionary, sorted; the caller frees the array, not the keys. NULL: no memory. */
CFStringRef *tree_sorted_keys(CFDictionaryRef dictionary);
/*
 * tree_drivers.c: lines about the entry's drivers that crashed, with their last words if `log`; the
 * caller frees them. NULL: there is none.
 */
char *tree_drivers_text(CFDictionaryRef properties, bool log);

/* Into `text`, cut off if it has no room; "" for what is no string. */
const char *tree_text(CFTypeRef string, char *text, size_t size);

#endif
