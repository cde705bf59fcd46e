/* SPDX-License-Identifier: Apache-2.0 */
/* By posix_spawn, which needs nothing of the libraries that are tested. */
#include "command.h"

#include "attempt.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARIABLES_MAX 128

static void
copy_environment(bool tested, char *copy[VARIABLES_MAX])
{
	unsigned count = 0;

	for (char **at = environ; *at != NULL && count < VARIABLES_MAX - 1; at++)
		if (tested || strncmp(*at, "LD_PRELOAD=", 11) != 0)
			copy[count++] = *at;
	copy[count] = NULL;
}

pid_t
command_start(const char *const arguments[], bool tested, int *ret_output)
{
	posix_spawn_file_actions_t actions;
	char *environment[VARIABLES_MAX];
	int ends[2] = {-1, -1};
	pid_t pid = -1;

	copy_environment(tested, environment);
	CHECK(arguments[0] != NULL);
	CHECK(ret_output == NULL || pipe2(ends, O_CLOEXEC) == 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (ret_output != NULL)
		posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	CHECK(posix_spawn(&pid, arguments[0], &actions, NULL, (char **)(uintptr_t)arguments,
			  environment) == 0);
	posix_spawn_file_actions_destroy(&actions);
	if (ret_output != NULL) {
		close(ends[1]);
		*ret_output = ends[0];
	}
	return pid;
}

int
command_end(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0)
		;
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}
