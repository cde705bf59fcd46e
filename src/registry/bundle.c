/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a bundle. Everything that a later step relies on is checked here, while the file and the
 * key that are wrong can still be named: a personality without IOProviderClass would otherwise
 * simply never match. Keys that nothing here uses are left alone; Apple's bundles are full of them.
 *
 * Runs in the registry only; one thread.
 */
#include "bundle.h"

#include "packet.h"
#include "plist.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLIST_MAX (1u << 20) /* bytes of an Info.plist */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* What bundle_open is about: where an error goes and which file it names. */
struct reader {
	char *error;
	char file[PATH_MAX];
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
read_whole(struct reader *reader, int fd, void **ret_bytes, size_t *ret_length)
{
	struct stat info;
	uint8_t *bytes;
	size_t length = 0;

	if (fstat(fd, &info) < 0)
		return fail_errno(reader, "cannot be read");
	if (!S_ISREG(info.st_mode) || info.st_size > PLIST_MAX)
		return fail(reader, kIOReturnBadArgument, "must be a file of at most %u bytes",
			    PLIST_MAX);
	bytes = malloc((size_t)info.st_size + 1);
	if (bytes == NULL)
		return fail(reader, kIOReturnNoMemory, "out of memory");
	while (length < (size_t)info.st_size) {
		ssize_t got = read(fd, bytes + length, (size_t)info.st_size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			IOReturn status = fail_errno(reader, "cannot be read");

			free(bytes);
			return status;
		}
		if (got == 0)
			break;
		length += (size_t)got;
	}
	*ret_bytes = bytes;
	*ret_length = length;
	return kIOReturnSuccess;
}

static IOReturn
read_plist(struct reader *reader, OSDictionary **ret_dictionary)
{
	OSObject *object = NULL;
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status;
	int fd = open(reader->file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return fail(reader, kIOReturnNotFound,
			    "there is no such file; a bundle is a folder NAME.dext with an "
			    "Info.plist and a shared object in it");
	if (fd < 0)
		return fail_errno(reader, "cannot be opened");
	status = read_whole(reader, fd, &bytes, &length);
	fd_close(&fd);
	if (status != kIOReturnSuccess)
		return status;
	status = plist_decode(bytes, length, &object);
	free(bytes);
	if (status != kIOReturnSuccess)
		return fail(reader, kIOReturnBadArgument,
			    "is not a property list (plistutil -i FILE shows where it breaks)");
	*ret_dictionary = OSDynamicCast(OSDictionary, object);
	if (*ret_dictionary == NULL) {
		OSRelease(object);
		return fail(reader, kIOReturnBadArgument, "the top level must be a dictionary");
	}
	return kIOReturnSuccess;
}

/* `where` is "" or "IOKitPersonalities:NAME:", as PlistBuddy writes paths. */
static IOReturn
get_string(struct reader *reader, const OSDictionary *dictionary, const char *where,
	   const char *key, bool required, const char **ret_string)
{
	OSObject *value = OSDictionaryGetValue(dictionary, key);
	const char *string = OSDictionaryGetStringValue(dictionary, key);

	if (value == NULL && !required)
		return kIOReturnSuccess;
	if (value == NULL)
		return fail(reader, kIOReturnBadArgument,
			    "key %s%s is missing; a string was expected", where, key);
	if (string == NULL)
		return fail(reader, kIOReturnBadArgument,
			    "key %s%s is of class %s; a string was expected", where, key,
			    OSObject_GetClassName(value));
	if (string[0] == '\0')
		return fail(reader, kIOReturnBadArgument, "key %s%s is empty", where, key);
	if (strstr(string, "$(") != NULL)
		return fail(reader, kIOReturnBadArgument,
			    "key %s%s is \"%s\": a variable that Xcode would replace; write the "
			    "value itself",
			    where, key, string);
	*ret_string = string;
	return kIOReturnSuccess;
}

static IOReturn
find_executable(struct reader *reader, struct bundle *bundle, const OSDictionary *info)
{
	static const char *const suffixes[] = {"", ".so"};
	const char *name = NULL;
	char path[PATH_MAX];
	struct stat file;
	IOReturn status = get_string(reader, info, "", "CFBundleExecutable", true, &name);

	if (status != kIOReturnSuccess)
		return status;
	if (strchr(name, '/') != NULL)
		return fail(
			reader, kIOReturnBadArgument,
			"key CFBundleExecutable is \"%s\"; the name of a file in the bundle was "
			"expected, without a slash",
			name);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s%s", bundle->path, name, suffixes[i]);
		if (stat(path, &file) == 0 && S_ISREG(file.st_mode)) {
			bundle->executable = strdup(path);
			return bundle->executable != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
		}
	}
	return fail(reader, kIOReturnNotFound,
		    "key CFBundleExecutable is \"%s\", but the bundle has neither %s nor %s.so; "
		    "was the driver built?",
		    name, name, name);
}

/* Keys by which a USB personality is compared; each is a number where it is there. */
static const char *const number_keys[] = {
	"idVendor",	   "idProduct",		 "bcdDevice",		"bDeviceClass",
	"bDeviceSubClass", "bDeviceProtocol",	 "bConfigurationValue", "bInterfaceNumber",
	"bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol",	"IOProbeScore",
	"idProductMask",
};

static IOReturn
check_numbers(struct reader *reader, const OSDictionary *properties, const char *where)
{
	for (unsigned i = 0; i < sizeof(number_keys) / sizeof(number_keys[0]); i++) {
		OSObject *value = OSDictionaryGetValue(properties, number_keys[i]);

		if (value != NULL && OSDynamicCast(OSNumber, value) == NULL)
			return fail(reader, kIOReturnBadArgument,
				    "key %s%s is of class %s; a number was expected", where,
				    number_keys[i], OSObject_GetClassName(value));
	}
	return kIOReturnSuccess;
}

static IOReturn
check_products(struct reader *reader, const OSDictionary *properties, const char *where)
{
	OSObject *value = OSDictionaryGetValue(properties, "idProductArray");
	const OSArray *products = OSDynamicCast(OSArray, value);
	bool good = products != NULL && OSArrayGetCount(products) > 0;

	for (uint32_t i = 0; good && i < OSArrayGetCount(products); i++)
		good = OSDynamicCast(OSNumber, OSArrayGetValue(products, i)) != NULL;
	if (value == NULL || good)
		return kIOReturnSuccess;
	return fail(reader, kIOReturnBadArgument,
		    "key %sidProductArray: an array of numbers was expected", where);
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

static IOReturn
read_personality(struct reader *reader, struct personality *personality)
{
	const OSDictionary *properties = personality->properties;
	const char *ignored = NULL;
	uint64_t score = 0;
	char where[160];
	IOReturn status;

	snprintf(where, sizeof(where), "IOKitPersonalities:%.100s:", personality->name);
	personality->match_category = "IODefaultMatchCategory";
	status = get_string(reader, properties, where, "IOProviderClass", true,
			    &personality->provider_class);
	if (status == kIOReturnSuccess)
		status = get_string(reader, properties, where, "IOUserClass", true,
				    &personality->user_class);
	if (status == kIOReturnSuccess)
		status = get_string(reader, properties, where, "IOUserServerName", false, &ignored);
	if (status == kIOReturnSuccess)
		status = get_string(reader, properties, where, "IOMatchCategory", false,
				    &personality->match_category);
	if (status == kIOReturnSuccess)
		status = check_numbers(reader, properties, where);
	if (status == kIOReturnSuccess)
		status = check_products(reader, properties, where);
	if (status != kIOReturnSuccess)
		return status;
	if (OSDictionaryGetUInt64Value(properties, "IOProbeScore", &score))
		personality->probe_score = (int64_t)score;
	return kIOReturnSuccess;
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
	struct personality *personality = &bundle->personalities[bundle->personality_count];
	OSDictionary *properties = OSDynamicCast(OSDictionary, value);

	if (properties == NULL) {
		collector->status =
			fail(collector->reader, kIOReturnBadArgument,
			     "key IOKitPersonalities:%s is of class %s; a dictionary was expected",
			     key, OSObject_GetClassName(value));
		return true;
	}
	personality->bundle = bundle;
	personality->name = strdup(key);
	if (personality->name == NULL) {
		collector->status = fail(collector->reader, kIOReturnNoMemory, "out of memory");
		return true;
	}
	OSRetain(properties);
	personality->properties = properties;
	bundle->personality_count++;
	collector->status = replace_variables(collector->reader, properties, bundle->identifier);
	if (collector->status == kIOReturnSuccess)
		collector->status = read_personality(collector->reader, personality);
	return collector->status != kIOReturnSuccess;
}

static IOReturn
read_personalities(struct reader *reader, struct bundle *bundle, const OSDictionary *info)
{
	OSObject *value = OSDictionaryGetValue(info, "IOKitPersonalities");
	const OSDictionary *all = OSDynamicCast(OSDictionary, value);
	struct collector collector = {reader, bundle, kIOReturnSuccess};

	if (all == NULL || OSDictionaryGetCount(all) == 0)
		return fail(reader, kIOReturnBadArgument,
			    "key IOKitPersonalities is %s; a dictionary with at least one "
			    "personality, itself a dictionary, was expected",
			    value == NULL ? "missing"
			    : all == NULL ? "of another class"
					  : "empty");
	bundle->personalities = calloc(OSDictionaryGetCount(all), sizeof(struct personality));
	if (bundle->personalities == NULL)
		return fail(reader, kIOReturnNoMemory, "out of memory");
	OSDictionaryApply_f(all, &collector, collect);
	return collector.status;
}

static IOReturn
read_info(struct reader *reader, struct bundle *bundle, const OSDictionary *info)
{
	const char *identifier = NULL, *type = "DEXT";
	IOReturn status = get_string(reader, info, "", "CFBundleIdentifier", true, &identifier);

	if (status == kIOReturnSuccess)
		status = get_string(reader, info, "", "CFBundlePackageType", false, &type);
	if (status != kIOReturnSuccess)
		return status;
	if (strcmp(type, "DEXT") != 0)
		return fail(reader, kIOReturnBadArgument,
			    "key CFBundlePackageType is \"%s\"; \"DEXT\" was expected", type);
	bundle->identifier = strdup(identifier);
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

IOReturn
bundle_open(const char *path, struct bundle **ret_bundle, char error[BUNDLE_ERROR_MAX])
{
	struct reader reader = {.error = error};
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
	if (status != kIOReturnSuccess) {
		bundle_free(bundle);
		return status;
	}
	*ret_bundle = bundle;
	return kIOReturnSuccess;
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
	char error[BUNDLE_ERROR_MAX] = "";
	struct reader reader = {.error = error};
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
		status = read_personality(&reader, personality);
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
