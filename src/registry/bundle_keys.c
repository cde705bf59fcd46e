/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of keys. Apple's keys that nothing here reads are in them too, so that a bundle that
 * was made for macOS has no warnings.
 *
 * Pure functions; any thread.
 */
#include "bundle_keys.h"

#include "bound_settings.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define BYTE(name)                                \
	{                                         \
		name, BUNDLE_NUMBER, 0, UINT8_MAX \
	}
#define SHORT(name)                                \
	{                                          \
		name, BUNDLE_NUMBER, 0, UINT16_MAX \
	}
#define STRING(name)                      \
	{                                 \
		name, BUNDLE_STRING, 0, 0 \
	}
#define ANY(name)                      \
	{                              \
		name, BUNDLE_ANY, 0, 0 \
	}

static const struct bundle_key top[] = {
	STRING("CFBundleIdentifier"),
	STRING("CFBundleExecutable"),
	STRING("CFBundlePackageType"),
	STRING("CFBundleName"),
	STRING("CFBundleVersion"),
	STRING("CFBundleShortVersionString"),
	STRING("CFBundleDevelopmentRegion"),
	STRING("CFBundleDisplayName"),
	STRING("CFBundleGetInfoString"),
	STRING("CFBundleInfoDictionaryVersion"),
	STRING("CFBundleSignature"),
	ANY("CFBundleSupportedPlatforms"),
	ANY("CFBundleLocalizations"),
	{"IOKitPersonalities", BUNDLE_DICTIONARY, 0, 0},
	STRING("OSBundleUsageDescription"),
	ANY("OSBundleLibraries"),
	ANY("OSBundleRequired"),
	ANY("OSMinimumDriverKitVersion"),
	STRING("NSHumanReadableCopyright"),
};

static const struct bundle_key personality[] = {
	STRING("CFBundleIdentifier"),
	STRING("CFBundleIdentifierKernel"),
	STRING("IOClass"),
	STRING("IOProviderClass"),
	STRING("IOUserClass"),
	STRING("IOUserServerName"),
	STRING("IOMatchCategory"),
	{"IOProbeScore", BUNDLE_NUMBER, INT32_MIN, INT32_MAX},
	ANY("IONameMatch"),
	ANY("IOPropertyMatch"),
	ANY("IOPropertyExistsMatch"),
	ANY("IOResourceMatch"),
	ANY("IOParentMatch"),
	ANY("IOPathMatch"),
	ANY("IOLocationMatch"),
	ANY("IOMatchDefer"),
	ANY("IOMatchedAtBoot"),
	ANY("IOKitDebug"),
	ANY("IOProviderMergeProperties"),
	ANY("IOServiceDEXTEntitlements"),
	ANY("IOUserClientClass"),
	ANY("IOUserServerOneProcess"),
	STRING("IOUserServerCDHash"),
	STRING("IOPCIMatch"),
	STRING("IOPCIPrimaryMatch"),
	STRING("IOPCISecondaryMatch"),
	STRING("IOPCIClassMatch"),
	ANY("IOPCITunnelCompatible"),
	ANY("IOPCIUseDeviceMapper"),
	ANY("UserClientProperties"),
	{"DextMethodMilliseconds", BUNDLE_NUMBER, 0, UINT32_MAX},
	{"DextLimitConnections", BUNDLE_NUMBER, 1, LIMIT_CONNECTIONS_MOST},
	{"DextLimitConnectionsUser", BUNDLE_NUMBER, 1, LIMIT_CONNECTIONS_MOST},
	{"DextLimitBuffersClient", BUNDLE_NUMBER, 1, LIMIT_BUFFERS_MOST},
	{"DextLimitBuffersHost", BUNDLE_NUMBER, 1, LIMIT_BUFFERS_MOST},
	{"DextLimitMappedBytes", BUNDLE_NUMBER, 1, LIMIT_MAPPED_BYTES_MOST},
	{"DextLimitPeerBytes", BUNDLE_NUMBER, 1, LIMIT_PEER_BYTES_MOST},
	{"DextLimitAsync", BUNDLE_NUMBER, 1, LIMIT_ASYNC_MOST},
	{"DextLimitCompletions", BUNDLE_NUMBER, 1, LIMIT_COMPLETIONS_MOST},
	SHORT("idVendor"),
	SHORT("idProduct"),
	SHORT("idProductMask"),
	ANY("idProductArray"),
	SHORT("bcdDevice"),
	BYTE("bDeviceClass"),
	BYTE("bDeviceSubClass"),
	BYTE("bDeviceProtocol"),
	BYTE("bConfigurationValue"),
	BYTE("bInterfaceNumber"),
	BYTE("bInterfaceClass"),
	BYTE("bInterfaceSubClass"),
	BYTE("bInterfaceProtocol"),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct bundle_key *
table_of(enum bundle_place place, size_t *ret_count)
{
	*ret_count = place == BUNDLE_TOP ? COUNT(top) : COUNT(personality);
	return place == BUNDLE_TOP ? top : personality;
}

const struct bundle_key *
bundle_key_find(enum bundle_place place, const char *name)
{
	size_t count;
	const struct bundle_key *keys = table_of(place, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/*
 * Whether one letter more, one less, another one or two exchanged make one of the other; letters'
 * case and blanks around do not count.
 */
static bool
is_like(const char *one, const char *other)
{
	size_t length = strlen(one), other_length = strlen(other), same = 0;

	if (strcasecmp(one, other) == 0)
		return true;
	while (one[same] != '\0' && one[same] == other[same])
		same++;
	one += same;
	other += same;
	if (length == other_length)
		return strcmp(one + 1, other + 1) == 0 ||
		       (one[0] == other[1] && one[1] == other[0] &&
			strcmp(one + 2, other + 2) == 0);
	if (length == other_length + 1)
		return strcmp(one + 1, other) == 0;
	if (length + 1 == other_length)
		return strcmp(one, other + 1) == 0;
	return false;
}

const char *
bundle_key_like(enum bundle_place place, const char *name)
{
	size_t count;
	const struct bundle_key *keys = table_of(place, &count);

	for (size_t i = 0; i < count; i++)
		if (is_like(name, keys[i].name))
			return keys[i].name;
	return NULL;
}

bool
bundle_key_is_reserved(const char *name)
{
	static const char *const beginnings[] = {"CFBundle", "IOUser",	  "IOProvider",
						 "IOMatch",  "idProduct", "idVendor"};

	for (size_t i = 0; i < COUNT(beginnings); i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}
