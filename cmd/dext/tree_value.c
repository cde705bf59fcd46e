/* SPDX-License-Identifier: Apache-2.0 */
/* The two notations of a property's value; see tree.h. */
#include "tree.h"

#include "dext.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 4096

const char *
tree_text(CFTypeRef string, char *text, size_t size)
{
	if (string == NULL || CFGetTypeID(string) != CFStringGetTypeID() ||
	    !CFStringGetCString((CFStringRef)string, text, (CFIndex)size, kCFStringEncodingUTF8))
		text[0] = '\0';
	return text;
}

static int
compare_keys(const void *left, const void *right)
{
	return (int)CFStringCompare(*(const CFStringRef *)left, *(const CFStringRef *)right, 0);
}

CFStringRef *
tree_sorted_keys(CFDictionaryRef dictionary)
{
	CFIndex count = CFDictionaryGetCount(dictionary);
	CFStringRef *keys = malloc(((size_t)count + 1) * sizeof(*keys));

	if (keys == NULL)
		return NULL;
	CFDictionaryGetKeysAndValues(dictionary, (const void **)keys, NULL);
	qsort(keys, (size_t)count, sizeof(*keys), compare_keys);
	return keys;
}

/* --- one line --- */

static void
print_string(FILE *to, CFTypeRef string)
{
	char text[TEXT_MAX];

	/* A device names itself, and so must not reach the terminal as it is. */
	fputc('"', to);
	print_clean(to, tree_text(string, text, sizeof(text)));
	fputc('"', to);
}

static void
print_number(FILE *to, CFNumberRef number, bool hex)
{
	double real = 0;
	int64_t whole = 0;

	if (CFNumberIsFloatType(number) && CFNumberGetValue(number, kCFNumberFloat64Type, &real))
		fprintf(to, "%g", real);
	else if (CFNumberGetValue(number, kCFNumberSInt64Type, &whole))
		fprintf(to, hex ? "0x%llx" : "%lld", (long long)whole);
}

static void
print_data(FILE *to, CFDataRef data)
{
	const UInt8 *bytes = CFDataGetBytePtr(data);

	fputc('<', to);
	for (CFIndex i = 0; i < CFDataGetLength(data); i++)
		fprintf(to, "%02x", bytes[i]);
	fputc('>', to);
}

static void
print_array(FILE *to, CFArrayRef array, bool hex)
{
	fputc('(', to);
	for (CFIndex i = 0; i < CFArrayGetCount(array); i++) {
		if (i > 0)
			fputc(',', to);
		tree_print_value(to, CFArrayGetValueAtIndex(array, i), hex);
	}
	fputc(')', to);
}

static void
print_dictionary(FILE *to, CFDictionaryRef dictionary, bool hex)
{
	CFStringRef *keys = tree_sorted_keys(dictionary);

	fputc('{', to);
	for (CFIndex i = 0; keys != NULL && i < CFDictionaryGetCount(dictionary); i++) {
		if (i > 0)
			fputc(',', to);
		print_string(to, keys[i]);
		fputc('=', to);
		tree_print_value(to, CFDictionaryGetValue(dictionary, keys[i]), hex);
	}
	fputc('}', to);
	free(keys);
}

void
tree_print_value(FILE *to, CFTypeRef value, bool hex)
{
	CFTypeID type = CFGetTypeID(value);

	if (type == CFStringGetTypeID())
		print_string(to, value);
	else if (type == CFNumberGetTypeID())
		print_number(to, (CFNumberRef)value, hex);
	else if (type == CFBooleanGetTypeID())
		fputs(CFBooleanGetValue((CFBooleanRef)value) ? "Yes" : "No", to);
	else if (type == CFDataGetTypeID())
		print_data(to, (CFDataRef)value);
	else if (type == CFArrayGetTypeID())
		print_array(to, (CFArrayRef)value, hex);
	else if (type == CFDictionaryGetTypeID())
		print_dictionary(to, (CFDictionaryRef)value, hex);
	else
		fputs("?", to);
}

/* --- JSON --- */

static struct json_object *
json_number(CFNumberRef number)
{
	double real = 0;
	int64_t whole = 0;

	if (CFNumberIsFloatType(number) && CFNumberGetValue(number, kCFNumberFloat64Type, &real))
		return json_object_new_double(real);
	CFNumberGetValue(number, kCFNumberSInt64Type, &whole);
	return json_object_new_int64(whole);
}

static struct json_object *
json_data(CFDataRef data)
{
	static const char digits[] = "0123456789abcdef";
	const UInt8 *bytes = CFDataGetBytePtr(data);
	size_t length = (size_t)CFDataGetLength(data);
	char *text = malloc(length * 2 + 1);
	struct json_object *string;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	string = json_object_new_string_len(text, (int)(length * 2));
	free(text);
	return string;
}

static struct json_object *
json_array(CFArrayRef array)
{
	struct json_object *all = json_object_new_array();

	for (CFIndex i = 0; i < CFArrayGetCount(array); i++)
		json_object_array_add(all, tree_json_value(CFArrayGetValueAtIndex(array, i)));
	return all;
}

static struct json_object *
json_dictionary(CFDictionaryRef dictionary)
{
	struct json_object *all = json_object_new_object();
	CFStringRef *keys = tree_sorted_keys(dictionary);
	char key[TEXT_MAX];

	for (CFIndex i = 0; keys != NULL && i < CFDictionaryGetCount(dictionary); i++)
		json_object_object_add(all, tree_text(keys[i], key, sizeof(key)),
				       tree_json_value(CFDictionaryGetValue(dictionary, keys[i])));
	free(keys);
	return all;
}

struct json_object *
tree_json_value(CFTypeRef value)
{
	CFTypeID type = CFGetTypeID(value);
	char text[TEXT_MAX];

	if (type == CFStringGetTypeID())
		return json_object_new_string(tree_text(value, text, sizeof(text)));
	if (type == CFNumberGetTypeID())
		return json_number((CFNumberRef)value);
	if (type == CFBooleanGetTypeID())
		return json_object_new_boolean(CFBooleanGetValue((CFBooleanRef)value));
	if (type == CFDataGetTypeID())
		return json_data((CFDataRef)value);
	if (type == CFArrayGetTypeID())
		return json_array((CFArrayRef)value);
	if (type == CFDictionaryGetTypeID())
		return json_dictionary((CFDictionaryRef)value);
	return NULL;
}
