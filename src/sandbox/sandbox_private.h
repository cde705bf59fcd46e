/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the sandbox. Each is kIOReturnUnsupported where the kernel or the build lacks it. */
#ifndef SANDBOX_SANDBOX_PRIVATE_H
#define SANDBOX_SANDBOX_PRIVATE_H

#include <DriverKit/IOReturn.h>

/* files.c. *ret_abi: Landlock's version, for the log. */
IOReturn files_restrict(const char *bundle, const char *executable, int *ret_abi);

/* calls.c. *ret_count: how many system calls are left, for the log. */
IOReturn calls_restrict(unsigned *ret_count);

/*
 * A sanitizer's runtime reads /proc, writes reports and stops the process's threads from another
 * process when it looks for leaks: under one there is no sandbox.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

#endif
