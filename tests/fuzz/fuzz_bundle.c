/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle's Info.plist and its personalities. The first byte says whether the rest is the file, or
 * what its dictionary is made of; and what stands beside it.
 */
#include "objects.h"

#include "bundle.h"
#include "plist.h"

#include <sys/stat.h>
#include <unistd.h>

/* In memory where there is such a place, for the speed of it. */
static char folder[64];
static char info[96], program[96], other[96];

static void
remove_folder(void)
{
	unlink(info);
	unlink(program);
	unlink(other);
	rmdir(folder);
}

static void
make_folder(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(folder, sizeof(folder), "%s/fuzz-XXXXXX", base);
	FUZZ_CHECK(mkdtemp(folder) != NULL);
	snprintf(info, sizeof(info), "%s/Info.plist", folder);
	snprintf(program, sizeof(program), "%s/driver.so", folder);
	snprintf(other, sizeof(other), "%s/Other", folder);
	fuzz_write_file(program, "", 0);
	atexit(remove_folder);
}

static void
put(OSDictionary *dictionary, const char *key, struct fuzz *fuzz, const char *right)
{
	unsigned budget = 10;
	OSObject *value;
	uint8_t what = fuzz_u8(fuzz);

	if (what < 224) {
		OSDictionarySetStringValue(dictionary, key, right);
	} else if (what < 248) {
		value = fuzz_object(fuzz, 1, &budget);
		OSDictionarySetValue(dictionary, key, value);
		OSRelease(value);
	}
}

static OSDictionary *
make_personality(struct fuzz *fuzz)
{
	unsigned budget = 40;
	OSDictionary *personality = fuzz_dictionary(fuzz, 0, &budget);

	put(personality, "IOProviderClass", fuzz, "IOUSBHostDevice");
	put(personality, "IOUserClass", fuzz, "Driver");
	return personality;
}

/* An Info.plist that is right but for what the input makes wrong. */
static void
write_made(struct fuzz *fuzz)
{
	OSDictionary *all = OSDictionaryCreate(4), *personalities = OSDictionaryCreate(4);
	unsigned count = fuzz_u8(fuzz) % 4;
	size_t length = 0;
	void *bytes = NULL;

	put(all, "CFBundleIdentifier", fuzz, "org.example.driver");
	put(all, "CFBundleExecutable", fuzz, "driver");
	put(all, "CFBundlePackageType", fuzz, "DEXT");
	for (unsigned i = 0; i < count; i++) {
		OSDictionary *personality = make_personality(fuzz);
		OSString *name = fuzz_string(fuzz);

		OSDictionarySetValue(personalities, OSStringGetCStringPtr(name), personality);
		OSRelease(personality);
		OSRelease(name);
	}
	OSDictionarySetValue(all, "IOKitPersonalities", personalities);
	put(all, "IOKitPersonalities", fuzz, "none");
	if (fuzz_u8(fuzz) < 250)
		OSDictionarySetValue(all, "IOKitPersonalities", personalities);
	OSRelease(personalities);
	if (plist_encode(all, &bytes, &length) == kIOReturnSuccess)
		fuzz_write_file(info, bytes, length);
	free(bytes);
	OSRelease(all);
}

/* What a registry that started anew makes of its store. */
static void
recall(struct fuzz *fuzz)
{
	unsigned budget = 60;
	OSDictionary *start = fuzz_dictionary(fuzz, 0, &budget);
	OSDictionary *personality = make_personality(fuzz);
	struct bundle *bundle = NULL;

	OSDictionarySetValue(start, "Personality", personality);
	put(start, "Bundle", fuzz, "org.example.driver");
	put(start, "BundlePath", fuzz, folder);
	put(start, "Executable", fuzz, program);
	put(start, "Personality", fuzz, "none");
	OSDictionarySetValue(start, "Personality", personality);
	if (bundle_recall(start, "Name", &bundle) == kIOReturnSuccess)
		bundle_free(bundle);
	OSRelease(personality);
	OSRelease(start);
}

static void
open_bundle(const char *path)
{
	char error[BUNDLE_ERROR_MAX];
	struct bundle *bundle = NULL;
	IOReturn status = bundle_open(path, &bundle, error);

	FUZZ_CHECK((status == kIOReturnSuccess) == (bundle != NULL));
	FUZZ_CHECK((status == kIOReturnSuccess) == (error[0] == '\0'));
	FUZZ_CHECK(status != kIOReturnSuccess || bundle->personality_count > 0);
	bundle_free(bundle);
}

/* What is no bundle for another reason than its bytes. */
static void
open_odd(void)
{
	char deep[1024] = "";

	/* Longer than what is said of it may be. */
	memset(deep, '/', sizeof(deep) - 1);
	memcpy(deep + sizeof(deep) - 6, "none", 5);
	open_bundle(deep);
	open_bundle("/nonexistent");
	open_bundle(program);
	FUZZ_CHECK(mkdir(info, 0700) == 0);
	open_bundle(folder);
	rmdir(info);
	FUZZ_CHECK(symlink(info, info) == 0);
	open_bundle(folder);
	unlink(info);
	fuzz_write_file(info, "", 0);
	FUZZ_CHECK(truncate(info, (1 << 20) + 1) == 0);
	open_bundle(folder);
	bundle_free(NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	uint8_t what = fuzz_u8(&fuzz);

	if (folder[0] == '\0')
		make_folder();
	if (size == 0)
		open_odd();
	unlink(info);
	if (what >= 0xc0)
		recall(&fuzz);
	else if (what >= 0x40)
		write_made(&fuzz);
	else
		fuzz_write_file(info, fuzz.at, fuzz_left(&fuzz));
	open_bundle(folder);
	return 0;
}
