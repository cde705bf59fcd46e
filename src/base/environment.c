/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environment variables. The only file that calls getenv, so `grep getenv` shows what can be set.
 * An empty value counts as none. A set-user-ID program does not listen to its caller's environment.
 * Any thread, as long as nobody calls setenv at the time.
 */
#include "environment.h"

#include <stdlib.h>
#include <unistd.h>

static const char *
look(const char *name)
{
	const char *value = secure_getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *
environment_runtime_dir(void)
{
	return look("OPENDEXT_RUNTIME_DIR");
}

const char *
environment_user_runtime_dir(void)
{
	return look("XDG_RUNTIME_DIR");
}

const char *
environment_log(void)
{
	return look("OPENDEXT_LOG");
}

const char *
environment_spin(void)
{
	return look("OPENDEXT_SPIN");
}

const char *
environment_temporary_dir(void)
{
	return look("TMPDIR");
}

const char *
environment_test_shuffle(void)
{
	return look("OPENDEXT_TEST_SHUFFLE");
}

const char *
environment_test_timeout(void)
{
	return look("OPENDEXT_TEST_TIMEOUT");
}

const char *
environment_notify_socket(void)
{
	return look("NOTIFY_SOCKET");
}

/* 0 for what is no number. */
static unsigned long
look_number(const char *name)
{
	const char *value = look(name);
	char *end = NULL;
	unsigned long number = value != NULL ? strtoul(value, &end, 10) : 0;

	return end != NULL && *end == '\0' ? number : 0;
}

unsigned
environment_descriptors(const char **ret_names)
{
	const char *names = look("LISTEN_FDNAMES");
	unsigned long count = look_number("LISTEN_FDS");

	if (look_number("LISTEN_PID") != (unsigned long)getpid())
		return 0;
	*ret_names = names != NULL ? names : "";
	return count <= ENVIRONMENT_FDS_MAX ? (unsigned)count : 0;
}
