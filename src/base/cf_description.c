/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in words, for people: CFCopyDescription, CFShow and %@. Collections over several lines;
 * nesting past DEPTH_MAX, as of a collection that holds itself, is cut.
 */
#include "cf_string.h"

#include <DriverKit/OSCollections.h>

#include "cf_date.h"
#include "object.h"
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

static void
write_entries(struct writer *writer, const OSDictionary *dictionary, bool is_set)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);

	for (uint32_t i = 0; i < ivars->count; i++) {
		indent(writer);
		if (!is_set) {
			write_value(writer, ivars->entries[i].key);
			fputs(" = ", writer->stream);
		}
		write_value(writer, ivars->entries[i].value);
		fputs(";\n", writer->stream);
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
	if (array == NULL)
		write_entries(writer, set == NULL ? object : set_members(set), set != NULL);
	for (uint32_t i = 0; i < OSArrayGetCount(array); i++) {
		indent(writer);
		write_value(writer, OSArrayGetValue(array, i));
		fputs(i + 1 < OSArrayGetCount(array) ? ",\n" : "\n", writer->stream);
	}
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

CFStringRef
CFCopyTypeIDDescription(CFTypeID type)
{
	return type == 0 ? NULL
			 : CFStringCreateWithCString(NULL, ((const OSMetaClass *)type)->name,
						     kCFStringEncodingUTF8);
}

void
CFShow(CFTypeRef object)
{
	description_write(stderr, object);
	fputc('\n', stderr);
}
