/* SPDX-License-Identifier: Apache-2.0 */
/* CoreFoundation's texts and values: made, changed, compared, written out. A text that is wrong is
 * worse than none. */
#include "attempt.h"

#include <stdio.h>
#include <string.h>

#include <dext_iokit.h>
#include <mach/mach.h>
#include <os/log.h>

static CFStringRef
text(const char *bytes)
{
	return CFStringCreateWithCString(kCFAllocatorDefault, bytes, kCFStringEncodingUTF8);
}

/* It is that text; released. */
static bool
says(CFStringRef string, const char *wanted)
{
	const char *said;

	HAVE(string);
	said = CFStringGetCStringPtr(string, kCFStringEncodingUTF8);
	if (said == NULL || strcmp(said, wanted) != 0)
		printf("wrong text: %s, not %s\n", said != NULL ? said : "none", wanted);
	CHECK(said != NULL && strcmp(said, wanted) == 0);
	CFRelease(string);
	return true;
}

/* --- formats --- */

static bool
formats(void)
{
	CFStringRef name = text("abc");
	bool well;

	HAVE(name);
	well = says(CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("%d %u %llx %D"), -5,
					     7u, 255ull, 9),
		    "-5 7 ff 9") &&
	       says(CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("%.2f %Lg"), 1.5,
					     (long double)2.5),
		    "1.50 2.5") &&
	       says(CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("%c%C%%|%5s|"), 'x',
					     0xe9, "yz"),
		    "x\xc3\xa9%|   yz|") &&
	       says(CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("%@, %6@!"), name,
					     name),
		    "abc,    abc!") &&
	       says(CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("%@"), NULL),
		    "(null)") &&
	       says(CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("%p"), (void *)16),
		    "0x10") &&
	       says(CFStringCreateWithFormat(kCFAllocatorDefault, NULL, CFSTR("%s"), "a\xff"),
		    "a\xef\xbf\xbd");
	CFRelease(name);
	return well;
}

/* --- descriptions --- */

static CFStringRef
in_words(CFTypeRef value)
{
	CFStringRef words = value != NULL ? CFCopyDescription(value) : NULL;

	if (value != NULL)
		CFRelease(value);
	return words;
}

static CFTypeRef
array_of(CFTypeRef one, CFTypeRef other)
{
	const void *values[] = {one, other};
	CFArrayRef made = one != NULL && other != NULL ? CFArrayCreate(kCFAllocatorDefault, values,
								       2, &kCFTypeArrayCallBacks)
						       : NULL;

	if (one != NULL)
		CFRelease(one);
	if (other != NULL)
		CFRelease(other);
	return made;
}

static CFTypeRef
number(double value)
{
	return CFNumberCreate(kCFAllocatorDefault, kCFNumberDoubleType, &value);
}

static CFTypeRef
integer(int value)
{
	return CFNumberCreate(kCFAllocatorDefault, kCFNumberIntType, &value);
}

static CFTypeRef
pair(CFTypeRef value)
{
	const void *keys[] = {CFSTR("key")}, *values[] = {value};
	CFTypeRef made = value != NULL ? CFDictionaryCreate(kCFAllocatorDefault, keys, values, 1,
							    &kCFTypeDictionaryKeyCallBacks,
							    &kCFTypeDictionaryValueCallBacks)
				       : NULL;

	if (value != NULL)
		CFRelease(value);
	return made;
}

static CFTypeRef
set_of(CFTypeRef value)
{
	const void *values[] = {value};
	CFTypeRef made = value != NULL
				 ? CFSetCreate(kCFAllocatorDefault, values, 1, &kCFTypeSetCallBacks)
				 : NULL;

	if (value != NULL)
		CFRelease(value);
	return made;
}

/* An array that holds one that holds one ..., deeper than is written. */
static CFTypeRef
deep(void)
{
	CFTypeRef inner = integer(1);

	for (unsigned i = 0; inner != NULL && i < 40; i++) {
		const void *values[] = {inner};
		CFTypeRef outer =
			CFArrayCreate(kCFAllocatorDefault, values, 1, &kCFTypeArrayCallBacks);

		CFRelease(inner);
		inner = outer;
	}
	return inner;
}

