/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a bundle. Everything that a later step relies on is checked first (bundle_check.h), while
 * the file, the line and the key that are wrong can still be named.
 *
 * Runs in the registry only; one thread.
 */
#include "bundle.h"

#include "bundle_check.h"
#include "bundle_file.h"
#include "status.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* What bundle_open is about: where an error goes and which file it names. */
struct reader {
	bool inside; /* there need be no shared object */
	char *error;
	char file[PATH_MAX];
	struct plist_lines lines;
};

static IOReturn DEXT_PRINTF(3, 4)
	fail(struct reader *reader, IOReturn status, const char *format, ...)
{
	va_list arguments;
	int used = snprintf(reader->error, BUNDLE_ERROR_MAX, "%s: ", reader->file);

	if (used < 0 || used >= BUNDLE_ERROR_MAX)
		return status;
	va_start(arguments, format);
	vsnprintf(reader->error + used, (size_t)(BUNDLE_ERROR_MAX - used), format, arguments);
	va_end(arguments);
	return status;
}

static IOReturn
fail_errno(struct reader *reader, const char *what)
{
	int error = errno;

	fail(reader, kIOReturnSuccess, "%s: %s", what, strerror(error));
	return status_from_errno(error, reader->file);
}

static IOReturn
read_plist(struct reader *reader, OSDictionary **ret_info)
{
	char error[BUNDLE_ERROR_MAX] = "";
	IOReturn status = bundle_file_read(reader->file, &reader->lines, ret_info, error);

	return status == kIOReturnSuccess ? status : fail(reader, status, "%s", error);
}

/* The first thing for which a bundle is not loaded. */
static void
keep_first(void *context, enum bundle_severity severity, const char *key, const char *text)
{
	struct reader *reader = context;
	unsigned line = plist_line_of(&reader->lines, key);

	if (severity != BUNDLE_FATAL || reader->error[0] != '\0')
		return;
	if (line != 0)
		fail(reader, kIOReturnBadArgument, "line %u: %s", line, text);
	else
		fail(reader, kIOReturnBadArgument, "%s", text);
}

static IOReturn
find_executable(struct reader *reader, struct bundle *bundle, const OSDictionary *info)
{
	const char *name = OSDictionaryGetStringValue(info, "CFBundleExecutable");

	bundle->executable = bundle_file_executable(bundle->path, name);
	if (bundle->executable == NULL && reader->inside)
		bundle->executable = strdup(reader->file);
	if (bundle->executable != NULL)
		return kIOReturnSuccess;
	return fail(reader, kIOReturnNotFound, BUNDLE_NO_EXECUTABLE, name, name, name);
}

/* Xcode would have written the bundle's identifier there. */
#define IDENTIFIER_VARIABLE "$(PRODUCT_BUNDLE_IDENTIFIER)"

static bool
has_variable(void *context, const char *key, OSObject *value)
{
	const OSString *string = OSDynamicCast(OSString, value);

	*(const char **)context = key;
	return string != NULL && strstr(OSStringGetCStringPtr(string), IDENTIFIER_VARIABLE) != NULL;
}

static IOReturn
replace_variables(struct reader *reader, OSDictionary *properties, const char *identifier)
{
	const char *found = NULL;

	while (OSDictionaryApply_f(properties, &found, has_variable)) {
		const char *before = OSDictionaryGetStringValue(properties, found);
		const char *variable = strstr(before, IDENTIFIER_VARIABLE);
		char *key = strdup(found), *after = NULL;
		bool done = asprintf(&after, "%.*s%s%s", (int)(variable - before), before,
				     identifier, variable + strlen(IDENTIFIER_VARIABLE)) >= 0 &&
			    key != NULL && OSDictionarySetStringValue(properties, key, after);

		free(key);
		free(after);
		if (!done)
			return fail(reader, kIOReturnNoMemory, "out of memory");
	}
	return kIOReturnSuccess;
}

