/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in words, for people: CFCopyDescription, CFShow and %@. Collections over several lines;
 * nesting past DEPTH_MAX, as of a collection that holds itself, is cut.
 */
#include "cf_string.h"

#include <DriverKit/OSCollections.h>

#include "cf_date.h"
#include "cf_error.h"
#include "object.h"
#include "os_array.h"
#include "os_dictionary.h"
#include "os_number.h"
#include "os_set.h"

#define DEPTH_MAX 32

struct writer {
	FILE *stream;
	int depth;
};

static void write_value(struct writer *writer, const void *object);

static void
indent(const struct writer *writer)
{
	for (int i = 0; i < writer->depth; i++)
		fputs("    ", writer->stream);
}

/* An element as its collection's callbacks have it, or its address where they have no words. */
static void
write_element(struct writer *writer, const struct element_callbacks *callbacks, const void *element)
{
	CFStringRef words;

	if (callbacks == NULL) {
		write_value(writer, element);
		return;
	}
	words = callbacks->describe == NULL ? NULL : callbacks->describe(element);
	if (words == NULL)
		fprintf(writer->stream, "<%p>", element);
	else
		write_value(writer, words);
	CFRelease(words);
}

static void
write_pairs(struct writer *writer, const OSDictionary *dictionary)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);

	for (uint32_t i = 0; i < ivars->count; i++) {
		indent(writer);
		write_element(writer, ivars->key_callbacks, ivars->entries[i].key);
		fputs(" = ", writer->stream);
		write_element(writer, ivars->value_callbacks, ivars->entries[i].value);
		fputs(";\n", writer->stream);
	}
}

static void
write_members(struct writer *writer, const OSSet *set)
{
	const struct OSDictionary_IVars *ivars = set_entries(set);

	for (uint32_t i = 0; i < ivars->count; i++) {
		indent(writer);
		write_element(writer, ivars->key_callbacks, set_member(set, &ivars->entries[i]));
		fputs(";\n", writer->stream);
	}
}

static void
write_values(struct writer *writer, const OSArray *array)
{
	const struct OSArray_IVars *ivars = OSObjectIVars(OSArray, array);

	for (uint32_t i = 0; i < ivars->count; i++) {
		indent(writer);
		write_element(writer, ivars->callbacks, ivars->values[i]);
		fputs(i + 1 < ivars->count ? ",\n" : "\n", writer->stream);
	}
}

static void
write_collection(struct writer *writer, const void *object)
{
	const OSArray *array = OSDynamicCast(OSArray, object);
	const OSSet *set = OSDynamicCast(OSSet, object);

	if (writer->depth == DEPTH_MAX) {
		fputs("...", writer->stream);
		return;
	}
	fputs(array == NULL ? "{\n" : "(\n", writer->stream);
	writer->depth++;
	if (array != NULL)
		write_values(writer, array);
	else if (set != NULL)
		write_members(writer, set);
	else
		write_pairs(writer, object);
	writer->depth--;
	indent(writer);
	fputs(array == NULL ? "}" : ")", writer->stream);
}

static void
write_number(FILE *stream, const OSNumber *number)
{
	if (number_is_real(number))
		fprintf(stream, "%.17g", number_get_real(number));
	else
		fprintf(stream, "%lld", (long long)OSNumberGetUInt64Value(number));
}

static void
write_data(FILE *stream, const OSData *data)
{
	const unsigned char *bytes = OSDataGetBytesPtr(data);

	fputc('<', stream);
	for (size_t i = 0; i < OSDataGetLength(data); i++)
		fprintf(stream, "%s%02x", i > 0 && i % 4 == 0 ? " " : "", bytes[i]);
	fputc('>', stream);
}

static void
write_error(struct writer *writer, CFErrorRef error)
{
	CFStringRef words = CFErrorCopyDescription(error);

	write_value(writer, CFErrorGetDomain(error));
	fprintf(writer->stream, " %ld: ", CFErrorGetCode(error));
	write_value(writer, words);
	CFRelease(words);
}

static void
write_value(struct writer *writer, const void *reference)
{
	const void *object = object_real(reference);

	if (object == NULL)
		fputs("(null)", writer->stream);
	else if (OSDynamicCast(OSString, object) != NULL)
		fputs(OSStringGetCStringPtr(object), writer->stream);
	else if (OSDynamicCast(OSNumber, object) != NULL)
		write_number(writer->stream, object);
	else if (OSDynamicCast(OSBoolean, object) != NULL)
		fputs(OSBooleanGetValue(object) ? "true" : "false", writer->stream);
	else if (OSDynamicCast(OSData, object) != NULL)
		write_data(writer->stream, object);
	else if (OSDynamicCast(OSArray, object) != NULL ||
		 OSDynamicCast(OSDictionary, object) != NULL ||
		 OSDynamicCast(OSSet, object) != NULL)
		write_collection(writer, object);
	else if (OSDynamicCast(CFError, object) != NULL)
		write_error(writer, (CFErrorRef)(uintptr_t)object);
	else if (OSDynamicCast(CFDate, object) != NULL)
		fprintf(writer->stream, "<CFDate %.3f>", CFDateGetAbsoluteTime(object));
	else
		fprintf(writer->stream, "<%s %p>", OSObject_GetClassName(object), object);
}

void
description_write(FILE *stream, CFTypeRef object)
{
	struct writer writer = {.stream = stream};

	write_value(&writer, object);
}

CFStringRef
CFCopyDescription(CFTypeRef object)
{
	return CFStringCreateWithFormat(NULL, NULL, CFSTR("%@"), object);
}

/* Apps know an OSString as a CFString, and so on. */
static const char *
type_name(const OSMetaClass *metaclass)
{
	static const OSMetaClass *const shared[] = {
		OSTypeID(OSString), OSTypeID(OSNumber),	    OSTypeID(OSBoolean), OSTypeID(OSData),
		OSTypeID(OSArray),  OSTypeID(OSDictionary), OSTypeID(OSSet)};
	static const char *const names[] = {"CFString", "CFNumber",	"CFBoolean", "CFData",
					    "CFArray",	"CFDictionary", "CFSet"};

	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		if (metaclass == shared[i])
			return names[i];
	return metaclass->name;
}

CFStringRef
CFCopyTypeIDDescription(CFTypeID type)
{
	return type == 0 ? NULL
			 : CFStringCreateWithCString(NULL, type_name((const OSMetaClass *)type),
						     kCFStringEncodingUTF8);
}

void
CFShow(CFTypeRef object)
{
	description_write(stderr, object);
	fputc('\n', stderr);
}

void
CFShowStr(CFStringRef string)
{
	fprintf(stderr, "Length %ld\nContents ", CFStringGetLength(string));
	CFShow(string);
}