static bool
has(CFStringRef words, const char *part)
{
	const char *said;

	HAVE(words);
	said = CFStringGetCStringPtr(words, kCFStringEncodingUTF8);
	CHECK(said != NULL && strstr(said, part) != NULL);
	CFRelease(words);
	return true;
}

static CFTypeRef
an_error(void)
{
	return CFErrorCreate(kCFAllocatorDefault, kCFErrorDomainPOSIX, 2, NULL);
}

static CFTypeRef
plain_array(void)
{
	const void *values[] = {(void *)16};

	return CFArrayCreate(kCFAllocatorDefault, values, 1, NULL);
}

static bool
descriptions(void)
{
	return says(in_words(array_of(integer(3), number(2.5))), "(\n    3,\n    2.5\n)") &&
	       says(in_words(pair(text("value"))), "{\n    key = value;\n}") &&
	       says(in_words(set_of(CFRetain(kCFBooleanTrue))), "{\n    true;\n}") &&
	       says(in_words(CFDataCreate(kCFAllocatorDefault, (const UInt8 *)"abcde", 5)),
		    "<61626364 65>") &&
	       says(in_words(CFDateCreate(kCFAllocatorDefault, 1.5)), "<CFDate 1.500>") &&
	       says(in_words(plain_array()), "(\n    <0x10>\n)") &&
	       has(in_words(an_error()), "NSPOSIXErrorDomain 2: ") &&
	       has(in_words(deep()), "...") &&
	       has(in_words(CFRetain(CFRunLoopGetCurrent())), "<CFRunLoop 0x");
}

static bool
show(void)
{
	CFTypeRef name = text("shown");

	HAVE(name);
	CFShow(name);
	CFShowStr(name);
	CFRelease(name);
	mach_error("faults", kIOReturnNoMemory);
	return true;
}

/* --- strings --- */

static bool
edit(void)
{
	CFMutableStringRef string =
		CFStringCreateMutableCopy(kCFAllocatorDefault, 0, CFSTR("one two"));
	bool changed;

	HAVE(string);
	CFStringReplace(string, CFRangeMake(0, 3), CFSTR("three"));
	changed = CFStringGetLength(string) == 9;
	CHECK(CFEqual(string, changed ? CFSTR("three two") : CFSTR("one two")));
	CFRelease(string);
	return attempt_had("the change", changed);
}

static bool
recode(void)
{
	static const UniChar units[] = {'h', 0xe9};
	static const UInt8 latin[] = {'h', 0xe9};
	CFStringRef string = CFStringCreateWithCharacters(kCFAllocatorDefault, units, 2);
	CFDataRef data;

	HAVE(string);
	data = CFStringCreateExternalRepresentation(kCFAllocatorDefault, string,
						    kCFStringEncodingISOLatin1, 0);
	CFRelease(string);
	HAVE(data);
	CHECK(CFDataGetLength(data) == 2 && memcmp(CFDataGetBytePtr(data), latin, 2) == 0);
	CFRelease(data);
	return says(CFStringCreateWithBytes(kCFAllocatorDefault, latin, 2,
					    kCFStringEncodingISOLatin1, false),
		    "h\xc3\xa9");
}

static bool
compare(void)
{
	CFComparisonResult order = CFStringCompareWithOptions(
		CFSTR("file10"), CFSTR("file9"), CFRangeMake(0, 6), kCFCompareNumerically);

	CHECK(order != kCFCompareLessThan);
	return attempt_had("the order", order == kCFCompareGreaterThan);
}

static bool
strings(void)
{
	return edit() && recode() && compare();
}

/* --- other values --- */

static CFComparisonResult
by_value(const void *one, const void *other, void *context)
{
	return CFNumberCompare(one, other, context);
}

