/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process says in its log. From said_listen to said_expect standard error is a file, so
 * no longer than it takes to say it: what else is written meanwhile is for nobody.
 *
 *	said_listen();
 *	ck_assert_int_eq(one_too_many(), kIOReturnNoResources);
 *	said_expect("DEXT_LIMIT_THINGS");
 */
#ifndef TESTS_UNIT_SAID_H
#define TESTS_UNIT_SAID_H

#include "unit.h"

#include <ctype.h>
#include <poll.h>

#include "log.h"

static int said_file = -1, said_before = -1;

static inline void
said_listen(void)
{
	log_set_level(LOG_LEVEL_INFO);
	said_before = dup(STDERR_FILENO);
	said_file = memfd_create("said", MFD_CLOEXEC);
	ck_assert_int_ge(said_before, 0);
	ck_assert_int_ge(said_file, 0);
	ck_assert_int_ge(dup2(said_file, STDERR_FILENO), 0);
}

/* Whether it is there and is no part of a longer name. */
static inline bool
said_has(const char *said, const char *text)
{
	const char *end;

	for (; (said = strstr(said, text)) != NULL; said++) {
		end = said + strlen(text);
		if (*end != '_' && !isalnum((unsigned char)*end))
			return true;
	}
	return false;
}

/* It is said, or will be: another thread may be about to. */
static inline void
said_expect(const char *text)
{
	static char said[1 << 16];
	bool found = false;

	for (unsigned i = 0; i < 10000 && !found; i++) {
		ssize_t length = pread(said_file, said, sizeof(said) - 1, 0);

		ck_assert_int_ge(length, 0);
		said[length] = '\0';
		found = said_has(said, text);
		if (!found)
			poll(NULL, 0, 1);
	}
	dup2(said_before, STDERR_FILENO);
	close(said_before);
	close(said_file);
	ck_assert_msg(found, "no '%s' in '%s'", text, said);
}

#endif
