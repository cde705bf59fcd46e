/* SPDX-License-Identifier: Apache-2.0 */
/*
 * They are beside this program in a build folder, in libexec once installed, wherever the prefix
 * was moved to.
 */
#include "program.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool
program_find(const char *name, char *path, size_t size)
{
	static const char *const places[] = {"", "../libexec/"};
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (length > 0) {
		self[length] = '\0';
		slash = strrchr(self, '/');
		for (unsigned i = 0; slash != NULL && i < 2; i++) {
			snprintf(path, size, "%.*s/%s%s", (int)(slash - self), self, places[i],
				 name);
			if (access(path, X_OK) == 0)
				return true;
		}
	}
	snprintf(path, size, "%s/%s", OPENDEXT_LIBEXECDIR, name);
	return access(path, X_OK) == 0;
}
