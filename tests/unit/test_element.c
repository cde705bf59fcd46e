/* SPDX-License-Identifier: Apache-2.0 */
/* Collections with an app's own callbacks: each is called when it must be, with what it must be. */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

#include "log.h"

/* A value that counts its references; equal in `key`. */
struct counted {
	int references;
	int key;
};

static CFAllocatorRef given_allocator;
static int hashes;

static const void *
retain(CFAllocatorRef allocator, const void *value)
{
	((struct counted *)(uintptr_t)value)->references++;
	given_allocator = allocator;
	return value;
}

static void
release(CFAllocatorRef allocator, const void *value)
{
	((struct counted *)(uintptr_t)value)->references--;
	given_allocator = allocator;
}

static CFStringRef
describe(const void *value)
{
	return CFStringCreateWithFormat(NULL, NULL, CFSTR("number %d"),
					((const struct counted *)value)->key);
}

static Boolean
equal(const void *one, const void *other)
{
	return ((const struct counted *)one)->key == ((const struct counted *)other)->key;
}

static CFHashCode
hash(const void *value)
{
	hashes++;
	return (CFHashCode)((const struct counted *)value)->key % 3; /* they collide */
}

static const CFArrayCallBacks array_callbacks = {0, retain, release, describe, equal};
static const CFDictionaryKeyCallBacks key_callbacks = {0, retain, release, describe, equal, hash};
static const CFDictionaryValueCallBacks value_callbacks = {0, retain, release, describe, equal};
static const CFSetCallBacks set_callbacks = {0, retain, release, describe, equal, hash};

static void
described(CFTypeRef object, const char *text)
{
	CFStringRef words = CFCopyDescription(object);

	ck_assert_ptr_nonnull(strstr(CFStringGetCStringPtr(words, kCFStringEncodingUTF8), text));
	CFRelease(words);
}

START_TEST(arrays)
{
	struct counted values[3] = {{0, 1}, {0, 2}, {0, 2}};
	CFMutableArrayRef array = CFArrayCreateMutable(kCFAllocatorMalloc, 0, &array_callbacks);
	CFArrayRef copy;

	CFArrayAppendValue(array, &values[0]);
	CFArrayAppendValue(array, &values[1]);
	ck_assert_ptr_eq(given_allocator, kCFAllocatorMalloc);
	ck_assert_int_eq(values[0].references, 1);
	ck_assert_int_eq(CFArrayGetFirstIndexOfValue(array, CFRangeMake(0, 2), &values[2]), 1);
	ck_assert_int_eq(values[2].references, 0);
	copy = CFArrayCreateCopy(NULL, array);
	ck_assert_int_eq(values[0].references, 2);
	ck_assert(CFEqual(array, copy));
	CFArraySetValueAtIndex(array, 1, &values[2]);
	ck_assert_int_eq(values[1].references, 1);
	ck_assert_int_eq(values[2].references, 1);
	ck_assert(CFEqual(array, copy)); /* by the callback */
	described(array, "number 2");
	CFArrayRemoveValueAtIndex(array, 0);
	ck_assert_int_eq(values[0].references, 1);
	CFRelease(array);
	CFRelease(copy);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(values[i].references, 0);
}
END_TEST

START_TEST(dictionaries)
{
	struct counted keys[40], other = {0, 7}, value = {0, 70}, second = {0, 71};
	CFMutableDictionaryRef dictionary =
		CFDictionaryCreateMutable(kCFAllocatorMalloc, 0, &key_callbacks, &value_callbacks);
	const void *found = NULL;

	for (int i = 0; i < 40; i++) {
		keys[i] = (struct counted){0, i};
		CFDictionarySetValue(dictionary, &keys[i], &value);
	}
	ck_assert_int_eq(hashes, 40);
	ck_assert_ptr_eq(given_allocator, kCFAllocatorMalloc);
	ck_assert_int_eq(value.references, 40);
	CFDictionarySetValue(dictionary, &other, &second);
	ck_assert_int_eq(hashes, 41);
	ck_assert_int_eq(other.references, 0); /* the key that was there stays */
	ck_assert_int_eq(value.references, 39);
	ck_assert(CFDictionaryGetKeyIfPresent(dictionary, &other, &found));
	ck_assert_ptr_eq(found, &keys[7]);
	ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, &other), &second);
	ck_assert_int_eq(CFDictionaryGetCountOfValue(dictionary, &value), 39);
	described(dictionary, "number 7 = number 71;");
	CFDictionaryRemoveValue(dictionary, &other);
	ck_assert_int_eq(keys[7].references, 0);
	ck_assert_int_eq(second.references, 0);
	for (int i = 0; i < 40; i++)
		ck_assert(CFDictionaryContainsKey(dictionary, &keys[i]) == (i != 7));
	CFRelease(dictionary);
	ck_assert_int_eq(value.references, 0);
	ck_assert_int_eq(keys[39].references, 0);
}
END_TEST

