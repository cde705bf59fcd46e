/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private runtime directory of `dext run`. It is locked as long as its owner lives, so that one
 * whose owner was killed can be told from one in use.
 */
#ifndef DEXT_RUNTIME_DIR_H
#define DEXT_RUNTIME_DIR_H

#include <stdbool.h>

#define RUNTIME_DIR_MAX 64

struct runtime_dir {
	char path[RUNTIME_DIR_MAX]; /* "": there is none */
	int fd;			    /* the lock; -1 */
};

/* Makes one, mode 0700, and removes those of dead owners. False: errno says why. */
bool runtime_dir_make(struct runtime_dir *dir);
/* Removes it; it is empty by now. False: errno says why. Without one it does nothing. */
bool runtime_dir_remove(struct runtime_dir *dir);

#endif
