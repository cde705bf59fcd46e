/* SPDX-License-Identifier: Apache-2.0 */
#include "shell.h"

#include "harness.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

char said[65536];

int
run(const char *format, ...)
{
	char line[2048];
	va_list arguments;
	size_t length;
	FILE *output;
	int status;

	setenv("ECHO", harness_bundle("ECHO_BUNDLE"), 1);
	setenv("BULK", harness_bundle("BULKSTREAM_BUNDLE"), 1);
	va_start(arguments, format);
	snprintf(line, sizeof(line), "exec 2>&1; ");
	vsnprintf(line + strlen(line), sizeof(line) - strlen(line), format, arguments);
	va_end(arguments);
	output = popen(line, "re");
	ck_assert_ptr_nonnull(output);
	length = fread(said, 1, sizeof(said) - 1, output);
	said[length] = '\0';
	status = pclose(output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void
check_said(const char *text)
{
	ck_assert_msg(strstr(said, text) != NULL, "no '%s' in:\n%s", text, said);
}
