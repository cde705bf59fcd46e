/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to standard error; see dext.h. */
#include "dext.h"

#include <stdarg.h>
#include <stdio.h>

void
complain(const char *command, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "dext %s: %s\n", command, text);
}

int
usage_error(const char *command, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "dext %s: %s; `dext %s --help` shows how\n", command, text, command);
	return DEXT_EXIT_USAGE;
}
