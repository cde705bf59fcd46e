/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Property lists, XML and binary, in both directions. The first byte says whether the rest is a
 * list or what objects are made of; what was read is written again in both formats and read back,
 * and must be the same.
 */
#include "objects.h"

#include "plist.h"

static bool
is_equal(const void *one, const void *other)
{
	return CFEqual(one, other);
}

/* Written and read again: binary is exact, XML cuts reals. */
static void
go_round(CFTypeRef list)
{
	static const CFPropertyListFormat formats[] = {kCFPropertyListBinaryFormat_v1_0,
						       kCFPropertyListXMLFormat_v1_0};

	for (unsigned i = 0; i < 2; i++) {
		CFDataRef data = CFPropertyListCreateData(NULL, list, formats[i], 0, NULL);
		CFPropertyListFormat format = 0;
		CFTypeRef again;

		if (data == NULL)
			continue;
		again = CFPropertyListCreateWithData(NULL, data, kCFPropertyListImmutable, &format,
						     NULL);
		FUZZ_CHECK(again == NULL || format == formats[i]);
		if (i == 0 && again != NULL && CFPropertyListIsValid(again, formats[0])) {
			CFTypeRef copy = CFPropertyListCreateDeepCopy(
				NULL, again, kCFPropertyListMutableContainersAndLeaves);

			FUZZ_CHECK(copy == NULL || is_equal(copy, again));
			CFRelease(copy);
		}
		CFRelease(again);
		CFRelease(data);
	}
}

static void
read_list(struct fuzz *fuzz, uint8_t options)
{
	CFErrorRef error = NULL;
	CFTypeRef list;
	CFDataRef data;
	size_t length;
	uint8_t *bytes = fuzz_copy(fuzz, fuzz_left(fuzz), &length);
	OSObject *matching = NULL;

	if (plist_decode_matching(bytes, length, &matching) == kIOReturnSuccess)
		OSRelease(matching);
	data = CFDataCreate(NULL, bytes, (CFIndex)length);
	free(bytes);
	list = CFPropertyListCreateWithData(NULL, data, options, NULL, &error);
	FUZZ_CHECK((list == NULL) == (error != NULL));
	CFRelease(error);
	if (list != NULL)
		go_round(list);
	CFRelease(list);
	list = CFPropertyListCreateFromXMLData(NULL, data, kCFPropertyListImmutable, NULL);
	CFRelease(list);
	CFRelease(data);
}

static void
make_list(struct fuzz *fuzz)
{
	unsigned budget = 200;
	OSObject *object = fuzz_object(fuzz, 0, &budget);
	CFDataRef data = CFPropertyListCreateXMLData(NULL, object);
	CFErrorRef error = NULL;

	CFRelease(data);
	go_round(object);
	FUZZ_CHECK(CFPropertyListCreateData(NULL, object, kCFPropertyListXMLFormat_v1_0, 1,
					    &error) == NULL);
	CFRelease(error);
	OSRelease(object);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	uint8_t what = fuzz_u8(&fuzz);

	if (what & 0x80)
		make_list(&fuzz);
	else
		read_list(&fuzz, what & 3);
	return 0;
}
