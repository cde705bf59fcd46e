/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of `dext trace` and `dext capture`. */
#include "looking.h"
#include "amount.h"
#include "dext.h"

#include "clock.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void
looking_init(struct looking *looking, const char *command, const struct looking_output *output)
{
	*looking = (struct looking){
		.recordings = {.command = command},
		.output = output,
		.to = stdout,
		.count = UINT64_MAX,
		.deadline = UINT64_MAX,
	};
}

bool
looking_set_end(struct looking *looking, bool count, const char *text)
{
	uint64_t number;

	if (!amount_parse(text, &number) || number == 0)
		return false;
	if (count)
		looking->count = number;
	else if (number < UINT64_MAX / NSEC_PER_SEC / 2)
		looking->deadline = clock_now() + number * NSEC_PER_SEC;
	return true;
}

int
looking_take_driver(struct looking *looking, int argc, char **argv)
{
	if (optind + 1 < argc)
		return usage_error(looking->recordings.command, "%s: one driver was expected",
				   argv[optind + 1]);
	looking->recordings.wanted = argv[optind];
	return -1;
}

static void
say_lost(struct looking *looking, struct recording *recording)
{
	uint64_t lost = recording->reader.lost - recording->lost_said;

	recording->lost_said = recording->reader.lost;
	if (lost > 0)
		looking->output->lost(looking, recording, lost);
}

/* As events, those that had been opened before the recording began: they may do nothing. */
static void
show_clients(struct looking *looking, const struct recording *recording)
{
	struct recording shown = *recording;
	struct trace_owner owner;
	uint32_t generation;

	for (uint32_t i = 0; i < TRACE_PLACES; i++) {
		if (!trace_read_owner(recording->files.at[TRACE_EVENTS], i, &owner, &generation) ||
		    generation % 2 == 0 || owner.kind != TRACE_CLIENT ||
		    owner.since > recording->since)
			continue;
		shown.event = (struct trace_event){
			.kind = TRACE_OPENED,
			.flags = TRACE_RUNS_BEFORE,
			.time = recording->since,
			.place = i,
			.value = owner.type,
		};
		shown.length = 0;
		looking->output->event(looking, &shown);
	}
}

static void
say_new(struct looking *looking)
{
	for (struct recording *recording = looking->recordings.first; recording != NULL;
	     recording = recording->next) {
		if (recording->is_said)
			continue;
		recording->is_said = true;
		fprintf(stderr, "dext %s: driver %" PRIu64 ", %s on %s, process %" PRIu64 "\n",
			looking->recordings.command, recording->driver, recording->name,
			recording->device, recording->process);
		show_clients(looking, recording);
	}
}

static void
end_one(void *context, struct recording *recording)
{
	say_lost(context, recording);
}

/* All that there is now, but for what happened after the end that was asked for. */
static void
show(struct looking *looking)
{
	struct recording *recording;

	while (looking->count > 0 && (recording = recordings_next(&looking->recordings)) != NULL &&
	       recording->event.time < looking->deadline) {
		say_lost(looking, recording);
		if (looking->output->event(looking, recording))
			looking->count--;
		recording->has_event = false;
		if (recordings_are_interrupted() && looking->deadline == UINT64_MAX)
			looking->deadline = clock_now();
	}
	recordings_sweep(&looking->recordings, end_one, looking);
	fflush(looking->to);
}

static bool
goes_on(const struct looking *looking)
{
	return !recordings_are_interrupted() && looking->count > 0 &&
	       clock_now() < looking->deadline && !ferror(looking->to);
}

static int
look(struct looking *looking)
{
	int result = recordings_open(&looking->recordings);

	if (result != DEXT_EXIT_OK)
		return result;
	looking->output->begin(looking);
	say_new(looking);
	while (goes_on(looking) && recordings_refresh(&looking->recordings)) {
		say_new(looking);
		show(looking);
		if (goes_on(looking))
			recordings_wait(&looking->recordings, looking->deadline);
	}
	/* What was recorded until now. */
	if (looking->deadline > clock_now())
		looking->deadline = clock_now();
	show(looking);
	for (struct recording *each = looking->recordings.first; each != NULL; each = each->next)
		say_lost(looking, each);
	looking->output->end(looking);
	return DEXT_EXIT_OK;
}

int
looking_run(struct looking *looking)
{
	const char *command = looking->recordings.command;
	const char *name = looking->file_name;
	bool failed;
	int result;

	recordings_catch_signals();
	if (name != NULL && (looking->to = fopen(name, "we")) == NULL) {
		complain(command, "%s: %s", name, strerror(errno));
		return DEXT_EXIT_FILE;
	}
	result = look(looking);
	recordings_close(&looking->recordings);
	failed = ferror(looking->to) != 0;
	failed |= (looking->to != stdout ? fclose(looking->to) : fflush(stdout)) != 0;
	if (failed && result == DEXT_EXIT_OK) {
		complain(command, "%s: cannot be written", name != NULL ? name : "standard output");
		result = DEXT_EXIT_FILE;
	}
	return result;
}
