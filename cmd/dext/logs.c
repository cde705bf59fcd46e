/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext logs: what drivers have logged, as the registry keeps it, and where they crashed. Functions
 * are named here, by the files that the lines name.
 */
#include "ask.h"
#include "dext.h"
#include "symbol.h"

#include "clock.h"
#include "escape.h"
#include "status.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help_text[] =
	"usage: dext logs [--follow] [--json] [DRIVER]\n"
	"\n"
	"Shows the last lines of drivers' logs, and how the drivers stand. A driver that crashed "
	"has\n"
	"its backtrace there. DRIVER is a bundle's identifier, a class, or a number that is shown\n"
	"here; without it all drivers that you may open.\n"
	"\n"
	"  --follow   go on with what comes, until Ctrl-C\n"
	"  --json     a line of JSON for each line of a log\n"
	"\n"
	"Examples:\n"
	"  dext logs org.opendext.bulkstream           one driver's\n"
	"  dext logs --follow --json | jq -r .text     for a program\n"
	"\n"
	"Exit status: 0, 2 wrong command line, 3 no registry, or no such driver, 4 not "
	"permitted.\n";

struct logs {
	struct ask *ask;
	const char *wanted; /* NULL: all */
	bool follow, json;
	uint64_t after;
	uint64_t named; /* the driver of `name` */
	char name[256];
};

static const char *
text_of(const OSDictionary *driver, const char *key)
{
	const char *text = OSDictionaryGetStringValue(driver, key);

	return text != NULL ? text : "-";
}

static void
print_state(const OSDictionary *driver)
{
	uint64_t number = 0, crashes = 0, process = 0;
	const char *reason = OSDictionaryGetStringValue(driver, "Reason");

	OSDictionaryGetUInt64Value(driver, "Number", &number);
	OSDictionaryGetUInt64Value(driver, "Crashes", &crashes);
	OSDictionaryGetUInt64Value(driver, "Process", &process);
	printf("# %" PRIu64 " ", number);
	print_clean(stdout, text_of(driver, "IOUserClass"));
	printf(" (");
	print_clean(stdout, text_of(driver, "CFBundleIdentifier"));
	printf(") on ");
	print_clean(stdout, text_of(driver, "Device"));
	printf(": ");
	print_clean(stdout, text_of(driver, "State"));
	if (process != 0)
		printf(", process %" PRIu64, process);
	if (crashes != 0)
		printf(", %" PRIu64 " crashes", crashes);
	if (reason != NULL)
		printf("; ");
	print_clean(stdout, reason != NULL ? reason : "");
	printf("\n");
}

/* --- lines --- */

