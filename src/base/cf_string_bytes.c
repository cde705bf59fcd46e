/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFString to and from bytes in its encodings. What an app brings must be of the encoding that it
 * names, whole and without a NUL; nothing is replaced on the way in.
 *
 * Bytes that are handed over (...NoCopy) are copied all the same, and given back at once: their
 * contract allows it.
 */
#include "cf_string.h"

#include <DriverKit/OSCollections.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cf_encoding.h"
#include "log.h"
#include "utf8.h"

static bool
is_known(CFStringEncoding encoding, const char *function)
{
	if (encoding_is_known(encoding))
		return true;
	log_error("%s: encoding %#x is not known", function, encoding);
	return false;
}

Boolean
CFStringIsEncodingAvailable(CFStringEncoding encoding)
{
	return encoding_is_known(encoding);
}

CFStringEncoding
CFStringGetSystemEncoding(void)
{
	return kCFStringEncodingUTF8;
}

CFStringEncoding
CFStringGetFastestEncoding(CFStringRef string)
{
	return kCFStringEncodingUTF8;
}

CFStringEncoding
CFStringGetSmallestEncoding(CFStringRef string)
{
	return kCFStringEncodingUTF8;
}

/* --- making --- */

/* The bytes as UTF-8, malloced; NULL: not of that encoding, a NUL inside, or no memory. */
static char *
decode(const uint8_t *bytes, size_t length, CFStringEncoding encoding)
{
	const uint8_t *at = bytes, *end = bytes + length;
	/* A byte of MacRoman may need 3; of the wider ones none needs more than it has or half
	 * as much again. */
	char *text = length > SIZE_MAX / 4 ? NULL : malloc(length * 3 + 1), *to = text;
	uint32_t code;

	while (text != NULL && at < end) {
		if (!encoding_get(encoding, &at, end, &code) || code == 0) {
			free(text);
			return NULL;
		}
		to += utf8_put(code, to);
	}
	if (text != NULL)
		*to = '\0';
	return text;
}

