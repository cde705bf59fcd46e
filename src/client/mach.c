/* SPDX-License-Identifier: Apache-2.0 */
/* The bits of mach that programs use beside IOKit: the task, the page size, the clock, statuses in
 * words. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "names.h"
#include "status.h"

#include <mach/mach.h>
#include <mach/mach_time.h>

const mach_port_t mach_task_self_ = NAME_TASK_SELF;

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

kern_return_t
mach_timebase_info(mach_timebase_info_t info)
{
	if (info == NULL)
		return KERN_INVALID_ARGUMENT;
	*info = (struct mach_timebase_info){1, 1};
	return KERN_SUCCESS;
}
