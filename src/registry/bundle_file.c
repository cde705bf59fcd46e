/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, with a sentence for everything that can be wrong with a file. */
#include "bundle_file.h"

#include "packet.h"
#include "plist.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLIST_MAX (1u << 20) /* bytes of an Info.plist */

static IOReturn DEXT_PRINTF(3, 4)
	fail(char error[BUNDLE_ERROR_MAX], IOReturn status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, BUNDLE_ERROR_MAX, format, arguments);
	va_end(arguments);
	return status;
}

static IOReturn
fail_errno(char error[BUNDLE_ERROR_MAX], const char *what)
{
	int number = errno;

	fail(error, kIOReturnSuccess, "%s: %s", what, strerror(number));
	return status_from_errno(number, "Info.plist");
}

static IOReturn
read_whole(int fd, void **ret_bytes, size_t *ret_length, char error[BUNDLE_ERROR_MAX])
{
	struct stat info;
	uint8_t *bytes;
	size_t length = 0;

	if (fstat(fd, &info) < 0)
		return fail_errno(error, "cannot be read");
	if (!S_ISREG(info.st_mode) || info.st_size > PLIST_MAX)
		return fail(error, kIOReturnBadArgument, "must be a file of at most %u bytes",
			    PLIST_MAX);
	bytes = malloc((size_t)info.st_size + 1);
	if (bytes == NULL)
		return fail(error, kIOReturnNoMemory, "out of memory");
	while (length < (size_t)info.st_size) {
		ssize_t got = read(fd, bytes + length, (size_t)info.st_size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			IOReturn status = fail_errno(error, "cannot be read");

			free(bytes);
			return status;
		}
		if (got == 0)
			break;
		length += (size_t)got;
	}
	*ret_bytes = bytes;
	*ret_length = length;
	return kIOReturnSuccess;
}

IOReturn
bundle_file_read(const char *file, struct plist_lines *ret_lines, OSDictionary **ret_info,
		 char error[BUNDLE_ERROR_MAX])
{
	OSObject *object = NULL;
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status;
	int fd;

	*ret_lines = (struct plist_lines){.keys = NULL};
	/* Not waiting for who writes to a pipe of that name. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return fail(error, kIOReturnNotFound,
			    "there is no such file; a bundle is a folder NAME.dext with an "
			    "Info.plist and a shared object in it");
	if (fd < 0)
		return fail_errno(error, "cannot be opened");
	status = read_whole(fd, &bytes, &length, error);
	fd_close(&fd);
	if (status != kIOReturnSuccess)
		return status;
	plist_lines_read(bytes, length, ret_lines);
	status = plist_decode(bytes, length, &object);
	free(bytes);
	if (status == kIOReturnNoMemory)
		return fail(error, status, "out of memory");
	if (status != kIOReturnSuccess)
		return fail(error, kIOReturnBadArgument,
			    "is not a property list (plistutil -i FILE shows where it breaks)");
	*ret_info = OSDynamicCast(OSDictionary, object);
	if (*ret_info == NULL) {
		OSRelease(object);
		return fail(error, kIOReturnBadArgument, "the top level must be a dictionary");
	}
	return kIOReturnSuccess;
}

char *
bundle_file_executable(const char *folder, const char *name)
{
	static const char *const suffixes[] = {"", ".so"};
	char path[PATH_MAX];
	struct stat file;

	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffixes[i]);
		if (stat(path, &file) == 0 && S_ISREG(file.st_mode))
			return strdup(path);
	}
	return NULL;
}
