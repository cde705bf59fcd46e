/* SPDX-License-Identifier: Apache-2.0 */
/* dext top: its command line, and reports one after the other; see top.h. */
#include "top.h"

#include "ask.h"
#include "dext.h"

#include "log.h"

#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help_text[] =
	"usage: dext top [--once | --batch [--count N]] [--json] [--interval SECONDS]\n"
	"                [--sort KEY] [DRIVER]\n"
	"\n"
	"Shows how busy drivers are, each with its clients and its pipes: MiB and transfers of\n"
	"pipes, calls and entries of rings in a second, CPU time of the driver's process, calls "
	"and\n"
	"transfers under way, how long they took (half of them, and 99 of 100, at most), and the\n"
	"limit of which most is used. DRIVER is a bundle's identifier, a class, or a number that\n"
	"`dext logs` shows; without it all drivers. For drivers that you may open.\n"
	"\n"
	"  --once              one report of one interval, and end\n"
	"  --batch             a report after each interval, until Ctrl-C\n"
	"  --count N           or until there were so many\n"
	"  --json              reports are lines of JSON; with --batch or --once\n"
	"  --interval SECONDS  0.1 to 3600; 1\n"
	"  --sort KEY          bytes (the default), calls, cpu, latency or name\n"
	"\n"
	"On the screen: q ends, p pauses, b c u l n sort by bytes, calls, cpu, latency, name,\n"
	"+ and - change the interval, arrows scroll, h shows the keys.\n"
	"\n"
	"Drivers count while somebody looks, and what they counted costs nothing else.\n"
	"\n"
	"Examples:\n"
	"  dext top                                        the screen\n"
	"  dext top --once --json | jq '.drivers[].mibPerSecond'\n"
	"  dext top --batch --interval 10 org.opendext.bulkstream >> log\n"
	"\n"
	"Exit status: 0, 2 wrong command line, or no terminal, 3 there is no registry, or no such\n"
	"driver.\n";

struct options {
	bool once, batch, json;
	double interval;
	unsigned count; /* 0: no end */
	enum top_sort sort;
	const char *driver;
};

/* --- reports --- */

static void
pause_for(double seconds)
{
	struct timespec time = {.tv_sec = (time_t)seconds};

	time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
	while (nanosleep(&time, &time) != 0)
		;
}

static int
print_reports(struct top *top, const struct options *options)
{
	for (unsigned i = 0; options->count == 0 || i < options->count; i++) {
		pause_for(options->interval);
		if (!top_look(top)) {
			complain("top", "the registry has gone");
			return DEXT_EXIT_NOT_FOUND;
		}
		if (i != 0 && !options->json)
			printf("\n");
		if (options->json)
			top_print_json(stdout, top, options->sort);
		else
			top_print_text(stdout, top, options->sort);
		if (fflush(stdout) != 0)
			return DEXT_EXIT_FILE;
	}
	return DEXT_EXIT_OK;
}

static int
show(const struct options *options)
{
	struct top top = {.wanted = options->driver};
	int result = DEXT_EXIT_NOT_FOUND;

	if (!ask_open("top", &top.ask))
		return DEXT_EXIT_NOT_FOUND;
	if (!top_look(&top))
		complain("top", "the registry has gone");
	else if (top.matching == 0 && options->driver != NULL)
		complain("top", "there is no driver '%s'; `dext logs` shows all", options->driver);
	else if (options->batch)
		result = print_reports(&top, options);
	else
		result = top_screen(&top, options->interval, options->sort);
	top_end(&top);
	return result;
}

/* --- command line --- */

static int
parse_sort(struct options *options, const char *text)
{
	for (unsigned i = 0; i < TOP_SORTS; i++) {
		if (strcmp(text, top_sort_names[i]) == 0) {
			options->sort = (enum top_sort)i;
			return DEXT_EXIT_OK;
		}
	}
	return usage_error("top", "--sort %s: bytes, calls, cpu, latency or name was expected",
			   text);
}

static int
parse_option(struct options *options, int option)
{
	int used = 0;

	switch (option) {
	case '1':
		options->once = true;
		return DEXT_EXIT_OK;
	case 'b':
		options->batch = true;
		return DEXT_EXIT_OK;
	case 'j':
		options->json = true;
		return DEXT_EXIT_OK;
	case 's':
		return parse_sort(options, optarg);
	case 'i':
		if (sscanf(optarg, "%lf%n", &options->interval, &used) == 1 &&
		    optarg[used] == '\0' && options->interval >= 0.1 && options->interval <= 3600)
			return DEXT_EXIT_OK;
		return usage_error("top", "--interval %s: 0.1 to 3600 was expected", optarg);
	case 'n':
		if (sscanf(optarg, "%9u%n", &options->count, &used) == 1 && optarg[used] == '\0' &&
		    options->count != 0)
			return DEXT_EXIT_OK;
		return usage_error("top", "--count %s: 1 or more was expected", optarg);
	default:
		return DEXT_EXIT_USAGE; /* getopt has said what */
	}
}

static int
check_options(struct options *options)
{
	if (options->once && (options->batch || options->count != 0))
		return usage_error("top", "--once is without --batch and --count");
	if (options->count != 0 && !options->batch)
		return usage_error("top", "--count needs --batch");
	if (options->once)
		options->count = 1;
	options->batch |= options->once;
	if (options->json && !options->batch)
		return usage_error("top", "--json needs --once or --batch");
	if (!options->batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return usage_error("top", "this is no terminal; --once and --batch need none");
	return DEXT_EXIT_OK;
}

int
main(int argc, char **argv)
{
	static const struct option names[] = {
		{"once", no_argument, NULL, '1'},	    {"batch", no_argument, NULL, 'b'},
		{"count", required_argument, NULL, 'n'},    {"json", no_argument, NULL, 'j'},
		{"interval", required_argument, NULL, 'i'}, {"sort", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},	    {NULL, 0, NULL, 0},
	};
	struct options options = {.interval = 1, .sort = TOP_BY_BYTES};
	int option;

	log_set_level(LOG_LEVEL_ERROR);
	log_set_name("dext");
	setlocale(LC_CTYPE, "");
	while ((option = getopt_long(argc, argv, "bh", names, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (parse_option(&options, option) != DEXT_EXIT_OK)
			return DEXT_EXIT_USAGE;
	}
	if (optind + 1 < argc)
		return usage_error("top", "%s: one driver was expected", argv[optind + 1]);
	options.driver = argv[optind];
	if (check_options(&options) != DEXT_EXIT_OK)
		return DEXT_EXIT_USAGE;
	return show(&options);
}
