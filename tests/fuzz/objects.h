/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects out of an input's bytes: what no property list can say too (sets, keys that are no
 * strings), and the keys and values that the registry looks for, which no fuzzer would guess.
 */
#ifndef TESTS_FUZZ_OBJECTS_H
#define TESTS_FUZZ_OBJECTS_H

#include "fuzz.h"

#include <CoreFoundation/CoreFoundation.h>
#include <DriverKit/OSCollections.h>

static const char *const fuzz_words[] = {
	"IOProviderClass",
	"IONameMatch",
	"IORegistryEntryID",
	"IOPropertyMatch",
	"IOPropertyExistsMatch",
	"IOPathMatch",
	"IOLocationMatch",
	"IOParentMatch",
	"IOUserClass",
	"IOUserServerName",
	"IOMatchCategory",
	"IOProbeScore",
	"idVendor",
	"idProduct",
	"idProductMask",
	"idProductArray",
	"bcdDevice",
	"bDeviceClass",
	"bInterfaceNumber",
	"bInterfaceClass",
	"IOKitPersonalities",
	"CFBundleIdentifier",
	"CFBundleExecutable",
	"CFBundlePackageType",
	"IOUSBHostDevice",
	"IOUSBHostInterface",
	"IOUserService",
	"IOUserResources",
	"IOService",
	"IORegistryEntry",
	"Driver",
	"DEXT",
	"driver",
	"$(PRODUCT_BUNDLE_IDENTIFIER)",
	"x$(PRODUCT_BUNDLE_IDENTIFIER)y",
	"$(OTHER)",
	"",
	"IOService:/",
	"IOService:/device@1/interface@0/Driver",
	"IOUSB:/device@80100000",
	"80100000",
	"device",
	"interface",
	"Root",
	"a/b",
	"..",
};
#define FUZZ_WORDS (sizeof(fuzz_words) / sizeof(fuzz_words[0]))

static inline OSString *
fuzz_string(struct fuzz *fuzz)
{
	uint8_t which = fuzz_u8(fuzz);
	size_t length = 0;
	OSString *string;
	char *text;

	if (which < 192)
		return OSStringCreate(fuzz_words[which % FUZZ_WORDS],
				      strlen(fuzz_words[which % FUZZ_WORDS]));
	text = (char *)fuzz_copy(fuzz, which - 192u, &length);
	for (size_t i = 0; i < length; i++)
		if (text[i] == '\0' || (unsigned char)text[i] > 127)
			text[i] = '?';
	string = OSStringCreate(text, length);
	free(text);
	return string;
}

static inline OSObject *fuzz_object(struct fuzz *fuzz, unsigned depth, unsigned *budget);

static inline OSDictionary *
fuzz_dictionary(struct fuzz *fuzz, unsigned depth, unsigned *budget)
{
	OSDictionary *dictionary = OSDictionaryCreate(4);
	unsigned count = fuzz_u8(fuzz) % 12;

	for (unsigned i = 0; i<count && * budget> 0; i++) {
		OSString *key = fuzz_string(fuzz);
		OSObject *value = fuzz_object(fuzz, depth + 1, budget);

		OSDictionarySetValue(dictionary, OSStringGetCStringPtr(key), value);
		OSRelease(key);
		OSRelease(value);
	}
	return dictionary;
}

/* `depth` is of the value; at most `*budget` values in all. */
static inline OSObject *
fuzz_object(struct fuzz *fuzz, unsigned depth, unsigned *budget)
{
	uint8_t kind = fuzz_left(fuzz) == 0 || depth > 40 ? 0 : fuzz_u8(fuzz) % 12;
	CFMutableDictionaryRef odd;
	OSArray *array;
	size_t length;
	void *bytes;
	double real;

	if (*budget > 0)
		(*budget)--;
	switch (kind) {
	case 0:
		return (OSObject *)(uintptr_t)kOSBooleanTrue;
	case 1:
		return (OSObject *)OSNumberCreate(fuzz_u8(fuzz), 32);
	case 2:
		return (OSObject *)OSNumberCreate(fuzz_u64(fuzz), 64);
	case 3:
		fuzz_fill(fuzz, &real, sizeof(real));
		return (OSObject *)(uintptr_t)CFNumberCreate(NULL, kCFNumberDoubleType, &real);
	case 4:
		bytes = fuzz_copy(fuzz, fuzz_u8(fuzz), &length);
		array = (OSArray *)OSDataCreate(bytes, length);
		free(bytes);
		return (OSObject *)array;
	case 5:
		fuzz_fill(fuzz, &real, sizeof(real));
		return (OSObject *)(uintptr_t)CFDateCreate(NULL, real);
	case 6:
	case 7:
		array = OSArrayCreate(4);
		for (unsigned count = fuzz_u8(fuzz) % 12; count > 0 && *budget > 0; count--) {
			OSObject *value = fuzz_object(fuzz, depth + 1, budget);

			OSArrayAppendValue(array, value);
			OSRelease(value);
		}
		return (OSObject *)array;
	case 8:
		if (fuzz_u8(fuzz) < 250)
			return (OSObject *)fuzz_string(fuzz);
		if (fuzz_u8(fuzz) & 1)
			return (OSObject *)(uintptr_t)CFSetCreate(NULL, NULL, 0, NULL);
		odd = CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
						&kCFTypeDictionaryValueCallBacks);
		CFDictionarySetValue(odd, kCFBooleanTrue, kCFBooleanTrue);
		return (OSObject *)(uintptr_t)odd;
	case 9:
		return (OSObject *)fuzz_string(fuzz);
	default:
		return (OSObject *)fuzz_dictionary(fuzz, depth, budget);
	}
}

#endif
