/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names methods of the driver that do not return: after a bound the log has a line with the class,
 * the method and for how long, and the stack of the thread that runs it. Once for each call.
 *
 *	hang_start(loop, bound);	once, before the sandbox
 *	mark = hang_begin(class, "ExternalMethod", selector);
 *	... the method ...
 *	hang_end(mark);
 */
#ifndef DRIVER_HANG_H
#define DRIVER_HANG_H

#include <stdint.h>

#include "loop.h"

/* Of a driver whose personality says nothing (DextMethodMilliseconds). */
#define HANG_BOUND_MSEC 5000u

/* What this thread was in before: methods that are called from a method. */
#define HANG_NO_SELECTOR UINT64_MAX

struct hang_mark {
	const char *class_name;
	const char *method;
	uint64_t selector;
};

/* Nothing is watched before it, or with a bound of 0 ns. */
void hang_start(struct loop *loop, uint64_t bound);
/* Before the loop is destroyed. */
void hang_stop(void);

/*
 * Around a method, on its thread; the strings stay. No system call, no clock and no shared line,
 * but for the first method after a pause.
 */
struct hang_mark hang_begin(const char *class_name, const char *method, uint64_t selector);
void hang_end(struct hang_mark mark);

#endif
