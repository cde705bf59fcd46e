/* SPDX-License-Identifier: Apache-2.0 */
/* dext tree as a command: what it shows of two boards, as text and as JSON. */
#include "harness.h"
#include "unit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define OUTPUT_MAX 65536

static struct harness harness;

static void
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), "--virtual",
						 "sink:serial=LEFT", "--virtual",
						 "loopback:serial=RIGHT", NULL});
}

/* Its standard output; static storage. */
static const char *
tree(const char *arguments, int expected_status)
{
	static char output[OUTPUT_MAX];
	char command[1024];
	size_t length;
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "%s tree %s", harness_bundle("DEXT"), arguments);
	pipe = popen(command, "re");
	ck_assert_ptr_nonnull(pipe);
	length = fread(output, 1, sizeof(output) - 1, pipe);
	output[length] = '\0';
	status = pclose(pipe);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), expected_status);
	return output;
}

/* The text without the ids, which are random. */
static const char *
shape(const char *text)
{
	static char result[OUTPUT_MAX];
	char *to = result;

	while (*text != '\0') {
		if (strncmp(text, ", id 0x", 7) == 0) {
			text += 7;
			text += strspn(text, "0123456789abcdef");
			continue;
		}
		*to++ = *text++;
	}
	*to = '\0';
	return result;
}

START_TEST(the_tree_is_drawn)
{
	start();
	ck_assert_str_eq(shape(tree("", 0)),
			 "+-o Root  <class IORegistryEntry>\n"
			 "  +-o IOUserResources  <class IOUserResources>\n"
			 "  +-o OpenDext sink@80100000  <class IOUSBHostDevice>\n"
			 "  | +-o IOUSBHostInterface@0  <class IOUSBHostInterface>\n"
			 "  |   +-o BulkStream  <class IOUserService>\n"
			 "  +-o OpenDext loopback@80200000  <class IOUSBHostDevice>\n"
			 "    +-o IOUSBHostInterface@0  <class IOUSBHostInterface>\n"
			 "      +-o BulkStream  <class IOUserService>\n");
	ck_assert_str_eq(shape(tree("-p IOUSB", 0)),
			 "+-o Root  <class IORegistryEntry>\n"
			 "  +-o OpenDext sink@80100000  <class IOUSBHostDevice>\n"
			 "  +-o OpenDext loopback@80200000  <class IOUSBHostDevice>\n");
	ck_assert_str_eq(shape(tree("-d 1", 0)), "+-o Root  <class IORegistryEntry>\n");
	harness_stop(&harness);
}
END_TEST

START_TEST(properties_are_those_of_what_was_chosen)
{
	const char *text;

	start();
	text = tree("-n BulkStream", 0);
	ck_assert_ptr_nonnull(strstr(text, "  |     {\n  |       \"BulkStreamRequests\" = "
					   "{\"Reset\"={\"bRequest\"=2,"));
	ck_assert_ptr_nonnull(strstr(text, "\"idVendor\" = 4617\n"));
	ck_assert_ptr_null(strstr(text, "\"USB Serial Number\""));
	ck_assert_ptr_nonnull(strstr(tree("-l", 0), "\"USB Serial Number\" = \"LEFT\"\n"));
	text = tree("-r -c IOUSBHostDevice -n 'OpenDext loopback'", 0);
	ck_assert_ptr_nonnull(strstr(text, "\"USB Serial Number\" = \"RIGHT\"\n"));
	ck_assert_ptr_null(strstr(text, "LEFT"));
	ck_assert_ptr_nonnull(strstr(text, "BulkStream"));
	harness_stop(&harness);
}
END_TEST

/* What people who know ioreg type as well. */
START_TEST(options_of_ioreg)
{
	const char *text;

	start();
	text = shape(tree("-r -t -n BulkStream -d 9 -x -w 40", 0));
	ck_assert_msg(strncmp(text, "+-o Root  <class IORegistryEntry, id 0x",
			      strlen("+-o Root  <class IORegistryEntry")) == 0,
		      "%s", text);
	ck_assert_ptr_null(strstr(text, "IOUserResources"));
	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
		ck_assert_int_le(end - line, 40);
	ck_assert_str_eq(shape(tree("-r -t -k 'USB Serial Number' -d 2 | grep -v '[{}=]'", 0)),
			 "+-o Root  <class IORegistryEntry>\n"
			 "  +-o OpenDext sink@80100000  <class IOUSBHostDevice>\n"
			 "  +-o OpenDext loopback@80200000  <class IOUSBHostDevice>\n");
	text = tree("-x -n BulkStream", 0);
	ck_assert_ptr_nonnull(strstr(text, "\"idVendor\" = 0x1209\n"));
	ck_assert_ptr_nonnull(
		strstr(tree("-i", 0), "<class IOUSBHostInterface:IOUSBInterface:IOService:"));
	ck_assert_ptr_nonnull(strstr(tree("-b", 0), "\033[1mBulkStream\033[0m"));
	ck_assert_ptr_nonnull(strstr(tree("-l -f -w 0", 0), "\"USB Serial Number\" = \"LEFT\"\n"));
	harness_stop(&harness);
}
END_TEST

START_TEST(json_holds_the_same)
{
	struct json_object *all, *device, *children, *interface, *value;

	start();
	all = json_tokener_parse(tree("--json -r -c IOUSBHostDevice", 0));
	ck_assert_int_eq((int)json_object_array_length(all), 2);
	device = json_object_array_get_idx(all, 1);
	ck_assert(json_object_object_get_ex(device, "name", &value));
	ck_assert_str_eq(json_object_get_string(value), "OpenDext loopback");
	ck_assert(json_object_object_get_ex(device, "location", &value));
	ck_assert_str_eq(json_object_get_string(value), "80200000");
	ck_assert(json_object_object_get_ex(device, "children", &children));
	interface = json_object_array_get_idx(children, 0);
	ck_assert(json_object_object_get_ex(interface, "properties", &value));
	ck_assert(json_object_object_get_ex(value, "bInterfaceNumber", &value));
	ck_assert(json_object_is_type(value, json_type_int));
	json_object_put(all);
	all = json_tokener_parse(tree("--json -r -n Nobody", 3));
	ck_assert(json_object_is_type(all, json_type_array));
	ck_assert_int_eq((int)json_object_array_length(all), 0);
	json_object_put(all);
	harness_stop(&harness);
}
END_TEST

START_TEST(wrong_command_lines)
{
	tree("-r 2>/dev/null", 2);
	tree("-p IOPower 2>/dev/null", 2);
	tree("-d 0 2>/dev/null", 2);
	tree("-w x 2>/dev/null", 2);
	tree("-a 2>/dev/null", 2);
	tree("nothing 2>/dev/null", 2);
	setenv("OPENDEXT_RUNTIME_DIR", "/nonexistent", 1);
	tree("2>/dev/null", 3);
	ck_assert_ptr_nonnull(strstr(tree("--help", 0), "Examples:"));
}
END_TEST

UNIT_MAIN("tree", the_tree_is_drawn, properties_are_those_of_what_was_chosen, options_of_ioreg,
	  json_holds_the_same, wrong_command_lines)
