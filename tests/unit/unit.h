/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a unit test program is made of: UNIT_MAIN lists the tests, each of which Check runs in a
 * forked process with a deadline, and UNIT_LOOP_MAIN says how often, too; unit_child runs a body in
 * a further process, for what is meant to die. CK_RUN_CASE=name runs one test alone. UNIT_NOT is a
 * file of tests that cannot run here, in lines of a program's name and a test's; a test that is
 * named there and does not exist fails the program.
 *
 *	START_TEST(adds) { ck_assert_int_eq(1 + 1, 2); } END_TEST
 *	UNIT_MAIN("sums", adds)
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef UNIT_TIMEOUT_SEC
#define UNIT_TIMEOUT_SEC 30
#endif

struct unit_test {
	const TTest *test;
	int times; /* with _i from 0 */
};

/* Puts NULL in the place of each test that UNIT_NOT names. */
static inline void
unit_leave_out(struct unit_test *tests, size_t count)
{
	const char *path = getenv("UNIT_NOT");
	FILE *file = path != NULL ? fopen(path, "re") : NULL;
	char line[256], program[64], test[128];

	if (path != NULL && file == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		size_t i = 0;

		if (sscanf(line, "%63s %127s", program, test) != 2 ||
		    strcmp(program, program_invocation_short_name) != 0)
			continue;
		while (i < count &&
		       (tests[i].test == NULL || strcmp(tests[i].test->name, test) != 0))
			i++;
		if (i == count) {
			fprintf(stderr, "%s: %s has no test %s\n", path, program, test);
			exit(EXIT_FAILURE);
		}
		tests[i].test = NULL;
	}
	if (file != NULL)
		fclose(file);
}

static inline int
unit_run(const char *name, struct unit_test *tests, size_t count)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	unit_leave_out(tests, count);
	for (size_t i = 0; i < count; i++) {
		TCase *tcase;

		if (tests[i].test == NULL)
			continue;
		tcase = tcase_create(tests[i].test->name);
		tcase_set_timeout(tcase, UNIT_TIMEOUT_SEC);
		tcase_add_loop_test(tcase, tests[i].test, 0, tests[i].times);
		suite_add_tcase(suite, tcase);
	}
	runner = srunner_create(suite);
	/* The report: TAP to CK_TAP_LOG_FILE_NAME, as Meson sets it. */
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_MAIN(name, ...)                                                                   \
	int main(void)                                                                         \
	{                                                                                      \
		const TTest *const unit_once[] = {__VA_ARGS__};                                \
		struct unit_test unit_tests[sizeof(unit_once) / sizeof(unit_once[0])];         \
                                                                                               \
		for (size_t i = 0; i < sizeof(unit_once) / sizeof(unit_once[0]); i++)          \
			unit_tests[i] = (struct unit_test){unit_once[i], 1};                   \
		return unit_run(name, unit_tests, sizeof(unit_tests) / sizeof(unit_tests[0])); \
	}

/* Of pairs: UNIT_LOOP_MAIN("sums", {adds, 1}, {adds_each, EACH}) */
#define UNIT_LOOP_MAIN(name, ...)                                                              \
	int main(void)                                                                         \
	{                                                                                      \
		struct unit_test unit_tests[] = {__VA_ARGS__};                                 \
                                                                                               \
		return unit_run(name, unit_tests, sizeof(unit_tests) / sizeof(unit_tests[0])); \
	}

/*
 * Runs body(context) in a child and returns its wait status; a body that returns is exit code 0.
 * What the child writes to standard error is in `text`, NUL terminated, cut at `size`; text may be
 * NULL. Signals have their default action in the child, so that a sanitizer's handler does not
 * stand for the death that is looked for.
 */
static inline int
unit_child(void (*body)(void *context), void *context, char *text, size_t size)
{
	int ends[2], status = -1;
	size_t used = 0;
	char rest[256];
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		body(context);
		_exit(0);
	}
	close(ends[1]);
	for (;;) {
		bool keep = text != NULL && used + 1 < size;
		ssize_t got = read(ends[0], keep ? text + used : rest,
				   keep ? size - used - 1 : sizeof(rest));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		if (keep)
			used += (size_t)got;
	}
	if (text != NULL && size > 0)
		text[used] = '\0';
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* How many descriptors this process has open, to compare with how many it had. */
static inline unsigned
unit_count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	ck_assert_ptr_nonnull(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* Whether something is mapped there; an address of a page. */
static inline bool
unit_is_mapped(const void *address)
{
	return msync((void *)(uintptr_t)address, 1, MS_ASYNC) == 0 || errno != ENOMEM;
}

/* Whether a wait status of unit_child says: killed by this signal. */
static inline bool
unit_killed_by(int status, int number)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == number;
}

#endif