/* The properties have passed bundle_check, here or in an earlier process. */
static IOReturn
read_personality(struct personality *personality)
{
	const OSDictionary *properties = personality->properties;
	uint64_t score = 0;

	personality->provider_class = OSDictionaryGetStringValue(properties, "IOProviderClass");
	personality->user_class = OSDictionaryGetStringValue(properties, "IOUserClass");
	personality->match_category = OSDictionaryGetStringValue(properties, "IOMatchCategory");
	if (personality->match_category == NULL)
		personality->match_category = "IODefaultMatchCategory";
	if (OSDictionaryGetUInt64Value(properties, "IOProbeScore", &score))
		personality->probe_score = (int64_t)score;
	return personality->name != NULL && personality->provider_class != NULL &&
			       personality->user_class != NULL
		       ? kIOReturnSuccess
		       : kIOReturnBadArgument;
}

struct collector {
	struct reader *reader;
	struct bundle *bundle;
	IOReturn status;
};

static bool
collect(void *context, const char *key, OSObject *value)
{
	struct collector *collector = context;
	struct bundle *bundle = collector->bundle;
	struct personality *personality = &bundle->personalities[bundle->personality_count++];

	personality->bundle = bundle;
	personality->name = strdup(key);
	OSRetain(value);
	personality->properties = OSRequiredCast(OSDictionary, value);
	collector->status =
		replace_variables(collector->reader, personality->properties, bundle->identifier);
	if (collector->status == kIOReturnSuccess)
		collector->status = read_personality(personality);
	return collector->status != kIOReturnSuccess;
}

static IOReturn
read_personalities(struct reader *reader, struct bundle *bundle, const OSDictionary *info)
{
	const OSDictionary *all =
		OSDynamicCast(OSDictionary, OSDictionaryGetValue(info, "IOKitPersonalities"));
	struct collector collector = {reader, bundle, kIOReturnSuccess};

	bundle->personalities = calloc(OSDictionaryGetCount(all), sizeof(struct personality));
	if (bundle->personalities == NULL)
		return fail(reader, kIOReturnNoMemory, "out of memory");
	OSDictionaryApply_f(all, &collector, collect);
	return collector.status;
}

static IOReturn
read_info(struct reader *reader, struct bundle *bundle, const OSDictionary *info)
{
	const struct bundle_listener listener = {keep_first, reader};
	IOReturn status;

	bundle_check(info, &listener);
	if (reader->error[0] != '\0')
		return kIOReturnBadArgument;
	bundle->identifier = strdup(OSDictionaryGetStringValue(info, "CFBundleIdentifier"));
	if (bundle->identifier == NULL)
		return fail(reader, kIOReturnNoMemory, "out of memory");
	status = find_executable(reader, bundle, info);
	if (status == kIOReturnSuccess)
		status = read_personalities(reader, bundle, info);
	return status;
}

static uint64_t
mix(uint64_t hash, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * FNV_PRIME;
	return hash;
}

uint64_t
bundle_print_file(const char *name, const struct stat *info)
{
	const uint64_t numbers[] = {
		info->st_dev,
		info->st_ino,
		info->st_mode,
		info->st_uid,
		(uint64_t)info->st_size,
		(uint64_t)info->st_mtim.tv_sec,
		(uint64_t)info->st_mtim.tv_nsec,
		(uint64_t)info->st_ctim.tv_sec,
		(uint64_t)info->st_ctim.tv_nsec,
	};

	return mix(mix(FNV_BASIS, name, strlen(name) + 1), numbers, sizeof(numbers));
}

static void
add_print(uint64_t *print, const char *path)
{
	struct stat info;

	if (stat(path, &info) == 0)
		*print += bundle_print_file(path, &info);
}