static bool
sort(void)
{
	CFTypeRef both = array_of(integer(2), integer(1));
	CFMutableArrayRef array;
	int first = 0;

	HAVE(both);
	array = CFArrayCreateMutableCopy(kCFAllocatorDefault, 0, both);
	CFRelease(both);
	HAVE(array);
	CFArraySortValues(array, CFRangeMake(0, 2), by_value, NULL);
	CHECK(CFNumberGetValue(CFArrayGetValueAtIndex(array, 0), kCFNumberIntType, &first));
	CHECK(first == 1 || first == 2);
	CFRelease(array);
	return attempt_had("the order", first == 1);
}

static bool
replace_bytes(void)
{
	CFMutableDataRef data = CFDataCreateMutable(kCFAllocatorDefault, 0);
	bool changed;

	HAVE(data);
	CFDataAppendBytes(data, (const UInt8 *)"abc", 3);
	changed = CFDataGetLength(data) == 3;
	if (changed)
		CFDataReplaceBytes(data, CFRangeMake(1, 1), (const UInt8 *)"xyz", 3);
	changed = changed && CFDataGetLength(data) == 5;
	CHECK(!changed || memcmp(CFDataGetBytePtr(data), "axyzc", 5) == 0);
	CFRelease(data);
	return attempt_had("the change", changed);
}

static bool
allocate(void)
{
	char *memory = CFAllocatorAllocate(kCFAllocatorDefault, 10, 0), *larger;

	HAVE(memory);
	strcpy(memory, "kept");
	larger = CFAllocatorReallocate(kCFAllocatorDefault, memory, 1000, 0);
	if (larger != NULL)
		memory = larger;
	CHECK(strcmp(memory, "kept") == 0);
	CFAllocatorDeallocate(kCFAllocatorDefault, memory);
	return attempt_had("larger memory", larger != NULL);
}

static bool
identify(void)
{
	CFUUIDRef uuid = CFUUIDCreate(kCFAllocatorDefault);
	CFStringRef words;

	HAVE(uuid);
	words = CFUUIDCreateString(kCFAllocatorDefault, uuid);
	CFRelease(uuid);
	HAVE(words);
	CHECK(CFStringGetLength(words) == 36);
	CFRelease(words);
	return true;
}

static bool
real_list(void)
{
	CFTypeRef list = array_of(number(2.5), text("x")), back;
	CFDataRef data;

	HAVE(list);
	data = CFPropertyListCreateData(kCFAllocatorDefault, list, kCFPropertyListXMLFormat_v1_0, 0,
					NULL);
	back = data != NULL ? CFPropertyListCreateWithData(kCFAllocatorDefault, data, 0, NULL, NULL)
			    : NULL;
	if (data != NULL)
		CFRelease(data);
	CHECK(back == NULL || CFEqual(back, list));
	CFRelease(list);
	HAVE(back);
	CFRelease(back);
	return true;
}

static bool
own_callbacks(void)
{
	CFArrayCallBacks callbacks = kCFTypeArrayCallBacks;
	CFMutableArrayRef array;
	bool well;

	callbacks.copyDescription = NULL;
	array = CFArrayCreateMutable(kCFAllocatorDefault, 0, &callbacks);
	HAVE(array);
	CFArrayAppendValue(array, CFSTR("x"));
	well = CFArrayGetCount(array) == 1;
	CFRelease(array);
	return attempt_had("the element", well);
}

static bool
match(void)
{
	CFMutableDictionaryRef matching =
		IOOpenFirmwarePathMatching(kIOMainPortDefault, 0, "/somewhere");

	HAVE(matching);
	CHECK(CFDictionaryGetCount(matching) == 1);
	CFRelease(matching);
	return true;
}

static bool
values(void)
{
	return sort() && replace_bytes() && allocate() && identify() && real_list() &&
	       own_callbacks() && match();
}

static bool
logs(void)
{
	static unsigned made;
	char category[32];

	/* Logs are for ever, so this one is like the last. */
	snprintf(category, sizeof(category), "faults %u", made % 2);
	os_log(os_log_create("org.opendext", category), "a line %d", 7);
	return true;
}

const struct scenario scenarios_words[] = {
	{"formats", formats, NULL}, {"descriptions", descriptions, NULL},
	{"show", show, NULL},	    {"strings", strings, NULL},
	{"values", values, NULL},   {"logs", logs, NULL},
	{NULL, NULL, NULL},
};
