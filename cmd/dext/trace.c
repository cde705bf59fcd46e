/* SPDX-License-Identifier: Apache-2.0 */
/* dext trace: what drivers do, event by event: calls, completions and transfers, with times. */
#include "dext.h"
#include "looking.h"
#include "trace_output.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

static const char help_text[] =
	"usage: dext trace [OPTION...] [DRIVER]\n"
	"\n"
	"Shows each call, completion, transfer and entry of a queue of running drivers, with\n"
	"times. DRIVER is a bundle's identifier, a class, or a number that `dext logs` shows;\n"
	"without it all drivers that you may open, also those that are started later. Ctrl-C\n"
	"ends it.\n"
	"\n"
	"  --json          a line of JSON for each event\n"
	"  --chrome        Chrome's JSON trace format: open it in https://ui.perfetto.dev\n"
	"  -o, --output FILE   into this file\n"
	"  --count N       end after N events\n"
	"  --seconds N     end after N seconds\n"
	"\n"
	"Examples:\n"
	"  dext trace                                      all that happens\n"
	"  dext trace --seconds 2 --chrome -o t.json       a picture of two seconds\n"
	"  dext trace --json | jq 'select(.event == \"transfer_ended\") | .nsec'\n"
	"\n"
	"Exit status: 0, 2 wrong command line, 3 no registry, or no such driver, 4 not permitted,\n"
	"7 the file cannot be written.\n";

static const struct trace_output *form = &trace_as_text;
static uint64_t shown, lost;

static void
begin(struct looking *looking)
{
	form->begin(looking->to);
}

static bool
show(struct looking *looking, const struct recording *recording)
{
	form->event(looking->to, recording);
	/* Who was there already has not happened while it was looked at. */
	shown += recording->event.kind != TRACE_OPENED ||
		 (recording->event.flags & TRACE_RUNS_BEFORE) == 0;
	return true;
}

static void
say_lost(struct looking *looking, const struct recording *recording, uint64_t count)
{
	form->lost(looking->to, recording, count);
	if (looking->to != stdout || form != &trace_as_text)
		complain("trace", "%s: %" PRIu64 " events lost", recording->name, count);
	lost += count;
}

static void
end(struct looking *looking)
{
	form->end(looking->to);
	fprintf(stderr, "dext trace: %" PRIu64 " events, %" PRIu64 " lost\n", shown, lost);
}

/* -1, or an exit status. */
static int
parse(int argc, char **argv, struct looking *looking)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"chrome", no_argument, NULL, 'c'},
		{"output", required_argument, NULL, 'o'},
		{"count", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (option == '?')
			return DEXT_EXIT_USAGE;
		if ((option == 'j' || option == 'c') && form != &trace_as_text)
			return usage_error("trace", "one of --json and --chrome");
		if (option == 'j')
			form = &trace_as_json;
		else if (option == 'c')
			form = &trace_as_chrome;
		else if (option == 'o')
			looking->file_name = optarg;
		else if (!looking_set_end(looking, option == 'n', optarg))
			return usage_error("trace", "%s: a number was expected", optarg);
	}
	return looking_take_driver(looking, argc, argv);
}

int
trace_main(int argc, char **argv)
{
	static const struct looking_output output = {begin, show, say_lost, end};
	struct looking looking;
	int result;

	looking_init(&looking, "trace", &output);
	result = parse(argc, argv, &looking);
	return result >= 0 ? result : looking_run(&looking);
}
