/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "bundle.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define HEAD                                                                                  \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD " \
	"PLIST "                                                                              \
	"1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist "              \
	"version=\"1.0\"><dict>"
#define TAIL		    "</dict></plist>\n"
#define IDENTIFIER	    "<key>CFBundleIdentifier</key><string>org.example.echo</string>"
#define EXECUTABLE	    "<key>CFBundleExecutable</key><string>echo</string>"
#define PROVIDER	    "<key>IOProviderClass</key><string>IOUSBHostInterface</string>"
#define USER		    "<key>IOUserClass</key><string>Echo</string>"
#define PERSONALITIES(body) "<key>IOKitPersonalities</key><dict><key>EchoMatch</key>" body "</dict>"

/* A bundle in a folder of its own, which is removed at the end of the test's process. */
static char folder[] = "/tmp/opendext-test-XXXXXX";

static void
write_file(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void
remove_file(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

static void
begin(const char *info)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	if (info != NULL)
		write_file("Info.plist", info);
	write_file("echo.so", "");
}

static void
finish(void)
{
	remove_file("Info.plist");
	remove_file("echo.so");
	rmdir(folder);
}

START_TEST(reads_a_bundle)
{
	struct bundle *bundle = NULL;
	char error[BUNDLE_ERROR_MAX], executable[PATH_MAX];

	begin(HEAD IDENTIFIER EXECUTABLE PERSONALITIES(
		"<dict>" PROVIDER USER "<key>idVendor</key><integer>4617</integer>"
		"<key>IOProbeScore</key><integer>70</integer></dict>") TAIL);
	ck_assert_int_eq(bundle_open(folder, &bundle, error), kIOReturnSuccess);
	ck_assert_str_eq(bundle->identifier, "org.example.echo");
	snprintf(executable, sizeof(executable), "%s/echo.so", folder);
	ck_assert_str_eq(bundle->executable, executable);
	ck_assert_uint_eq(bundle->personality_count, 1);
	ck_assert_str_eq(bundle->personalities[0].name, "EchoMatch");
	ck_assert_str_eq(bundle->personalities[0].provider_class, "IOUSBHostInterface");
	ck_assert_str_eq(bundle->personalities[0].user_class, "Echo");
	ck_assert_str_eq(bundle->personalities[0].match_category, "IODefaultMatchCategory");
	ck_assert_int_eq(bundle->personalities[0].probe_score, 70);
	ck_assert_ptr_eq(bundle->personalities[0].bundle, bundle);
	bundle_free(bundle);
	finish();
}
END_TEST

/* Of what Xcode would fill in the identifier is known. */
START_TEST(fills_in_the_identifier)
{
	struct bundle *bundle = NULL;
	const OSDictionary *properties;
	char error[BUNDLE_ERROR_MAX];

	begin(HEAD IDENTIFIER EXECUTABLE PERSONALITIES(
		"<dict>" PROVIDER USER
		"<key>IOUserServerName</key><string>$(PRODUCT_BUNDLE_IDENTIFIER)</string>"
		"<key>IOMatchCategory</key>"
		"<string>a.$(PRODUCT_BUNDLE_IDENTIFIER).b.$(PRODUCT_BUNDLE_IDENTIFIER)</string>"
		"</dict>") TAIL);
	ck_assert_msg(bundle_open(folder, &bundle, error) == kIOReturnSuccess, "%s", error);
	properties = bundle->personalities[0].properties;
	ck_assert_str_eq(OSDictionaryGetStringValue(properties, "IOUserServerName"),
			 "org.example.echo");
	ck_assert_str_eq(bundle->personalities[0].match_category,
			 "a.org.example.echo.b.org.example.echo");
	bundle_free(bundle);
	finish();
}
END_TEST

/* A wrong plist: the status, and what the sentence must name. */
static const struct {
	const char *info;
	IOReturn status;
	const char *names, *expects;
} wrong[] = {
	{NULL, kIOReturnNotFound, "Info.plist", "no such file"},
	{"hello", kIOReturnBadArgument, "Info.plist", "not a property list"},
	{"<?xml version=\"1.0\"?><plist version=\"1.0\"><array/></plist>", kIOReturnBadArgument,
	 "top level", "dictionary"},
	{HEAD EXECUTABLE TAIL, kIOReturnBadArgument, "CFBundleIdentifier", "string was expected"},
	{HEAD "<key>CFBundleIdentifier</key><integer>3</integer>" TAIL, kIOReturnBadArgument,
	 "CFBundleIdentifier", "OSNumber"},
	{HEAD "<key>CFBundleIdentifier</key><string>$(PRODUCT_BUNDLE_IDENTIFIER)</string>" TAIL,
	 kIOReturnBadArgument, "$(PRODUCT_BUNDLE_IDENTIFIER)", "Xcode"},
	{HEAD IDENTIFIER "<key>CFBundlePackageType</key><string>APPL</string>" TAIL,
	 kIOReturnBadArgument, "CFBundlePackageType", "DEXT"},
	{HEAD IDENTIFIER TAIL, kIOReturnBadArgument, "CFBundleExecutable", "missing"},
	{HEAD IDENTIFIER "<key>CFBundleExecutable</key><string>../echo</string>" TAIL,
	 kIOReturnBadArgument, "../echo", "slash"},
	{HEAD IDENTIFIER "<key>CFBundleExecutable</key><string>other</string>" PERSONALITIES(
		 "<dict>" PROVIDER USER "</dict>") TAIL,
	 kIOReturnNotFound, "other.so", "built"},
	{HEAD IDENTIFIER EXECUTABLE TAIL, kIOReturnBadArgument, "IOKitPersonalities", "missing"},
	{HEAD IDENTIFIER EXECUTABLE "<key>IOKitPersonalities</key><dict/>" TAIL,
	 kIOReturnBadArgument, "IOKitPersonalities", "empty"},
	{HEAD IDENTIFIER EXECUTABLE PERSONALITIES("<string>x</string>") TAIL, kIOReturnBadArgument,
	 "IOKitPersonalities:EchoMatch", "dictionary was expected"},
	{HEAD IDENTIFIER EXECUTABLE PERSONALITIES("<dict>" USER "</dict>") TAIL,
	 kIOReturnBadArgument, "IOKitPersonalities:EchoMatch:IOProviderClass", "missing"},
	{HEAD IDENTIFIER EXECUTABLE PERSONALITIES("<dict>" PROVIDER "</dict>") TAIL,
	 kIOReturnBadArgument, "IOKitPersonalities:EchoMatch:IOUserClass", "missing"},
	{HEAD IDENTIFIER EXECUTABLE PERSONALITIES(
		 "<dict>" PROVIDER USER "<key>idVendor</key><string>0x1209</string></dict>") TAIL,
	 kIOReturnBadArgument, "IOKitPersonalities:EchoMatch:idVendor", "number was expected"},
	{HEAD IDENTIFIER EXECUTABLE PERSONALITIES(
		 "<dict>" PROVIDER USER
		 "<key>IOUserServerName</key><string>$(EXECUTABLE_NAME)</string></dict>") TAIL,
	 kIOReturnBadArgument, "$(EXECUTABLE_NAME)", "Xcode"},
	{HEAD IDENTIFIER EXECUTABLE PERSONALITIES(
		 "<dict>" PROVIDER USER "<key>idProductArray</key><integer>5</integer></dict>")
		 TAIL,
	 kIOReturnBadArgument, "IOKitPersonalities:EchoMatch:idProductArray", "array of numbers"},
	{HEAD IDENTIFIER EXECUTABLE PERSONALITIES(
		 "<dict>" PROVIDER USER
		 "<key>idProductArray</key><array><string>5</string></array></dict>") TAIL,
	 kIOReturnBadArgument, "IOKitPersonalities:EchoMatch:idProductArray", "array of numbers"},
};

START_TEST(names_what_is_wrong)
{
	struct bundle *bundle = NULL;
	char error[BUNDLE_ERROR_MAX] = "";

	begin(wrong[_i].info);
	ck_assert_int_eq(bundle_open(folder, &bundle, error), wrong[_i].status);
	ck_assert_ptr_null(bundle);
	ck_assert_msg(strstr(error, wrong[_i].names) != NULL, "no '%s' in: %s", wrong[_i].names,
		      error);
	ck_assert_msg(strstr(error, wrong[_i].expects) != NULL, "no '%s' in: %s", wrong[_i].expects,
		      error);
	finish();
}
END_TEST

/* What is no file is said to be none, and not waited for. */
START_TEST(a_pipe_is_no_info_plist)
{
	struct bundle *bundle = NULL;
	char error[BUNDLE_ERROR_MAX] = "", path[PATH_MAX];

	begin(NULL);
	snprintf(path, sizeof(path), "%s/Info.plist", folder);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(bundle_open(folder, &bundle, error), kIOReturnBadArgument);
	ck_assert_ptr_nonnull(strstr(error, "must be a file"));
	finish();
}
END_TEST

/* What a host is told goes as a property list, which has no other strings. */
START_TEST(a_path_that_is_not_utf8)
{
	struct bundle *bundle = NULL;
	char error[BUNDLE_ERROR_MAX] = "", path[PATH_MAX];

	begin(HEAD IDENTIFIER EXECUTABLE PERSONALITIES("<dict>" PROVIDER USER "</dict>") TAIL);
	snprintf(path, sizeof(path), "%s-\xff.dext", folder);
	ck_assert_int_eq(rename(folder, path), 0);
	ck_assert_int_eq(bundle_open(path, &bundle, error), kIOReturnBadArgument);
	ck_assert_ptr_nonnull(strstr(error, "the path is not UTF-8"));
	ck_assert_int_eq(rename(path, folder), 0);
	finish();
}
END_TEST

START_TEST(names_a_missing_folder)
{
	struct bundle *bundle = NULL;
	char error[BUNDLE_ERROR_MAX] = "";

	ck_assert_int_ne(bundle_open("/nonexistent/echo.dext", &bundle, error), kIOReturnSuccess);
	ck_assert_ptr_null(bundle);
	ck_assert_ptr_nonnull(strstr(error, "/nonexistent/echo.dext"));
}
END_TEST

static void
check_no_file(const char *name, const char *expected)
{
	struct bundle *bundle = NULL;
	char error[BUNDLE_ERROR_MAX] = "", path[PATH_MAX];

	begin(HEAD IDENTIFIER EXECUTABLE PERSONALITIES("<dict>" PROVIDER USER "</dict>") TAIL);
	remove_file(name);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_ne(bundle_open(folder, &bundle, error), kIOReturnSuccess);
	ck_assert_msg(strstr(error, expected) != NULL, "%s", error);
	finish();
}

START_TEST(a_pipe_is_no_executable)
{
	check_no_file("echo.so", "echo.so");
}
END_TEST

UNIT_LOOP_MAIN("bundle", {reads_a_bundle, 1}, {fills_in_the_identifier, 1},
	       {names_what_is_wrong, sizeof(wrong) / sizeof(wrong[0])},
	       {a_pipe_is_no_info_plist, 1}, {a_path_that_is_not_utf8, 1},
	       {names_a_missing_folder, 1}, {a_pipe_is_no_executable, 1})
