/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a memfd in the place of an app's private pages while other threads use them, and back.
 */
#ifndef CLIENT_ADOPT_H
#define CLIENT_ADOPT_H

#include <stdint.h>

#include <DriverKit/IOReturn.h>

struct sharing;

struct adoption {
	char *address; /* the pages: whole ones, plain memory (maps_why_not_plain) */
	uint64_t length;
	int fd;
	uint64_t offset; /* of the pages in the file */
	char *window;	 /* the same part of the file, mapped read-write */
	/*
	 * What the pages contained when they and the file were last the same: where they differ
	 * from it the app has written meanwhile, and that goes into the file; everything else in
	 * the file is left, since the driver may have written it. NULL: the pages go into the file
	 * as they are.
	 */
	const char *base;
};

/*
 * From success on the pages are the file, and no write of any thread was lost. On an error the
 * pages are untouched. kIOReturnUnsupported: no userfaultfd. A system call of another thread that
 * touches the pages during the move (microseconds for a page) waits, or, where the kernel gives
 * this process only the userfaultfd that needs no privilege, fails with EFAULT. The sharing lock is
 * held.
 */
IOReturn adopt_pages(const struct adoption *adoption);

/* Private memory of the same content again, if the file is still mapped there. The sharing lock is
 * held. */
void adopt_undo(const struct sharing *sharing);

#endif
