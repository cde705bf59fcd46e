/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFString over OSString. What an app creates is checked to be UTF-8; a string that came from
 * elsewhere may hold any bytes, so nothing here counts on it.
 *
 * Constant strings are kept for the life of the process in a hash table that only grows, without a
 * lock: they are asked for in every thread, and in a child whose parent was just asking.
 */
#include <CoreFoundation/CFString.h>
#include <DriverKit/OSCollections.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"

#define BUCKETS 256u

struct constant {
	const struct constant *next; /* [const] once in the table */
	OSString *string;
};

static struct constant *_Atomic constants[BUCKETS];

CFTypeID
CFStringGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSString);
}

/* --- constants --- */

static uint32_t
hash(const char *text)
{
	uint32_t sum = 5381;

	for (; *text != '\0'; text++)
		sum = sum * 33 + (unsigned char)*text;
	return sum;
}

static OSString *
find(const struct constant *constant, const char *text)
{
	for (; constant != NULL; constant = constant->next)
		if (OSStringIsEqualToCString(constant->string, text))
			return constant->string;
	return NULL;
}

static struct constant *
make(const char *text)
{
	struct constant *made = malloc(sizeof(*made));

	if (made == NULL)
		return NULL;
	made->string = OSStringCreateWithCString(text);
	if (made->string == NULL) {
		free(made);
		return NULL;
	}
	return made;
}

CFStringRef
__CFStringMakeConstantString(const char *literal)
{
	struct constant *_Atomic *bucket = &constants[hash(literal) % BUCKETS];
	/* Acquire pairs with the release below: a constant that is found is complete. */
	struct constant *head = atomic_load_explicit(bucket, memory_order_acquire);
	OSString *found = find(head, literal);
	struct constant *made;

	if (found != NULL)
		return (CFStringRef)found;
	made = make(literal);
	if (made == NULL)
		return NULL;
	do {
		found = find(head, literal);
		if (found != NULL) { /* another thread was first */
			((struct OSObject *)made->string)->references = 1;
			OSRelease(made->string);
			free(made);
			return (CFStringRef)found;
		}
		made->next = head;
		((struct OSObject *)made->string)->references = OBJECT_IMMORTAL;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &head, made, memory_order_release,
							memory_order_acquire));
	return (CFStringRef)made->string;
}

/* --- encodings --- */

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* The bytes of a well-formed UTF-8 sequence at the start of `text`; 0: it is none. */
static size_t
sequence_length(const unsigned char *text)
{
	uint32_t code;
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	code = text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) { /* the NUL ends this as well */
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3fu);
	}
	if (length == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000)))
		return 0;
	if (length == 4 && (code < 0x10000 || code > 0x10ffff))
		return 0;
	return length;
}

static bool
is_utf8(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length;

	for (; *at != '\0'; at += length) {
		length = sequence_length(at);
		if (length == 0)
			return false;
	}
	return true;
}

/* Whether the bytes mean the same in that encoding as in UTF-8. */
static bool
is_sayable(const char *text, CFStringEncoding encoding)
{
	switch (encoding) {
	case kCFStringEncodingUTF8:
		return is_utf8(text);
	case kCFStringEncodingASCII:
	case kCFStringEncodingMacRoman:
	case kCFStringEncodingISOLatin1:
		return is_ascii(text);
	default:
		log_error("CFString: encoding %#x is not known", encoding);
		return false;
	}
}

/* --- strings --- */

CFStringRef
CFStringCreateWithCString(CFAllocatorRef allocator, const char *cstring, CFStringEncoding encoding)
{
	if (cstring == NULL) {
		log_error("CFStringCreateWithCString: cstring is NULL");
		return NULL;
	}
	if (!is_sayable(cstring, encoding))
		return NULL;
	return (CFStringRef)OSStringCreateWithCString(cstring);
}

CFIndex
CFStringGetLength(CFStringRef string)
{
	const unsigned char *at =
		(const unsigned char *)OSStringGetCStringPtr((const OSString *)string);
	CFIndex units = 0;

	/* A sequence is one unit, but two if it takes four bytes. */
	for (; at != NULL && *at != '\0'; at++)
		units += (*at & 0xc0) == 0x80 ? 0 : *at >= 0xf0 ? 2 : 1;
	return units;
}

CFIndex
CFStringGetMaximumSizeForEncoding(CFIndex length, CFStringEncoding encoding)
{
	if (length < 0 || length > INTPTR_MAX / 3)
		return -1;
	return encoding == kCFStringEncodingUTF8 ? length * 3 : length;
}

Boolean
CFStringGetCString(CFStringRef string, char *buffer, CFIndex size, CFStringEncoding encoding)
{
	const char *text = CFStringGetCStringPtr(string, encoding);
	size_t length = OSStringGetLength((const OSString *)string);

	if (text == NULL || buffer == NULL || size <= 0 || length >= (size_t)size)
		return false;
	memcpy(buffer, text, length + 1);
	return true;
}

const char *
CFStringGetCStringPtr(CFStringRef string, CFStringEncoding encoding)
{
	const char *text = OSStringGetCStringPtr((const OSString *)string);

	return text != NULL && is_sayable(text, encoding) ? text : NULL;
}
