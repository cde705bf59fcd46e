/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext plug and dext unplug: a virtual device of the running registry comes or goes.
 *
 * The device to unplug is named by its id, its serial number, its place (locationID), its name or
 * what it was plugged in as (sink); whatever is used, it must mean one device.
 */
#include "ask.h"
#include "dext.h"

#include "bounds.h"
#include "status.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char plug_help[] =
	"usage: dext plug [--serial TEXT] [--json] SPEC\n"
	"\n"
	"Plugs a virtual USB device into the running registry: sink, source, loopback or ftdi, "
	"with\n"
	"options after a comma (speed, latency, stall-every, short-every, corrupt-every, nak,\n"
	"nak-control, serial, baud, unplug-after, unplug-late). Prints its name and id. It takes\n"
	"the lowest free place on the virtual bus; the drivers that match it are started, which\n"
	"takes a moment longer than this command.\n"
	"\n"
	"  --serial TEXT    the same as the option serial=TEXT\n"
	"  --json           name, id, serial number and place as JSON\n"
	"\n"
	"Example: dext plug loopback,speed=super,serial=A1\n"
	"\n"
	"Exit status: 0, 2 wrong command line or SPEC, 3 there is no registry, 4 it refused.\n";

static const char unplug_help[] =
	"usage: dext unplug DEVICE\n"
	"\n"
	"Unplugs a virtual USB device, named by its id, serial number, place, name or kind "
	"(sink),\n"
	"and returns when it has gone: its drivers were stopped, and what was under way has ended\n"
	"with an error.\n"
	"\n"
	"Example: dext unplug A1\n"
	"\n"
	"Exit status: 0, 2 wrong command line, or DEVICE means several, 3 there is no registry or "
	"no\n"
	"such device, 4 it refused.\n";

struct device {
	uint64_t id;
	OSDictionary *properties;
};

static const char *
get(const struct device *device, const char *key)
{
	const char *value = OSDictionaryGetStringValue(device->properties, key);

	return value != NULL ? value : "-";
}

static uint64_t
get_place(const struct device *device)
{
	uint64_t place = 0;

	OSDictionaryGetUInt64Value(device->properties, "locationID", &place);
	return place;
}

static int
refused(const char *command, IOReturn status, const char *sentence)
{
	complain(command, "%s", sentence[0] != '\0' ? sentence : status_string(status));
	switch (status) {
	case kIOReturnBadArgument:
		return DEXT_EXIT_USAGE;
	case kIOReturnNotFound:
		return DEXT_EXIT_NOT_FOUND;
	case kIOReturnNotPermitted:
	case kIOReturnNoResources:
	case kIOReturnBusy:
	case kIOReturnUnsupported:
		return DEXT_EXIT_REFUSED;
	default:
		return DEXT_EXIT_ERROR;
	}
}

/* --- plug --- */

static void
print_json(const struct device *device)
{
	struct json_object *object = json_object_new_object();
	char text[24];

	json_object_object_add(object, "name",
			       json_object_new_string(get(device, "IORegistryEntryName")));
	snprintf(text, sizeof(text), "0x%016" PRIx64, device->id);
	json_object_object_add(object, "id", json_object_new_string(text));
	json_object_object_add(object, "serial",
			       json_object_new_string(get(device, "USB Serial Number")));
	snprintf(text, sizeof(text), "0x%08" PRIx64, get_place(device));
	json_object_object_add(object, "locationID", json_object_new_string(text));
	printf("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));
	json_object_put(object);
}

static int
plug(const char *spec, bool json)
{
	char sentence[ASK_SENTENCE_MAX];
	struct device device = {0};
	struct ask *ask = NULL;
	IOReturn status;

	if (!ask_open("plug", &ask))
		return DEXT_EXIT_NOT_FOUND;
	status = ask_plug(ask, spec, &device.id, sentence);
	if (status == kIOReturnSuccess) {
		sentence[0] = '\0';
		status = ask_properties(ask, device.id, &device.properties);
	}
	ask_close(ask);
	if (status != kIOReturnSuccess)
		return refused("plug", status, sentence);
	if (json)
		print_json(&device);
	else
		printf("%s 0x%016" PRIx64 "\n", get(&device, "IORegistryEntryName"), device.id);
	OSRelease(device.properties);
	return DEXT_EXIT_OK;
}

int
plug_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"serial", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *serial = NULL;
	char spec[DEXT_SPEC_MAX + 1];
	bool json = false;
	int option, length;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(plug_help, stdout);
			return DEXT_EXIT_OK;
		}
		if (option == 's')
			serial = optarg;
		else if (option == 'j')
			json = true;
		else
			return DEXT_EXIT_USAGE;
	}
	if (argc - optind != 1)
		return usage_error("plug", "one SPEC was expected: sink, source, loopback or "
					   "ftdi");
	length = snprintf(spec, sizeof(spec), "%s%s%s", argv[optind],
			  serial != NULL ? ",serial=" : "", serial != NULL ? serial : "");
	if (length <= 0 || (size_t)length >= sizeof(spec))
		return usage_error("plug", "a SPEC has 1 to %u bytes", DEXT_SPEC_MAX);
	for (const char *c = spec; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			return usage_error("plug", "a SPEC is printable ASCII");
	}
	return plug(spec, json);
}

