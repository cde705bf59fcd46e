/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which line of an XML property list a key stands, for messages to those who wrote it. libplist
 * does not say.
 *
 *	plist_lines_read(bytes, length, &lines);
 *	line = plist_line_of(&lines, "IOKitPersonalities:Echo:idVendor");
 *	plist_lines_free(&lines);
 */
#ifndef BASE_PLIST_LINES_H
#define BASE_PLIST_LINES_H

#include <stddef.h>

#define PLIST_LINES_MAX	     4096u /* keys; of further ones the line is not known */
#define PLIST_LINES_PATH_MAX 512u  /* bytes of a path, its NUL included; likewise */

struct plist_key {
	char *path;	     /* keys from the root, with colons between, as PlistBuddy has it */
	unsigned line;	     /* from 1 */
	unsigned dictionary; /* which <dict> it is in: those with the same path may be several */
	unsigned first;	     /* 0, or the line where the same dictionary has this key already */
};

struct plist_lines {
	struct plist_key *keys; /* in the order of the file */
	size_t count;
};

/* A list that is broken or binary has the keys that were found until then, or none. */
void plist_lines_read(const void *bytes, size_t length, struct plist_lines *ret_lines);
void plist_lines_free(struct plist_lines *lines);

/*
 * The line of the key; where it is missing that of the dictionary that should have it, and so on to
 * the root, which is line 1. 0: no lines are known.
 */
unsigned plist_line_of(const struct plist_lines *lines, const char *path);

#endif
