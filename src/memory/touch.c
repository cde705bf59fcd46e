/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel is asked to read or write a word of each page, by the futex call, since that is the
 * one that does no more than that, does it atomically and is allowed in a sandbox: a wait for a
 * value that has come before it began, and a wake-up of nobody whose operation is an or with 0.
 *
 * Any thread.
 */
#include "touch.h"

#include "futex.h"
#include "memfd.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

int
touch_to_read(const void *pages, uint64_t length)
{
	static const struct timespec at_once = {0, 0};

	for (uint64_t at = 0; at < length; at += page_size())
		if (syscall(SYS_FUTEX, (const char *)pages + at, FUTEX_WAIT_PRIVATE, 0, &at_once,
			    NULL, 0) < 0 &&
		    errno == EFAULT)
			return EFAULT;
	return 0;
}

int
touch_to_write(void *pages, uint64_t length)
{
	static uint32_t nobody; /* waits here */

	for (uint64_t at = 0; at < length; at += page_size())
		if (syscall(SYS_FUTEX, &nobody, FUTEX_WAKE_OP_PRIVATE, 0, NULL, (char *)pages + at,
			    FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0)) < 0)
			return errno;
	return 0;
}