/* --- unplug --- */

/* As it was plugged in, with its options or without, or as lists show it: "virtual:sink". */
static bool
is_as_plugged(const struct device *device, const char *text)
{
	static const char prefix[] = "virtual:";
	const char *plugged = get(device, "dext_device");

	if (strncmp(plugged, prefix, sizeof(prefix) - 1) != 0)
		return false;
	plugged += sizeof(prefix) - 1;
	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	return strcmp(text, plugged) == 0 || (strlen(text) == strcspn(plugged, ",:") &&
					      strncmp(text, plugged, strlen(text)) == 0);
}

static bool
is_meant(const struct device *device, const char *text)
{
	char *end = NULL;
	unsigned long long number = strtoull(text, &end, 16);

	if (strncmp(text, "0x", 2) == 0 && *end == '\0')
		return number == device->id || number == get_place(device);
	/* As paths have it. */
	if (strlen(text) == 8 && *end == '\0' && number == get_place(device))
		return true;
	return strcmp(text, get(device, "USB Serial Number")) == 0 ||
	       strcmp(text, get(device, "IORegistryEntryName")) == 0 || is_as_plugged(device, text);
}

/* How many are meant; *ret_id: one of them. */
static IOReturn
find(struct ask *ask, const char *text, uint64_t *ret_id, unsigned *ret_count)
{
	OSDictionary *matching = OSDictionaryCreate(1);
	uint64_t *ids = NULL;
	size_t count = 0;
	IOReturn status = kIOReturnNoMemory;

	if (matching != NULL &&
	    OSDictionarySetStringValue(matching, "IOProviderClass", "IOUSBHostDevice"))
		status = ask_ids(ask, matching, &ids, &count);
	OSSafeReleaseNULL(matching);
	*ret_count = 0;
	for (size_t i = 0; i < count && status == kIOReturnSuccess; i++) {
		struct device device = {.id = ids[i]};

		status = ask_properties(ask, ids[i], &device.properties);
		if (status == kIOReturnNotFound) {
			status = kIOReturnSuccess; /* it has gone meanwhile */
			continue;
		}
		if (status == kIOReturnSuccess && is_meant(&device, text)) {
			*ret_id = device.id;
			++*ret_count;
		}
		OSSafeReleaseNULL(device.properties);
	}
	free(ids);
	return status;
}

static int
unplug(struct ask *ask, const char *text)
{
	char sentence[ASK_SENTENCE_MAX] = "";
	unsigned count = 0;
	uint64_t id = 0;
	IOReturn status = find(ask, text, &id, &count);

	if (status == kIOReturnSuccess && count == 0) {
		complain("unplug",
			 "there is no device '%s'; `dext tree` shows those that are there", text);
		return DEXT_EXIT_NOT_FOUND;
	}
	if (status == kIOReturnSuccess && count > 1)
		return usage_error("unplug",
				   "%u devices are '%s'; name one by its id, as `dext "
				   "plug` printed it",
				   count, text);
	if (status == kIOReturnSuccess)
		status = ask_unplug(ask, id, sentence);
	else
		snprintf(sentence, sizeof(sentence), "the registry's answer: %s",
			 ask_reason(ask, status));
	return status == kIOReturnSuccess ? DEXT_EXIT_OK : refused("unplug", status, sentence);
}

int
unplug_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct ask *ask = NULL;
	int option, result;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option != 'h')
			return DEXT_EXIT_USAGE;
		fputs(unplug_help, stdout);
		return DEXT_EXIT_OK;
	}
	if (argc - optind != 1)
		return usage_error("unplug", "one DEVICE was expected");
	if (!ask_open("unplug", &ask))
		return DEXT_EXIT_NOT_FOUND;
	result = unplug(ask, argv[optind]);
	ask_close(ask);
	return result;
}
