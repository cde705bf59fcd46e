/* SPDX-License-Identifier: Apache-2.0 */
/* dext trace: what drivers do, event by event: calls, completions and transfers, with times. */
#include "dext.h"
#include "trace_output.h"

#include "clock.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
	"usage: dext trace [OPTION...] [DRIVER]\n"
	"\n"
	"Shows each call, completion and transfer of running drivers, with times. DRIVER is a\n"
	"bundle's identifier, a class, or a number that `dext logs` shows; without it all drivers\n"
	"that you may open, also those that are started later. Ctrl-C ends it.\n"
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

struct trace {
	struct recordings recordings;
	const struct trace_output *output;
	const char *file_name; /* NULL: standard output */
	FILE *to;
	uint64_t count;	   /* events that are left */
	uint64_t deadline; /* ns */
};

static void
say_lost(struct trace *trace, struct recording *recording)
{
	uint64_t lost = recording->reader.lost - recording->lost_said;

	if (lost == 0)
		return;
	trace->output->lost(trace->to, recording, lost);
	if (trace->to != stdout || trace->output != &trace_as_text)
		complain("trace", "%s: %" PRIu64 " events lost", recording->name, lost);
	recording->lost_said = recording->reader.lost;
}

static void
say_new(struct trace *trace)
{
	for (struct recording *recording = trace->recordings.first; recording != NULL;
	     recording = recording->next) {
		if (recording->is_said)
			continue;
		recording->is_said = true;
		fprintf(stderr, "dext trace: driver %" PRIu64 ", %s on %s, process %" PRIu64 "\n",
			recording->driver, recording->name, recording->device, recording->process);
	}
}

static void
end_one(void *context, struct recording *recording)
{
	say_lost(context, recording);
}

/* All that there is now, but for what happened after the end that was asked for. */
static void
show(struct trace *trace)
{
	struct recording *recording;

	while (trace->count > 0 && (recording = recordings_next(&trace->recordings)) != NULL &&
	       recording->event.time < trace->deadline) {
		say_lost(trace, recording);
		trace->output->event(trace->to, recording);
		recording->has_event = false;
		trace->count--;
		if (recordings_are_interrupted() && trace->deadline == UINT64_MAX)
			trace->deadline = clock_now();
	}
	recordings_sweep(&trace->recordings, end_one, trace);
	fflush(trace->to);
}

static bool
goes_on(const struct trace *trace)
{
	return !recordings_are_interrupted() && trace->count > 0 && clock_now() < trace->deadline &&
	       !ferror(trace->to);
}

static int
run(struct trace *trace)
{
	int result = recordings_open(&trace->recordings);

	if (result != DEXT_EXIT_OK) {
		recordings_close(&trace->recordings);
		return result;
	}
	trace->output->begin(trace->to);
	say_new(trace);
	while (goes_on(trace) && recordings_refresh(&trace->recordings)) {
		say_new(trace);
		show(trace);
		if (goes_on(trace))
			recordings_wait(&trace->recordings, trace->deadline);
	}
	/* What was recorded until now. */
	if (trace->deadline > clock_now())
		trace->deadline = clock_now();
	show(trace);
	for (struct recording *each = trace->recordings.first; each != NULL; each = each->next)
		say_lost(trace, each);
	trace->output->end(trace->to);
	recordings_close(&trace->recordings);
	return DEXT_EXIT_OK;
}

/* False: it is no number, or 0. */
static bool
parse_number(const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *ret_number != 0;
}

/* -1, or an exit status. */
static int
parse(int argc, char **argv, struct trace *trace)
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
	uint64_t number;
	int option;

	while ((option = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (option == '?')
			return DEXT_EXIT_USAGE;
		if ((option == 'j' || option == 'c') && trace->output != &trace_as_text)
			return usage_error("trace", "one of --json and --chrome");
		if (option == 'j')
			trace->output = &trace_as_json;
		if (option == 'c')
			trace->output = &trace_as_chrome;
		if (option == 'o')
			trace->file_name = optarg;
		if (option != 'n' && option != 's')
			continue;
		if (!parse_number(optarg, &number))
			return usage_error("trace", "%s: a number was expected", optarg);
		if (option == 'n')
			trace->count = number;
		else if (number < UINT64_MAX / NSEC_PER_SEC / 2)
			trace->deadline = clock_now() + number * NSEC_PER_SEC;
	}
	if (optind + 1 < argc)
		return usage_error("trace", "%s: one driver was expected", argv[optind + 1]);
	trace->recordings.wanted = argv[optind];
	return -1;
}

int
trace_main(int argc, char **argv)
{
	struct trace trace = {
		.recordings = {.command = "trace"},
		.output = &trace_as_text,
		.to = stdout,
		.count = UINT64_MAX,
		.deadline = UINT64_MAX,
	};
	int result = parse(argc, argv, &trace);

	if (result >= 0)
		return result;
	recordings_catch_signals();
	if (trace.file_name != NULL && (trace.to = fopen(trace.file_name, "we")) == NULL) {
		complain("trace", "%s: %s", trace.file_name, strerror(errno));
		return DEXT_EXIT_FILE;
	}
	result = run(&trace);
	if ((ferror(trace.to) || (trace.to != stdout && fclose(trace.to) != 0)) &&
	    result == DEXT_EXIT_OK) {
		complain("trace", "%s: cannot be written",
			 trace.file_name != NULL ? trace.file_name : "standard output");
		result = DEXT_EXIT_FILE;
	}
	return result;
}