static void
print_line(const struct logs *logs, const struct log_record *record, const char *text)
{
	char symbol[160], when[64], clean[ESCAPE_ROOM(8192)];
	time_t seconds = (time_t)(record->time / NSEC_PER_SEC);
	struct json_object *object;
	struct tm local;

	/* The registry has done so; it is not trusted either. */
	escape_line(clean, text, strlen(text));
	symbol_of_line(text, symbol, sizeof(symbol));
	localtime_r(&seconds, &local);
	if (!logs->json) {
		strftime(when, sizeof(when), "%F %T", &local);
		printf("%s.%03u ", when, (unsigned)(record->time % NSEC_PER_SEC / NSEC_PER_MSEC));
		print_clean(stdout, logs->name);
		printf("[%u]: %s%s\n", record->process, clean, symbol);
		return;
	}
	object = json_object_new_object();
	json_object_object_add(object, "sequence",
			       json_object_new_int64((int64_t)record->sequence));
	json_object_object_add(object, "time", json_object_new_double((double)record->time / 1e9));
	json_object_object_add(object, "driver", json_object_new_int64((int64_t)record->driver));
	json_object_object_add(object, "bundle", json_object_new_string(logs->name));
	json_object_object_add(object, "process", json_object_new_int64(record->process));
	json_object_object_add(object, "text", json_object_new_string(clean));
	if (symbol[0] != '\0')
		json_object_object_add(object, "function", json_object_new_string(symbol + 2));
	printf("%s\n", json_object_to_json_string_ext(
			       object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

/* Whether the driver with this number is one of those that are shown; sets `name`. */
static bool
choose(struct logs *logs, uint64_t number)
{
	OSDictionary *driver = NULL;
	bool wanted;

	if (ask_driver(logs->ask, number - 1, &driver) != kIOReturnSuccess)
		return logs->wanted == NULL;
	wanted = ask_driver_is(driver, logs->wanted);
	snprintf(logs->name, sizeof(logs->name), "%s", text_of(driver, "CFBundleIdentifier"));
	OSRelease(driver);
	return wanted;
}

/* One reply; false: nothing more is there. */
static IOReturn
show_some(struct logs *logs, bool wait, bool *ret_any)
{
	const struct log_body body = {.after = logs->after, .flags = wait ? LOG_WAIT : 0};
	char *lines = NULL;
	size_t length = 0;
	IOReturn status = ask_log(logs->ask, &body, &lines, &length);

	for (size_t at = 0; status == kIOReturnSuccess && at < length;) {
		struct log_record record;
		char text[8192];
		size_t shown;

		memcpy(&record, lines + at, sizeof(record));
		at += sizeof(record);
		shown = record.length < sizeof(text) ? record.length : sizeof(text) - 1;
		memcpy(text, lines + at, shown);
		text[shown] = '\0';
		at += record.length;
		if (record.sequence <= logs->after)
			status = kIOReturnIPCError;
		logs->after = record.sequence;
		if (choose(logs, record.driver))
			print_line(logs, &record, text);
	}
	*ret_any = length > 0;
	free(lines);
	fflush(stdout);
	return status;
}

static IOReturn
show_states(struct logs *logs, unsigned *ret_count)
{
	OSDictionary *driver = NULL;
	uint64_t number = 0;
	IOReturn status;

	while ((status = ask_next_driver(logs->ask, &number, &driver)) == kIOReturnSuccess) {
		if (ask_driver_is(driver, logs->wanted)) {
			(*ret_count)++;
			if (!logs->json)
				print_state(driver);
		}
		OSSafeReleaseNULL(driver);
	}
	return status == kIOReturnNotFound ? kIOReturnSuccess : status;
}

static int
show(struct logs *logs)
{
	unsigned count = 0;
	IOReturn status = show_states(logs, &count);
	bool any = true;

	if (status == kIOReturnSuccess && count == 0 && logs->wanted != NULL) {
		complain("logs", "there is no driver '%s'; `dext logs` shows all", logs->wanted);
		return DEXT_EXIT_NOT_FOUND;
	}
	while (status == kIOReturnSuccess && (any || logs->follow))
		status = show_some(logs, logs->follow && !any, &any);
	if (status == kIOReturnSuccess || (logs->follow && status == kIOReturnOffline))
		return DEXT_EXIT_OK;
	complain("logs", "the registry's answer: %s", ask_reason(logs->ask, status));
	return status == kIOReturnNotPermitted ? DEXT_EXIT_REFUSED : DEXT_EXIT_ERROR;
}

int
logs_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"follow", no_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct logs logs = {.ask = NULL};
	int option, result;

	while ((option = getopt_long(argc, argv, "fh", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (option != 'f' && option != 'j')
			return DEXT_EXIT_USAGE;
		logs.follow |= option == 'f';
		logs.json |= option == 'j';
	}
	if (optind + 1 < argc)
		return usage_error("logs", "%s: one driver was expected", argv[optind + 1]);
	logs.wanted = argv[optind];
	if (!ask_open("logs", &logs.ask))
		return DEXT_EXIT_NOT_FOUND;
	result = show(&logs);
	ask_close(logs.ask);
	return result;
}