static IOReturn
open_bundle(const char *path, bool inside, struct bundle **ret_bundle, char error[BUNDLE_ERROR_MAX])
{
	struct reader reader = {.inside = inside, .error = error};
	OSDictionary *info = NULL;
	struct bundle *bundle;
	IOReturn status;

	error[0] = '\0';
	snprintf(reader.file, sizeof(reader.file), "%s", path);
	bundle = calloc(1, sizeof(*bundle));
	if (bundle == NULL)
		return fail(&reader, kIOReturnNoMemory, "out of memory");
	bundle->path = realpath(path, NULL);
	if (bundle->path == NULL) {
		status = fail_errno(&reader, "no bundle can be opened there");
	} else if (!utf8_is_valid(bundle->path)) {
		/* A property list, by which a host is told it, has no other strings. */
		status = fail(&reader, kIOReturnBadArgument,
			      "the path is not UTF-8; rename the folder that is not");
	} else {
		snprintf(reader.file, sizeof(reader.file), "%.*s/Info.plist", PATH_MAX - 16,
			 bundle->path);
		/* First: what is read is not older than its print. */
		add_print(&bundle->print, reader.file);
		status = read_plist(&reader, &info);
	}
	if (status == kIOReturnSuccess)
		status = read_info(&reader, bundle, info);
	if (status == kIOReturnSuccess)
		add_print(&bundle->print, bundle->executable);
	OSSafeReleaseNULL(info);
	plist_lines_free(&reader.lines);
	if (status != kIOReturnSuccess) {
		if (error[0] == '\0')
			fail(&reader, status, "%s", status_string(status));
		bundle_free(bundle);
		return status;
	}
	*ret_bundle = bundle;
	return kIOReturnSuccess;
}

IOReturn
bundle_open(const char *path, struct bundle **ret_bundle, char error[BUNDLE_ERROR_MAX])
{
	return open_bundle(path, false, ret_bundle, error);
}

IOReturn
bundle_open_inside(const char *path, struct bundle **ret_bundle, char error[BUNDLE_ERROR_MAX])
{
	return open_bundle(path, true, ret_bundle, error);
}

static char *
copy_string(const OSDictionary *dictionary, const char *key)
{
	const char *value = OSDictionaryGetStringValue(dictionary, key);

	return value != NULL ? strdup(value) : NULL;
}

IOReturn
bundle_recall(const OSDictionary *start, const char *name, struct bundle **ret_bundle)
{
	OSDictionary *properties =
		OSDynamicCast(OSDictionary, OSDictionaryGetValue(start, "Personality"));
	struct bundle *bundle = calloc(1, sizeof(*bundle));
	IOReturn status = kIOReturnBadArgument;

	if (bundle == NULL)
		return kIOReturnNoMemory;
	bundle->path = copy_string(start, "BundlePath");
	bundle->identifier = copy_string(start, "Bundle");
	bundle->executable = copy_string(start, "Executable");
	bundle->personalities = calloc(1, sizeof(struct personality));
	if (properties != NULL && bundle->personalities != NULL) {
		struct personality *personality = bundle->personalities;

		bundle->personality_count = 1;
		OSRetain(properties);
		personality->bundle = bundle;
		personality->properties = properties;
		personality->name = strdup(name);
		status = read_personality(personality);
	}
	if (bundle->path == NULL || bundle->identifier == NULL || bundle->executable == NULL)
		status = kIOReturnBadArgument;
	if (status != kIOReturnSuccess) {
		bundle_free(bundle);
		return status;
	}
	*ret_bundle = bundle;
	return kIOReturnSuccess;
}

void
bundle_free(struct bundle *bundle)
{
	if (bundle == NULL)
		return;
	for (unsigned i = 0; i < bundle->personality_count; i++) {
		free(bundle->personalities[i].name);
		OSSafeReleaseNULL(bundle->personalities[i].properties);
	}
	free(bundle->personalities);
	free(bundle->path);
	free(bundle->identifier);
	free(bundle->executable);
	free(bundle);
}
