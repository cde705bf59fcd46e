/* SPDX-License-Identifier: Apache-2.0 */
/* ERRNO_KEPT at the top of a public function: errno is on return what it was at the call. */
#ifndef CLIENT_ERRNO_KEPT_H
#define CLIENT_ERRNO_KEPT_H

#include <errno.h>

static inline void
errno_restore(const int *kept)
{
	errno = *kept;
}

#define ERRNO_KEPT __attribute__((cleanup(errno_restore), unused)) const int errno_kept_here = errno

#endif
