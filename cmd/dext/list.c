/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext list: the services that apps can open, one line each, or as JSON; and the drivers that have
 * none, because they crashed or did not start. As text those go to standard error: standard output
 * is what can be opened, for scripts that look for a name there.
 */
#include "ask.h"
#include "dext.h"

#include "escape.h"
#include "status.h"

#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 255

static const char help_text[] =
	"usage: dext list [--json]\n"
	"\n"
	"Lists the services that apps can open: name, class of the driver, bundle, device, process "
	"of\n"
	"the host, and id. The name is what IOServiceNameMatching takes. Below them the drivers "
	"that\n"
	"crashed or did not start, and were given up or wait to be started again, with the "
	"reason.\n"
	"\n"
	"  --json   an array; `state` is \"running\" for what can be opened\n"
	"\n"
	"Example: dext list --json | jq -r '.[] | select(.state == \"running\") | .name'\n"
	"\n"
	"Exit status: 0 (also when there is none), 2 wrong command line, 3 there is no registry.\n";

struct service {
	uint64_t id;
	OSDictionary *properties;
};

static const char *
get(const struct service *service, const char *key)
{
	const char *value = OSDictionaryGetStringValue(service->properties, key);

	return value != NULL ? value : "-";
}

/* A text of a service's or a driver's, fit for a terminal, and cut off if it has no room. */
static const char *
clean(const OSDictionary *driver, const char *key, char text[ESCAPE_ROOM(TEXT_MAX)])
{
	const char *value = OSDictionaryGetStringValue(driver, key);
	char cut[TEXT_MAX + 1];

	snprintf(cut, sizeof(cut), "%s", value != NULL ? value : "-");
	escape_line(text, cut, strlen(cut));
	return text;
}

static void
print_line(const struct service *service)
{
	enum { ROOM = ESCAPE_ROOM(TEXT_MAX) };
	char name[ROOM], class_name[ROOM], identifier[ROOM], device[ROOM];
	const OSDictionary *from = service->properties;
	uint64_t pid = 0;

	OSDictionaryGetUInt64Value(from, "dext_host_pid", &pid);
	printf("%-24s %-24s %-36s %-24s %7" PRIu64 " 0x%016" PRIx64 "\n",
	       clean(from, "IORegistryEntryName", name), clean(from, "IOUserClass", class_name),
	       clean(from, "CFBundleIdentifier", identifier), clean(from, "dext_device", device),
	       pid, service->id);
}

static struct json_object *
make_json(const struct service *service)
{
	struct json_object *object = json_object_new_object();
	char id[24];
	uint64_t pid = 0;

	OSDictionaryGetUInt64Value(service->properties, "dext_host_pid", &pid);
	snprintf(id, sizeof(id), "0x%016" PRIx64, service->id);
	json_object_object_add(object, "name",
			       json_object_new_string(get(service, "IORegistryEntryName")));
	json_object_object_add(object, "class",
			       json_object_new_string(get(service, "IOUserClass")));
	json_object_object_add(object, "bundle",
			       json_object_new_string(get(service, "CFBundleIdentifier")));
	json_object_object_add(object, "bundlePath",
			       json_object_new_string(get(service, "dext_bundle_path")));
	json_object_object_add(object, "device",
			       json_object_new_string(get(service, "dext_device")));
	json_object_object_add(object, "hostPid", json_object_new_int64((int64_t)pid));
	/* A string: 64 bits are more than a JSON number holds in most readers. */
	json_object_object_add(object, "id", json_object_new_string(id));
	json_object_object_add(object, "state", json_object_new_string("running"));
	json_object_object_add(object, "reason", NULL);
	return object;
}

/* --- drivers without services --- */

static bool
is_broken(const OSDictionary *driver)
{
	const char *state = OSDictionaryGetStringValue(driver, "State");

	return state != NULL && OSDictionaryGetStringValue(driver, "Reason") != NULL &&
	       (strcmp(state, "given up") == 0 ||
		strcmp(state, "waiting to be started again") == 0);
}

