/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of an Info.plist. What the rest of the registry relies on is FATAL here, while the key
 * that is wrong can still be named: a personality without IOProviderClass would otherwise simply
 * never match. Keys that nothing here uses are left alone; Apple's bundles are full of them.
 *
 * Pure functions; any thread.
 */
#include "bundle_check.h"

#include "bundle_keys.h"
#include "registry_names.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 320

/* Xcode would have written the bundle's identifier there; in a personality so do we. */
#define IDENTIFIER_VARIABLE "$(PRODUCT_BUNDLE_IDENTIFIER)"

/* Where a dictionary stands: "" for the whole list, else its path with a colon behind. */
struct spot {
	const struct bundle_listener *listener;
	const OSDictionary *dictionary;
	enum bundle_place place;
	char where[PATH_SIZE / 2];
};

void
bundle_tell(const struct bundle_listener *listener, enum bundle_severity severity, const char *key,
	    const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	listener->found(listener->context, severity, key, text);
}

/* "key PATH ..." of a key of this dictionary. */
static void DEXT_PRINTF(4, 5) tell(const struct spot *spot, enum bundle_severity severity,
				   const char *key, const char *format, ...)
{
	char path[PATH_SIZE], text[512];
	va_list arguments;

	snprintf(path, sizeof(path), "%s%.150s", spot->where, key);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	bundle_tell(spot->listener, severity, path, "key %s %s", path, text);
}

static const OSObject *
get(const struct spot *spot, const char *key)
{
	return OSDictionaryGetValue(spot->dictionary, key);
}

/* A variable that nothing will replace. */
static bool
has_variable(const struct spot *spot, const char *string)
{
	const char *at = string;

	while ((at = strstr(at, "$(")) != NULL) {
		if (spot->place != BUNDLE_PERSONALITY ||
		    strncmp(at, IDENTIFIER_VARIABLE, strlen(IDENTIFIER_VARIABLE)) != 0)
			return true;
		at += strlen(IDENTIFIER_VARIABLE);
	}
	return false;
}

/* NULL: it is missing or wrong; a string that is there and wrong is told. */
static const char *
check_string(const struct spot *spot, const char *key, bool required)
{
	const OSObject *value = get(spot, key);
	const char *string = OSDictionaryGetStringValue(spot->dictionary, key);

	if (value == NULL && required)
		tell(spot, BUNDLE_FATAL, key, "is missing; a string was expected");
	else if (value != NULL && string == NULL)
		tell(spot, BUNDLE_FATAL, key, "is of class %s; a string was expected",
		     OSObject_GetClassName((OSObject *)(uintptr_t)value));
	else if (string != NULL && string[0] == '\0')
		tell(spot, BUNDLE_FATAL, key, "is empty; a string was expected");
	else if (string != NULL && has_variable(spot, string))
		tell(spot, BUNDLE_FATAL, key,
		     "is \"%.100s\": a variable that Xcode would replace; write the value itself",
		     string);
	else
		return string;
	return NULL;
}

/* --- keys of which the table says what they are --- */

static void
check_number(const struct spot *spot, const struct bundle_key *known, const OSObject *value)
{
	const OSNumber *number = OSDynamicCast(OSNumber, value);
	int64_t is;

	if (number == NULL) {
		tell(spot, BUNDLE_FATAL, known->name, "is of class %s; a number was expected",
		     OSObject_GetClassName((OSObject *)(uintptr_t)value));
		return;
	}
	is = (int64_t)OSNumberGetUInt64Value(number);
	if (is < known->least || is > known->most)
		tell(spot, BUNDLE_MISTAKE, known->name,
		     strncmp(known->name, "Dext", 4) == 0
			     ? "is %lld; %lld to %lld was expected"
			     : "is %lld, and no device has that; %lld to %lld was expected",
		     (long long)is, (long long)known->least, (long long)known->most);
}

static void
check_unknown(const struct spot *spot, const char *key)
{
	const char *like = bundle_key_like(spot->place, key);

	/* A driver may have `IOProbeScores` of its own beside IOProbeScore. */
	if (like != NULL && get(spot, like) == NULL)
		tell(spot, BUNDLE_MISTAKE, key, "is not known; write %s, which is missing", like);
	else if (spot->place == BUNDLE_TOP && bundle_key_find(BUNDLE_PERSONALITY, key) != NULL)
		tell(spot, BUNDLE_MISTAKE, key,
		     "does nothing here; it belongs into a personality, below IOKitPersonalities");
	else if (bundle_key_is_reserved(key))
		tell(spot, BUNDLE_WARNING, key,
		     "is not known here and does nothing; a property of your own is better named "
		     "otherwise");
}

static bool
check_known(void *context, const char *key, OSObject *value)
{
	const struct spot *spot = context;
	const struct bundle_key *known = bundle_key_find(spot->place, key);

	if (known == NULL)
		check_unknown(spot, key);
	else if (known->kind == BUNDLE_NUMBER)
		check_number(spot, known, value);
	return false;
}

