/* SPDX-License-Identifier: Apache-2.0 */
/* The bits of mach that programs use beside IOKit: the task, the page size, the clock, statuses in
 * words. */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "names.h"
#include "status.h"

#include <mach/mach.h>
#include <mach/mach_time.h>

const mach_port_t mach_task_self_ = NAME_TASK_SELF;
mach_port_t bootstrap_port = NAME_BOOTSTRAP;

vm_size_t vm_page_size = 4096;
vm_size_t vm_page_mask = 4095;
int vm_page_shift = 12;

__attribute__((constructor)) static void
learn_page_size(void)
{
	int kept = errno;
	long size = sysconf(_SC_PAGESIZE);

	if (size > 0) {
		vm_page_size = (vm_size_t)size;
		vm_page_mask = vm_page_size - 1;
		vm_page_shift = __builtin_ctzl((unsigned long)size);
	}
	errno = kept;
}

char *
mach_error_string(mach_error_t status)
{
	return (char *)(uintptr_t)status_string(status);
}

char *
mach_error_type(mach_error_t status)
{
	static char types[][16] = {"(os/kern)",	     "(ipc/send)",  "(ipc/rcv)",
				   "(iokit/common)", "(iokit/usb)", "(unknown)"};

	switch (err_get_system(status)) {
	case 0:
		return types[0];
	case 4:
		return types[err_get_sub(status) == 0 ? 1 : err_get_sub(status) == 1 ? 2 : 5];
	case 0x38:
		return types[err_get_sub(status) == 0 ? 3 : err_get_sub(status) == 1 ? 4 : 5];
	default:
		return types[5];
	}
}

void
mach_error(const char *what, mach_error_t status)
{
	int kept = errno;

	fprintf(stderr, "%s: %s (0x%x)\n", what, status_string(status), (unsigned)status);
	errno = kept;
}

uint64_t
mach_absolute_time(void)
{
	return clock_now();
}

uint64_t
mach_approximate_time(void)
{
	return clock_now();
}

uint64_t
mach_continuous_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t
mach_continuous_approximate_time(void)
{
	return mach_continuous_time();
}

kern_return_t
mach_wait_until(uint64_t deadline)
{
	struct timespec until = {.tv_sec = (time_t)(deadline / NSEC_PER_SEC),
				 .tv_nsec = (long)(deadline % NSEC_PER_SEC)};

	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0 ? KERN_SUCCESS
										  : KERN_ABORTED;
}

kern_return_t
mach_timebase_info(mach_timebase_info_t info)
{
	if (info == NULL)
		return KERN_INVALID_ARGUMENT;
	*info = (struct mach_timebase_info){1, 1};
	return KERN_SUCCESS;
}