static void
print_broken(const OSDictionary *driver)
{
	enum { ROOM = ESCAPE_ROOM(TEXT_MAX) };
	char class_name[ROOM], identifier[ROOM], device[ROOM], state[ROOM], reason[ROOM];

	fflush(stdout);
	fprintf(stderr, "!- driver %s (%s) on %s: %s; %s; `dext logs` has its last lines\n",
		clean(driver, "IOUserClass", class_name),
		clean(driver, "CFBundleIdentifier", identifier), clean(driver, "Device", device),
		clean(driver, "State", state), clean(driver, "Reason", reason));
}

/* The keys of a service. What only a service has is null, since nothing can be opened. */
static struct json_object *
make_broken_json(const OSDictionary *driver)
{
	static const char *const keys[][2] = {{"class", "IOUserClass"},
					      {"bundle", "CFBundleIdentifier"},
					      {"device", "Device"},
					      {"state", "State"},
					      {"reason", "Reason"}};
	static const char *const null[] = {"name", "bundlePath", "hostPid", "id"};
	struct json_object *object = json_object_new_object();

	for (unsigned i = 0; i < sizeof(null) / sizeof(null[0]); i++)
		json_object_object_add(object, null[i], NULL);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *text = OSDictionaryGetStringValue(driver, keys[i][1]);

		json_object_object_add(object, keys[i][0],
				       json_object_new_string(text != NULL ? text : "-"));
	}
	return object;
}

static IOReturn
print_all_broken(struct ask *ask, struct json_object *array)
{
	OSDictionary *driver = NULL;
	uint64_t number = 0;
	IOReturn status;

	while ((status = ask_next_driver(ask, &number, &driver)) == kIOReturnSuccess) {
		if (is_broken(driver) && array != NULL)
			json_object_array_add(array, make_broken_json(driver));
		else if (is_broken(driver))
			print_broken(driver);
		OSSafeReleaseNULL(driver);
	}
	return status == kIOReturnNotFound ? kIOReturnSuccess : status;
}

/* --- all of it --- */

static IOReturn
print_all(struct ask *ask, const uint64_t *ids, size_t count, bool json)
{
	struct json_object *array = json ? json_object_new_array() : NULL;
	IOReturn status = kIOReturnSuccess;

	if (!json)
		printf("%-24s %-24s %-36s %-24s %7s %s\n", "NAME", "CLASS", "BUNDLE", "DEVICE",
		       "PID", "ID");
	for (size_t i = 0; i < count && status == kIOReturnSuccess; i++) {
		struct service service = {.id = ids[i]};

		status = ask_properties(ask, ids[i], &service.properties);
		if (status == kIOReturnNotFound) {
			status = kIOReturnSuccess; /* it has gone meanwhile */
			continue;
		}
		if (status != kIOReturnSuccess)
			break;
		if (json)
			json_object_array_add(array, make_json(&service));
		else
			print_line(&service);
		OSRelease(service.properties);
	}
	if (status == kIOReturnSuccess)
		status = print_all_broken(ask, array);
	if (json && status == kIOReturnSuccess)
		printf("%s\n", json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY));
	if (json)
		json_object_put(array);
	return status;
}

static IOReturn
list(struct ask *ask, bool json)
{
	OSDictionary *matching = OSDictionaryCreate(1);
	uint64_t *ids = NULL;
	size_t count = 0;
	IOReturn status = kIOReturnNoMemory;

	if (matching != NULL &&
	    OSDictionarySetStringValue(matching, "IOProviderClass", "IOUserService"))
		status = ask_ids(ask, matching, &ids, &count);
	OSSafeReleaseNULL(matching);
	if (status == kIOReturnSuccess)
		status = print_all(ask, ids, count, json);
	free(ids);
	return status;
}

int
list_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct ask *ask = NULL;
	bool json = false;
	IOReturn status;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (option != 'j')
			return DEXT_EXIT_USAGE;
		json = true;
	}
	if (optind != argc)
		return usage_error("list", "%s: no argument was expected", argv[optind]);
	if (!ask_open("list", &ask))
		return DEXT_EXIT_NOT_FOUND;
	status = list(ask, json);
	if (status != kIOReturnSuccess)
		complain("list", "the registry's answer: %s", ask_reason(ask, status));
	ask_close(ask);
	return status == kIOReturnSuccess ? DEXT_EXIT_OK : DEXT_EXIT_ERROR;
}
