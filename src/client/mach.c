/* SPDX-License-Identifier: Apache-2.0 */
/* The bits of mach that programs use beside IOKit: the task, the page size, statuses in words. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "names.h"
#include "status.h"

#include <mach/mach.h>

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
