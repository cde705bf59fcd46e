/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYS_FUTEX: the futex call that takes a timeout as this build's struct timespec is: on 32 bits the
 * older call has seconds of 32 bits.
 */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#ifdef SYS_futex_time64
#define SYS_FUTEX (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define SYS_FUTEX SYS_futex
#endif

#endif
