/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext: one command, its subcommands in a table. Help goes to standard output when it was asked
 * for, errors to standard error; the exit statuses are those of dext.h.
 */
#include "dext.h"

#include "log.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
	const char *name;
	const char *summary;
	int (*main)(int argc, char **argv); /* NULL: a program of its own, dext-NAME */
} commands[] = {
	{"run", "run drivers in the foreground, and a command that uses them", run_main},
	{"new", "make a driver with an app and a test, ready to build", new_main},
	{"doctor", "what this system has of what OpenDext needs, and what to do", doctor_main},
	{"lint", "check driver bundles, without running them", lint_main},
	{"list", "list the services that can be opened", list_main},
	{"logs", "what drivers have logged, and where they crashed", logs_main},
	{"trace", "what drivers do: each call, completion and transfer", trace_main},
	{"capture", "write the USB traffic of drivers into a file for Wireshark", capture_main},
	{"tree", "show the registry: devices, interfaces, services, properties", NULL},
	{"top", "how busy drivers, their clients and their pipes are", NULL},
	{"devices", "list the USB devices that are plugged, and who has them", NULL},
	{"bind", "have a USB device served by bulkstream, without driver code", bind_main},
	{"unbind", "take that back", unbind_main},
	{"plug", "plug a virtual device into the running registry", plug_main},
	{"unplug", "unplug one", unplug_main},
	{"send", "send a file, or standard input, through a BulkStream service", send_main},
	{"recv", "receive into a file, or to standard output", recv_main},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/*
 * Somebody may have started us without a standard input, output or error. The next descriptor that
 * is opened would get the number, and received data would go into the registry's socket. What takes
 * the place refuses reads and writes the way a closed descriptor does.
 */
static bool
fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	}
	return true;
}

static void
help(FILE *to)
{
	fprintf(to, "usage: dext [-q | -v] COMMAND [ARGUMENT...]\n\n");
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-7s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\n`dext COMMAND --help` tells more. -q: no log, -v: more of it.\n\n"
		    "Exit status: 0 success, 1 error, 2 wrong command line, 3 no such driver or "
		    "service,\n"
		    "4 refused, 5 device or driver failed, 6 data differ, 7 a file cannot be read "
		    "or written,\n"
		    "130 interrupted. `dext run ... -- COMMAND` ends with COMMAND's own status.\n"
		    "OPENDEXT_RUNTIME_DIR says where the registry is, OPENDEXT_LOG=debug shows "
		    "more.\n");
}

static int
execute(const char *name, char **argv)
{
	char program[32], path[PATH_MAX];

	snprintf(program, sizeof(program), "dext-%s", name);
	if (program_find(program, path, sizeof(path)))
		execv(path, argv);
	complain(name, "%s cannot be executed (%s); is the installation complete?", path,
		 strerror(errno));
	return DEXT_EXIT_ERROR;
}

/* -q and -v before the command, for it and all that it starts. False: the word is neither. */
static bool
set_log(const char *word)
{
	const char *level = NULL;

	if (strcmp(word, "-q") == 0 || strcmp(word, "--quiet") == 0)
		level = "off";
	else if (strcmp(word, "-v") == 0 || strcmp(word, "--verbose") == 0)
		level = "info";
	return level != NULL && setenv("OPENDEXT_LOG", level, 1) == 0;
}

int
main(int argc, char **argv)
{
	const char *name;

	if (!fill_standard_descriptors())
		return DEXT_EXIT_ERROR;
	for (; argc > 1 && set_log(argv[1]); argc--)
		argv++;
	name = argc > 1 ? argv[1] : NULL;
	if (name == NULL) {
		help(stderr);
		return DEXT_EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		help(stdout);
		return DEXT_EXIT_OK;
	}
	if (strcmp(name, "--version") == 0) {
		printf("dext %s\n", OPENDEXT_VERSION);
		return DEXT_EXIT_OK;
	}
	log_set_level(LOG_LEVEL_ERROR);
	log_set_name("dext");
	for (unsigned i = 0; i < COMMANDS; i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		if (commands[i].main == NULL)
			return execute(name, argv + 1);
		return commands[i].main(argc - 1, argv + 1);
	}
	fprintf(stderr, "dext: there is no command '%s'; `dext --help` lists them\n", name);
	return DEXT_EXIT_USAGE;
}
