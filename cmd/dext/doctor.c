/* SPDX-License-Identifier: Apache-2.0 */
/* dext doctor: what this system has of what OpenDext needs, and what to do about the rest. */
#include "doctor.h"

#include "dext.h"

#include <getopt.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char help_text[] =
	"usage: dext doctor [--json] [--quiet] [--root DIR]\n"
	"\n"
	"Looks at the kernel, the limits, the parts of the sandbox, USB devices and their files,\n"
	"udev, the registry and the bundles. A line for each: `ok`; `hint`, where something works\n"
	"less well, or not for all; `FIX`, where something does not work; with what to do.\n"
	"\n"
	"  --quiet      only what is not ok\n"
	"  --json       an array: name, state (ok, hint, fix), text, remedy\n"
	"  --root DIR   look at /proc, /sys, /dev, /run, /etc and /usr below DIR\n"
	"\n"
	"Example: dext doctor || echo 'see above'\n"
	"\n"
	"Exit status: 0 nothing is to be fixed (hints do not count), 1 something is, 2 wrong "
	"command\n"
	"line.\n";

struct doctor {
	const char *root;
	struct json_object *array; /* NULL: lines */
	bool quiet;
	unsigned hints, fixes;
};

static void (*const checks[])(struct doctor *doctor) = {
	doctor_check_kernel, doctor_check_memory,   doctor_check_limits, doctor_check_sandbox,
	doctor_check_cgroup, doctor_check_users,    doctor_check_usbfs,	 doctor_check_devices,
	doctor_check_udev,   doctor_check_registry, doctor_check_group,	 doctor_check_bundles,
};

static void
show(struct doctor *doctor, const char *state, const char *name, const char *remedy,
     const char *text)
{
	struct json_object *object;

	if (doctor->array != NULL) {
		object = json_object_new_object();
		json_object_object_add(object, "name", json_object_new_string(name));
		json_object_object_add(object, "state", json_object_new_string(state));
		json_object_object_add(object, "text", json_object_new_string(text));
		json_object_object_add(object, "remedy",
				       remedy != NULL ? json_object_new_string(remedy) : NULL);
		json_object_array_add(doctor->array, object);
	} else if (remedy != NULL) {
		printf("%-5s %s: %s\n      -> %s\n", strcmp(state, "fix") == 0 ? "FIX" : state,
		       name, text, remedy);
	} else if (!doctor->quiet) {
		printf("%-5s %s: %s\n", state, name, text);
	}
}

#define COMPOSE(text, format)                             \
	char text[512];                                   \
	va_list arguments;                                \
                                                          \
	va_start(arguments, format);                      \
	vsnprintf(text, sizeof(text), format, arguments); \
	va_end(arguments)

void
doctor_ok(struct doctor *doctor, const char *name, const char *format, ...)
{
	COMPOSE(text, format);
	show(doctor, "ok", name, NULL, text);
}

void
doctor_hint(struct doctor *doctor, const char *name, const char *remedy, const char *format, ...)
{
	COMPOSE(text, format);
	doctor->hints++;
	show(doctor, "hint", name, remedy, text);
}

void
doctor_fix(struct doctor *doctor, const char *name, const char *remedy, const char *format, ...)
{
	COMPOSE(text, format);
	doctor->fixes++;
	show(doctor, "fix", name, remedy, text);
}

void
doctor_path(const struct doctor *doctor, const char *path, char full[PATH_MAX])
{
	snprintf(full, PATH_MAX, "%s%s", doctor->root, path);
}

bool
doctor_read(const struct doctor *doctor, const char *path, char *line, size_t size)
{
	char full[PATH_MAX];
	bool found;
	FILE *file;

	doctor_path(doctor, path, full);
	file = fopen(full, "re");
	if (file == NULL)
		return false;
	found = fgets(line, (int)size, file) != NULL;
	fclose(file);
	if (found)
		line[strcspn(line, "\n")] = '\0';
	return found;
}

static int
parse(struct doctor *doctor, int argc, char **argv, bool *ret_json)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"root", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "hq", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			fputs(help_text, stdout);
			return DEXT_EXIT_INTERRUPTED;
		case 'j':
			*ret_json = true;
			break;
		case 'q':
			doctor->quiet = true;
			break;
		case 'r':
			doctor->root = optarg;
			break;
		default:
			return DEXT_EXIT_USAGE;
		}
	}
	if (optind != argc)
		return usage_error("doctor", "%s: no argument was expected", argv[optind]);
	return DEXT_EXIT_OK;
}

int
doctor_main(int argc, char **argv)
{
	struct doctor doctor = {.root = ""};
	bool json = false;
	int status = parse(&doctor, argc, argv, &json);

	if (status == DEXT_EXIT_INTERRUPTED) /* help was shown */
		return DEXT_EXIT_OK;
	if (status != DEXT_EXIT_OK)
		return status;
	if (json)
		doctor.array = json_object_new_array();
	for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](&doctor);
	if (json)
		printf("%s\n",
		       json_object_to_json_string_ext(doctor.array, JSON_C_TO_STRING_PRETTY));
	else
		printf("%u to fix, %u hints\n", doctor.fixes, doctor.hints);
	json_object_put(doctor.array);
	return doctor.fixes > 0 ? DEXT_EXIT_ERROR : DEXT_EXIT_OK;
}