/* Past a byte order mark, which decides the encoding from then on. */
static void
skip_mark(const uint8_t **bytes, size_t *length, CFStringEncoding *encoding)
{
	static const struct {
		uint8_t bytes[4];
		uint8_t length;
		CFStringEncoding of, means;
	} marks[] = {
		{{0xef, 0xbb, 0xbf}, 3, kCFStringEncodingUTF8, kCFStringEncodingUTF8},
		{{0xff, 0xfe}, 2, kCFStringEncodingUTF16, kCFStringEncodingUTF16LE},
		{{0xfe, 0xff}, 2, kCFStringEncodingUTF16, kCFStringEncodingUTF16BE},
		{{0xff, 0xfe, 0, 0}, 4, kCFStringEncodingUTF32, kCFStringEncodingUTF32LE},
		{{0, 0, 0xfe, 0xff}, 4, kCFStringEncodingUTF32, kCFStringEncodingUTF32BE},
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (*encoding == marks[i].of && *length >= marks[i].length &&
		    memcmp(*bytes, marks[i].bytes, marks[i].length) == 0) {
			*bytes += marks[i].length;
			*length -= marks[i].length;
			*encoding = marks[i].means;
			return;
		}
}

CFStringRef
CFStringCreateWithBytes(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length,
			CFStringEncoding encoding, Boolean is_external)
{
	size_t left = (size_t)length;
	char *text;

	if (length < 0 || (bytes == NULL && length > 0)) {
		log_error("CFStringCreateWithBytes: %s",
			  length < 0 ? "length is negative" : "bytes is NULL");
		return NULL;
	}
	if (!is_known(encoding, "CFStringCreateWithBytes"))
		return NULL;
	if (bytes == NULL)
		return (CFStringRef)OSStringCreateWithCString("");
	if (is_external)
		skip_mark(&bytes, &left, &encoding);
	text = decode(bytes, left, encoding);
	if (text == NULL)
		log_error("CFStringCreateWithBytes: no memory, a NUL inside, or bytes that are not "
			  "of encoding %#x",
			  encoding);
	return string_make_take(text);
}

CFStringRef
CFStringCreateWithCString(CFAllocatorRef allocator, const char *cstring, CFStringEncoding encoding)
{
	if (cstring == NULL || encoding_width(encoding) != 1) {
		log_error("CFStringCreateWithCString: %s",
			  cstring == NULL ? "cstring is NULL" : "an encoding of more than bytes");
		return NULL;
	}
	return CFStringCreateWithBytes(allocator, (const UInt8 *)cstring, (CFIndex)strlen(cstring),
				       encoding, false);
}

/* What was handed over is given back, unless there is no string to show for it. */
static CFStringRef
give_back(CFStringRef string, const void *bytes, CFAllocatorRef deallocator)
{
	if (string != NULL)
		CFAllocatorDeallocate(deallocator, (void *)(uintptr_t)bytes);
	return string;
}

CFStringRef
CFStringCreateWithCStringNoCopy(CFAllocatorRef allocator, const char *cstring,
				CFStringEncoding encoding, CFAllocatorRef deallocator)
{
	return give_back(CFStringCreateWithCString(allocator, cstring, encoding), cstring,
			 deallocator);
}

CFStringRef
CFStringCreateWithBytesNoCopy(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length,
			      CFStringEncoding encoding, Boolean is_external,
			      CFAllocatorRef deallocator)
{
	return give_back(CFStringCreateWithBytes(allocator, bytes, length, encoding, is_external),
			 bytes, deallocator);
}

CFStringRef
CFStringCreateWithCharactersNoCopy(CFAllocatorRef allocator, const UniChar *characters,
				   CFIndex count, CFAllocatorRef deallocator)
{
	return give_back(CFStringCreateWithCharacters(allocator, characters, count), characters,
			 deallocator);
}

CFStringRef
CFStringCreateFromExternalRepresentation(CFAllocatorRef allocator, CFDataRef data,
					 CFStringEncoding encoding)
{
	return CFStringCreateWithBytes(allocator, CFDataGetBytePtr(data), CFDataGetLength(data),
				       encoding, true);
}

CFStringRef
CFStringCreateWithFileSystemRepresentation(CFAllocatorRef allocator, const char *path)
{
	return CFStringCreateWithCString(allocator, path, kCFStringEncodingUTF8);
}

/* --- reading --- */

CFIndex
CFStringGetMaximumSizeForEncoding(CFIndex length, CFStringEncoding encoding)
{
	if (length < 0 || length > INTPTR_MAX / ENCODING_BYTES_MAX)
		return kCFNotFound;
	return length * (CFIndex)encoding_most(encoding);
}

CFIndex
CFStringGetMaximumSizeOfFileSystemRepresentation(CFStringRef string)
{
	return CFStringGetMaximumSizeForEncoding(CFStringGetLength(string), kCFStringEncodingUTF8) +
	       1;
}

/* Whether the bytes mean the same in that encoding as in UTF-8. */
static bool
is_as_utf8(const char *text, CFStringEncoding encoding)
{
	if (encoding == kCFStringEncodingUTF8)
		return utf8_is_valid(text);
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return encoding_width(encoding) == 1;
}

const char *
CFStringGetCStringPtr(CFStringRef string, CFStringEncoding encoding)
{
	const char *text = string_text(string, "CFStringGetCStringPtr");

	return text != NULL && is_known(encoding, "CFStringGetCStringPtr") &&
			       is_as_utf8(text, encoding)
		       ? text
		       : NULL;
}

const UniChar *
CFStringGetCharactersPtr(CFStringRef string)
{
	return NULL;
}

Boolean
CFStringGetCString(CFStringRef string, char *buffer, CFIndex size, CFStringEncoding encoding)
{
	const char *text = string_text(string, "CFStringGetCString");
	CFIndex units, used = 0;
	CFRange all;

	if (text == NULL || buffer == NULL || size <= 0 || encoding_width(encoding) != 1 ||
	    !is_known(encoding, "CFStringGetCString") ||
	    (encoding == kCFStringEncodingUTF8 && !utf8_is_valid(text)))
		return false;
	units = string_units(text, SIZE_MAX);
	all = CFRangeMake(0, units);
	if (CFStringGetBytes(string, all, encoding, 0, false, NULL, 0, &used) < units ||
	    used >= size)
		return false;
	CFStringGetBytes(string, all, encoding, 0, false, (UInt8 *)buffer, used, NULL);
	buffer[used] = '\0';
	return true;
}

Boolean
CFStringGetFileSystemRepresentation(CFStringRef string, char *buffer, CFIndex size)
{
	return CFStringGetCString(string, buffer, size, kCFStringEncodingUTF8);
}

/* A buffer that may be missing: then bytes are only counted. */
struct output {
	uint8_t *bytes;
	size_t room;
	size_t used;
};

static bool
put(struct output *output, const uint8_t *bytes, size_t length)
{
	if (output->bytes != NULL && length > output->room - output->used)
		return false;
	if (output->bytes != NULL)
		memcpy(output->bytes + output->used, bytes, length);
	output->used += length;
	return true;
}

/* The mark is in the host's order, as all that follows. */
static bool
put_mark(struct output *output, CFStringEncoding encoding, Boolean is_external)
{
	uint8_t bytes[ENCODING_BYTES_MAX];

	return !is_external || !encoding_is_marked(encoding) ||
	       put(output, bytes, encoding_put(encoding, 0xfeff, bytes));
}

CFIndex
CFStringGetBytes(CFStringRef string, CFRange range, CFStringEncoding encoding, UInt8 loss_byte,
		 Boolean is_external, UInt8 *buffer, CFIndex size, CFIndex *used)
{
	const char *at = string_text(string, "CFStringGetBytes"), *end;
	struct output output = {.bytes = buffer, .room = size < 0 ? 0 : (size_t)size};
	size_t start, length;
	CFIndex units = 0;

	if (at == NULL || !is_known(encoding, "CFStringGetBytes") ||
	    !string_range(at, range, "CFStringGetBytes", &start, &length))
		return 0;
	at += start;
	end = at + length;
	while (at < end && (units > 0 || put_mark(&output, encoding, is_external))) {
		uint32_t code = utf8_next(&at);
		uint8_t bytes[ENCODING_BYTES_MAX];
		size_t needed = encoding_put(encoding, code, bytes);

		if (needed == 0 && loss_byte != 0)
			needed = encoding_put(encoding, loss_byte, bytes);
		if (needed == 0 || !put(&output, bytes, needed))
			break;
		units += utf8_units(code);
	}
	if (used != NULL)
		*used = (CFIndex)output.used;
	return units;
}

CFDataRef
CFStringCreateExternalRepresentation(CFAllocatorRef allocator, CFStringRef string,
				     CFStringEncoding encoding, UInt8 loss_byte)
{
	CFIndex length = CFStringGetLength(string), used = 0;
	CFRange all = CFRangeMake(0, length);
	CFDataRef data;
	UInt8 *bytes;

	if (CFStringGetBytes(string, all, encoding, loss_byte, true, NULL, 0, &used) < length) {
		log_error(
			"CFStringCreateExternalRepresentation: it cannot be said in that encoding");
		return NULL;
	}
	bytes = malloc((size_t)used + 1);
	if (bytes == NULL)
		return NULL;
	CFStringGetBytes(string, all, encoding, loss_byte, true, bytes, used, NULL);
	data = CFDataCreate(allocator, bytes, used);
	free(bytes);
	return data;
}