START_TEST(sets)
{
	struct counted values[3] = {{0, 1}, {0, 2}, {0, 2}};
	CFMutableSetRef set = CFSetCreateMutable(NULL, 0, &set_callbacks), copy;

	CFSetAddValue(set, &values[0]);
	CFSetAddValue(set, &values[1]);
	CFSetAddValue(set, &values[2]);
	ck_assert_int_eq(CFSetGetCount(set), 2);
	ck_assert_ptr_eq(CFSetGetValue(set, &values[2]), &values[1]);
	copy = CFSetCreateMutableCopy(NULL, 0, set);
	ck_assert_int_eq(values[1].references, 2);
	CFSetSetValue(set, &values[2]);
	ck_assert_ptr_eq(CFSetGetValue(set, &values[1]), &values[2]);
	ck_assert_int_eq(values[1].references, 1);
	ck_assert(CFEqual(set, copy));
	described(set, "number 2;");
	CFRelease(set);
	CFRelease(copy);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(values[i].references, 0);
}
END_TEST

static const void *
copy_text(CFAllocatorRef allocator, const void *value)
{
	return strdup(value);
}

static void
free_text(CFAllocatorRef allocator, const void *value)
{
	free((void *)(uintptr_t)value);
}

static Boolean
equal_text(const void *one, const void *other)
{
	return strcmp(one, other) == 0;
}

static CFHashCode
hash_text(const void *value)
{
	return strlen(value);
}

/* C strings: what is kept is what retain returned. */
START_TEST(retain_may_copy)
{
	const CFDictionaryKeyCallBacks callbacks = {0,	  copy_text,  free_text,
						    NULL, equal_text, hash_text};
	CFMutableDictionaryRef dictionary =
		CFDictionaryCreateMutable(NULL, 0, &callbacks, &kCFTypeDictionaryValueCallBacks);
	char key[] = "speed";

	CFDictionarySetValue(dictionary, key, kCFBooleanTrue);
	key[0] = 'S';
	ck_assert(!CFDictionaryContainsKey(dictionary, key));
	ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, "speed"), kCFBooleanTrue);
	CFRelease(dictionary);
}
END_TEST

static void
look(CFAllocatorRef allocator, const void *value)
{
	CFDictionaryRef dictionary = *(CFDictionaryRef *)(uintptr_t)value;

	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 0);
	ck_assert(!CFDictionaryContainsKey(dictionary, (const void *)1));
}

START_TEST(release_may_look_at_what_is_left)
{
	const CFDictionaryValueCallBacks callbacks = {.release = look};
	CFMutableDictionaryRef dictionary = CFDictionaryCreateMutable(NULL, 0, NULL, &callbacks);

	CFDictionarySetValue(dictionary, (const void *)1, &dictionary);
	CFDictionarySetValue(dictionary, (const void *)2, &dictionary);
	CFDictionaryRemoveAllValues(dictionary);
	CFDictionarySetValue(dictionary, (const void *)1, &dictionary);
	CFDictionaryRemoveValue(dictionary, (const void *)1);
	CFRelease(dictionary);
}
END_TEST

/* Another way to compare: unequal, whatever is in them. */
START_TEST(unlike_callbacks_are_unequal)
{
	CFMutableArrayRef plain = CFArrayCreateMutable(NULL, 0, NULL);
	CFMutableArrayRef objects = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);

	CFArrayAppendValue(plain, kCFBooleanTrue);
	CFArrayAppendValue(objects, kCFBooleanTrue);
	ck_assert(!CFEqual(plain, objects));
	described(plain, "<0x");
	CFRelease(plain);
	CFRelease(objects);
}
END_TEST

static void
change_what_is_fixed(void *context)
{
	const void *values[] = {CFSTR("a")};
	CFArrayRef array = CFArrayCreate(NULL, values, 1, &kCFTypeArrayCallBacks);

	CFArrayAppendValue((CFMutableArrayRef)array, CFSTR("b"));
	CFRelease(array);
}

START_TEST(a_refused_change_is_one_log_line)
{
	char text[256];

	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(unit_child(change_what_is_fixed, NULL, text, sizeof(text)), 0);
	ck_assert_ptr_nonnull(strstr(text, "CFArrayAppendValue: the object is an array that"));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

UNIT_MAIN("element", a_refused_change_is_one_log_line, arrays, dictionaries, sets, retain_may_copy,
	  release_may_look_at_what_is_left, unlike_callbacks_are_unequal)