/* --- a personality --- */

static void
check_products(const struct spot *spot)
{
	const OSObject *value = get(spot, "idProductArray");
	const OSArray *products = OSDynamicCast(OSArray, value);
	bool good = products != NULL && OSArrayGetCount(products) > 0, has = false;
	uint64_t product = 0;

	for (uint32_t i = 0; good && i < OSArrayGetCount(products); i++) {
		const OSNumber *number = OSDynamicCast(OSNumber, OSArrayGetValue(products, i));

		good = number != NULL;
		OSDictionaryGetUInt64Value(spot->dictionary, "idProduct", &product);
		has = has || (good && OSNumberGetUInt64Value(number) == product);
	}
	if (value != NULL && !good)
		tell(spot, BUNDLE_FATAL, "idProductArray", "is to be an array of numbers");
	else if (good && !has && get(spot, "idProduct") != NULL)
		tell(spot, BUNDLE_MISTAKE, "idProduct",
		     "is 0x%04llx, which idProductArray does not have: both must agree, so this "
		     "never matches; leave one of them out",
		     (unsigned long long)product);
}

/* The keys that only the nodes of one class have. */
static void
check_provider_keys(const struct spot *spot, const char *provider)
{
	static const char *const interface_keys[] = {
		"bConfigurationValue", "bInterfaceNumber",   "bInterfaceClass",
		"bInterfaceSubClass",  "bInterfaceProtocol",
	};
	static const char *const device_keys[] = {
		"idVendor",	"idProduct",	   "idProductArray",  "bcdDevice",
		"bDeviceClass", "bDeviceSubClass", "bDeviceProtocol",
	};
	bool device = class_conforms("IOUSBHostDevice", provider);
	bool interface = class_conforms("IOUSBHostInterface", provider);

	for (unsigned i = 0; i < sizeof(interface_keys) / sizeof(interface_keys[0]); i++)
		if (!interface && get(spot, interface_keys[i]) != NULL)
			tell(spot, BUNDLE_MISTAKE, interface_keys[i],
			     "is a property of interfaces, and IOProviderClass is %.60s, so this "
			     "never matches; write IOUSBHostInterface",
			     provider);
	for (unsigned i = 0; i < sizeof(device_keys) / sizeof(device_keys[0]); i++)
		if (!device && !interface && get(spot, device_keys[i]) != NULL)
			tell(spot, BUNDLE_MISTAKE, device_keys[i],
			     "is a property of USB devices, and IOProviderClass is %.60s, so this "
			     "never matches; write IOUSBHostDevice or IOUSBHostInterface",
			     provider);
}

