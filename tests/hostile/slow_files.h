/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system of this process's own, which is mounted where nobody else sees it: a file that
 * can be opened, and whose close is never answered while this process lives.
 */
#ifndef TESTS_HOSTILE_SLOW_FILES_H
#define TESTS_HOSTILE_SLOW_FILES_H

/* The file, once it is prepared. */
extern int slow_file;

/* attack_is_not_here where that cannot be had. */
void slow_file_prepare(void);

#endif
