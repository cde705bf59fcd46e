/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFUUID: sixteen bytes that never change. Constant ones are in a list that only grows, without a
 * lock, like constant strings; a program has few.
 */
#include "cf_uuid.h"

#include <CoreFoundation/CFString.h>

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "object.h"

struct CFUUID_IVars {
	CFUUIDBytes bytes;  /* [const] */
	const CFUUID *next; /* [const] of a constant, once in the list */
};

_Static_assert(sizeof(CFUUIDBytes) == 16, "bytes and nothing else");

const OSMetaClass gCFUUIDMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFUUID",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct CFUUID_IVars),
};

static CFUUID *_Atomic constants;

CFTypeID
CFUUIDGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFUUID);
}

CFUUIDRef
CFUUIDCreateFromUUIDBytes(CFAllocatorRef allocator, CFUUIDBytes bytes)
{
	CFUUID *uuid = object_create(CFUUID);

	if (uuid != NULL)
		OSObjectIVars(CFUUID, uuid)->bytes = bytes;
	return uuid;
}

CFUUIDRef
CFUUIDCreate(CFAllocatorRef allocator)
{
	CFUUIDBytes bytes;

	if (getrandom(&bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		log_error("CFUUIDCreate: no random bytes");
		return NULL;
	}
	bytes.byte6 = (UInt8)(0x40 | (bytes.byte6 & 0xf)); /* version 4: random */
	bytes.byte8 = (UInt8)(0x80 | (bytes.byte8 & 0x3f));
	return CFUUIDCreateFromUUIDBytes(allocator, bytes);
}

static int
digit(char letter)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *found = letter == '\0' ? NULL : strchr(digits, letter);

	return found == NULL ? -1 : (int)(found - digits) & 0xf;
}

CFUUIDRef
CFUUIDCreateFromString(CFAllocatorRef allocator, CFStringRef string)
{
	const char *text = CFStringGetCStringPtr(string, kCFStringEncodingASCII);
	UInt8 raw[16];
	CFUUIDBytes bytes;

	if (text == NULL || strlen(text) != 36)
		return NULL;
	for (int i = 0; i < 16; i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return NULL;
		if (digit(text[0]) < 0 || digit(text[1]) < 0)
			return NULL;
		raw[i] = (UInt8)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
	memcpy(&bytes, raw, sizeof(bytes));
	return CFUUIDCreateFromUUIDBytes(allocator, bytes);
}

static CFUUIDRef
find(const CFUUID *uuid, const CFUUIDBytes *bytes)
{
	for (; uuid != NULL; uuid = OSObjectIVars(CFUUID, uuid)->next)
		if (memcmp(&OSObjectIVars(CFUUID, uuid)->bytes, bytes, sizeof(*bytes)) == 0)
			return uuid;
	return NULL;
}

CFUUIDRef
CFUUIDGetConstantUUIDWithBytes(CFAllocatorRef allocator, UInt8 byte0, UInt8 byte1, UInt8 byte2,
			       UInt8 byte3, UInt8 byte4, UInt8 byte5, UInt8 byte6, UInt8 byte7,
			       UInt8 byte8, UInt8 byte9, UInt8 byte10, UInt8 byte11, UInt8 byte12,
			       UInt8 byte13, UInt8 byte14, UInt8 byte15)
{
	const CFUUIDBytes bytes = {byte0, byte1, byte2,	 byte3,	 byte4,	 byte5,	 byte6,	 byte7,
				   byte8, byte9, byte10, byte11, byte12, byte13, byte14, byte15};
	/* Acquire pairs with the release below: a constant that is found is complete. */
	CFUUID *head = atomic_load_explicit(&constants, memory_order_acquire);
	CFUUIDRef found = find(head, &bytes);
	CFUUID *made;

	if (found != NULL)
		return found;
	made = (CFUUID *)(uintptr_t)CFUUIDCreateFromUUIDBytes(allocator, bytes);
	if (made == NULL)
		return NULL;
	do {
		found = find(head, &bytes);
		if (found != NULL) { /* another thread was first */
			((struct OSObject *)made)->references = 1;
			OSRelease(made);
			return found;
		}
		OSObjectIVars(CFUUID, made)->next = head;
		((struct OSObject *)made)->references = OBJECT_IMMORTAL;
	} while (!atomic_compare_exchange_weak_explicit(
		&constants, &head, made, memory_order_release, memory_order_acquire));
	return made;
}

CFUUIDBytes
CFUUIDGetUUIDBytes(CFUUIDRef uuid)
{
	if (OSDynamicCast(CFUUID, uuid) == NULL) {
		log_error("CFUUIDGetUUIDBytes: the object is no CFUUID");
		return (CFUUIDBytes){0};
	}
	return OSObjectIVars(CFUUID, uuid)->bytes;
}

CFStringRef
CFUUIDCreateString(CFAllocatorRef allocator, CFUUIDRef uuid)
{
	CFUUIDBytes b = CFUUIDGetUUIDBytes(uuid);

	return CFStringCreateWithFormat(
		allocator, NULL,
		CFSTR("%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X"),
		b.byte0, b.byte1, b.byte2, b.byte3, b.byte4, b.byte5, b.byte6, b.byte7, b.byte8,
		b.byte9, b.byte10, b.byte11, b.byte12, b.byte13, b.byte14, b.byte15);
}