static void
check_provider(const struct spot *spot)
{
	static const char *const providers[] = {"IOUSBHostDevice", "IOUSBHostInterface",
						"IOUserResources", "IOPCIDevice"};
	const char *provider = check_string(spot, "IOProviderClass", true);
	bool known = false;

	if (provider == NULL)
		return;
	for (unsigned i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		known = known || class_conforms(providers[i], provider);
	if (known)
		check_provider_keys(spot, provider);
	else
		tell(spot, BUNDLE_MISTAKE, "IOProviderClass",
		     "is \"%.80s\", and there are no such providers, so this never matches; write "
		     "IOUSBHostDevice, IOUSBHostInterface, IOPCIDevice, or IOUserResources for a "
		     "driver without a device",
		     provider);
}

/* The kernel's class on macOS; here it says only what was meant. */
static void
check_names(const struct spot *spot, const char *identifier)
{
	const char *server = check_string(spot, "IOUserServerName", false);
	const char *own = check_string(spot, "CFBundleIdentifier", false);

	check_string(spot, "IOUserClass", true);
	check_string(spot, "IOMatchCategory", false);
	if (get(spot, "IOUserServerName") == NULL)
		tell(spot, BUNDLE_WARNING, "IOUserServerName",
		     "is missing; macOS wants it: write the bundle's identifier");
	if (get(spot, "IOClass") == NULL)
		tell(spot, BUNDLE_WARNING, "IOClass",
		     "is missing; macOS wants it: write IOUserService");
	if (server != NULL && identifier != NULL && strcmp(server, identifier) != 0 &&
	    strcmp(server, IDENTIFIER_VARIABLE) != 0)
		tell(spot, BUNDLE_WARNING, "IOUserServerName",
		     "is \"%.100s\" and not the bundle's identifier; it does nothing here, each "
		     "match has a process of its own",
		     server);
	if (own != NULL && identifier != NULL && strcmp(own, identifier) != 0 &&
	    strcmp(own, IDENTIFIER_VARIABLE) != 0)
		tell(spot, BUNDLE_MISTAKE, "CFBundleIdentifier",
		     "is \"%.100s\"; the bundle's own, %.100s, was expected", own, identifier);
}

/* What IOService_Create makes an object of. */
static void
check_creatable(const struct spot *spot)
{
	const char *class_name = OSDictionaryGetStringValue(spot->dictionary, "IOClass");

	if (get(spot, "IOUserClass") == NULL)
		return;
	if (get(spot, "IOClass") == NULL)
		tell(spot, BUNDLE_MISTAKE, "IOClass",
		     "is missing, and so IOService_Create makes nothing of this dictionary; write "
		     "IOUserUserClient for a user client, or IOUserService");
	else if (class_name != NULL && strcmp(class_name, "IOUserUserClient") != 0 &&
		 strcmp(class_name, "IOUserService") != 0)
		tell(spot, BUNDLE_MISTAKE, "IOClass",
		     "is \"%.80s\", of which IOService_Create makes nothing; write "
		     "IOUserUserClient for a user client, or IOUserService",
		     class_name);
}

/* Dictionaries inside one, such as UserClientProperties: there no variable is replaced. */
static bool
check_inner(void *context, const char *key, OSObject *value)
{
	const struct spot *outer = context;
	struct spot spot = {outer->listener, OSDynamicCast(OSDictionary, value), BUNDLE_TOP, ""};
	const OSString *string = OSDynamicCast(OSString, value);

	if (outer->place == BUNDLE_TOP && string != NULL &&
	    strstr(OSStringGetCStringPtr(string), "$(") != NULL)
		tell(outer, BUNDLE_MISTAKE, key,
		     "is \"%.100s\": a variable that is not replaced here; write the value itself",
		     OSStringGetCStringPtr(string));
	if (spot.dictionary == NULL ||
	    snprintf(spot.where, sizeof(spot.where), "%s%s:", outer->where, key) >=
		    (int)sizeof(spot.where))
		return false;
	check_creatable(&spot);
	OSDictionaryApply_f(spot.dictionary, &spot, check_inner);
	return false;
}

struct walk {
	const struct bundle_listener *listener;
	const char *identifier; /* NULL: it is wrong */
};

static bool
check_personality(void *context, const char *name, OSObject *value)
{
	const struct walk *walk = context;
	struct spot spot = {walk->listener, OSDynamicCast(OSDictionary, value), BUNDLE_PERSONALITY,
			    ""};

	snprintf(spot.where, sizeof(spot.where), "IOKitPersonalities:%.100s", name);
	if (spot.dictionary == NULL) {
		bundle_tell(walk->listener, BUNDLE_FATAL, spot.where,
			    "key %s is of class %s; a dictionary was expected", spot.where,
			    OSObject_GetClassName(value));
		return false;
	}
	strcat(spot.where, ":");
	check_provider(&spot);
	check_names(&spot, walk->identifier);
	check_products(&spot);
	OSDictionaryApply_f(spot.dictionary, &spot, check_known);
	OSDictionaryApply_f(spot.dictionary, &spot, check_inner);
	return false;
}

/* --- the whole list --- */

static void
check_executable(const struct spot *spot)
{
	const char *name = check_string(spot, "CFBundleExecutable", true);

	if (name != NULL && strchr(name, '/') != NULL)
		tell(spot, BUNDLE_FATAL, "CFBundleExecutable",
		     "is \"%.100s\"; the name of a file in the bundle was expected, without a "
		     "slash",
		     name);
}

static void
check_identifier(const struct spot *spot, const char *identifier)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789.-_";

	if (identifier[strspn(identifier, allowed)] != '\0' || strchr(identifier, '.') == NULL)
		tell(spot, BUNDLE_WARNING, "CFBundleIdentifier",
		     "is \"%.100s\"; letters, digits, - and . were expected, as in "
		     "com.example.driver",
		     identifier);
}

void
bundle_check(const OSDictionary *info, const struct bundle_listener *listener)
{
	struct spot spot = {listener, info, BUNDLE_TOP, ""};
	struct walk walk = {listener, NULL};
	const OSObject *value = OSDictionaryGetValue(info, "IOKitPersonalities");
	const OSDictionary *all = OSDynamicCast(OSDictionary, value);
	const char *type;

	walk.identifier = check_string(&spot, "CFBundleIdentifier", true);
	if (walk.identifier != NULL)
		check_identifier(&spot, walk.identifier);
	type = check_string(&spot, "CFBundlePackageType", false);
	if (type != NULL && strcmp(type, "DEXT") != 0)
		tell(&spot, BUNDLE_FATAL, "CFBundlePackageType",
		     "is \"%.100s\"; \"DEXT\" was expected", type);
	check_executable(&spot);
	OSDictionaryApply_f(info, &spot, check_known);
	if (all == NULL || OSDictionaryGetCount(all) == 0)
		tell(&spot, BUNDLE_FATAL, "IOKitPersonalities",
		     "is %s; a dictionary with at least one personality, itself a dictionary, was "
		     "expected",
		     value == NULL ? "missing"
		     : all == NULL ? "of another class"
				   : "empty");
	else
		OSDictionaryApply_f(all, &walk, check_personality);
}
