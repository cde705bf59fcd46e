/* SPDX-License-Identifier: Apache-2.0 */
/* dext lint: what is wrong with bundles, by file, line and key. */
#include "dext.h"

#include "bundle_lint.h"

#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static const char help_text[] =
	"usage: dext lint [--strict] [--quiet] [--json] BUNDLE...\n"
	"\n"
	"Checks driver bundles without running anything of them: the keys of Info.plist, what can\n"
	"never match a device, the shared object, and whether the classes that the list names are\n"
	"in it. A line for each finding: file, line, key, what is wrong and what to write.\n"
	"\n"
	"  --strict   warnings count as errors\n"
	"  --quiet    no output; only the exit status\n"
	"  --json     an array of findings: severity, file, line, key, text\n"
	"\n"
	"Example: dext lint drivers/bulkstream/bulkstream.dext\n"
	"\n"
	"Exit status: 0 no errors, 1 errors, 2 wrong command line.\n";

struct output {
	struct json_object *array; /* NULL: lines */
	bool quiet;
	unsigned errors, warnings;
};

static const char *
severity_name(const struct bundle_finding *finding)
{
	return finding->severity == BUNDLE_WARNING ? "warning" : "error";
}

static void
add_json(struct json_object *array, const struct bundle_finding *finding)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "severity", json_object_new_string(severity_name(finding)));
	json_object_object_add(object, "file", json_object_new_string(finding->file));
	json_object_object_add(object, "line",
			       finding->line != 0 ? json_object_new_int64(finding->line) : NULL);
	json_object_object_add(object, "key", json_object_new_string(finding->key));
	json_object_object_add(object, "text", json_object_new_string(finding->text));
	json_object_array_add(array, object);
}

static void
show(void *context, const struct bundle_finding *finding)
{
	struct output *output = context;

	if (finding->severity == BUNDLE_WARNING)
		output->warnings++;
	else
		output->errors++;
	if (output->array != NULL)
		add_json(output->array, finding);
	else if (!output->quiet && finding->line != 0)
		printf("%s:%u: %s: %s\n", finding->file, finding->line, severity_name(finding),
		       finding->text);
	else if (!output->quiet)
		printf("%s: %s: %s\n", finding->file, severity_name(finding), finding->text);
}

int
lint_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"strict", no_argument, NULL, 's'},
		{"quiet", no_argument, NULL, 'q'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct output output = {.array = NULL};
	bool strict = false, json = false;
	int option;

	while ((option = getopt_long(argc, argv, "hq", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (option == '?')
			return DEXT_EXIT_USAGE;
		strict = strict || option == 's';
		json = json || option == 'j';
		output.quiet = output.quiet || option == 'q';
	}
	if (optind == argc)
		return usage_error("lint", "a bundle was expected");
	if (json)
		output.array = json_object_new_array();
	for (int i = optind; i < argc; i++)
		bundle_lint(argv[i], show, &output);
	if (json && !output.quiet)
		printf("%s\n",
		       json_object_to_json_string_ext(output.array, JSON_C_TO_STRING_PRETTY));
	else if (!output.quiet)
		printf("%u errors, %u warnings\n", output.errors, output.warnings);
	json_object_put(output.array);
	return output.errors > 0 || (strict && output.warnings > 0) ? DEXT_EXIT_ERROR
								    : DEXT_EXIT_OK;
}
