/* SPDX-License-Identifier: Apache-2.0 */
/* CFData over OSData. */
#include <CoreFoundation/CFData.h>
#include <DriverKit/OSCollections.h>

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "os_data.h"

CFTypeID
CFDataGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSData);
}

static CFDataRef
fixed(OSData *data)
{
	if (data != NULL)
		OSObjectIVars(OSData, data)->fixed = true;
	return (CFDataRef)data;
}

CFDataRef
CFDataCreate(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length)
{
	if (length < 0 || (bytes == NULL && length > 0)) {
		log_error("CFDataCreate: length is %ld, or bytes is NULL", length);
		return NULL;
	}
	return fixed(OSDataCreate(bytes, (size_t)length));
}

CFDataRef
CFDataCreateWithBytesNoCopy(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length,
			    CFAllocatorRef deallocator)
{
	struct OSData_IVars *ivars;
	OSData *data;

	if (length < 0 || (bytes == NULL && length > 0)) {
		log_error("CFDataCreateWithBytesNoCopy: length is %ld, or bytes is NULL", length);
		return NULL;
	}
	data = OSDataCreate(NULL, 0);
	if (data == NULL)
		return NULL;
	ivars = OSObjectIVars(OSData, data);
	ivars->bytes = (uint8_t *)(uintptr_t)bytes;
	ivars->length = ivars->capacity = (size_t)length;
	ivars->foreign = true;
	ivars->deallocator = CFRetain(deallocator);
	return fixed(data);
}

CFMutableDataRef
CFDataCreateMutable(CFAllocatorRef allocator, CFIndex capacity)
{
	OSData *data;

	if (capacity < 0) {
		log_error("CFDataCreateMutable: capacity is %ld", capacity);
		return NULL;
	}
	data = OSDataCreate(NULL, 0);
	if (data != NULL)
		OSObjectIVars(OSData, data)->most = (size_t)capacity;
	return (CFMutableDataRef)data;
}

/*
 * The data if it may be changed and have that length, NULL with a log line if not. A negative
 * length is too much.
 */
static OSData *
changing(CFMutableDataRef data, CFIndex length, const char *function)
{
	OSData *self = OSDynamicCast(OSData, data);
	const struct OSData_IVars *ivars = self == NULL ? NULL : OSObjectIVars(OSData, self);

	if (self == NULL)
		log_error("%s: the object is no CFData", function);
	else if (ivars->fixed)
		log_error("%s: the object is data that cannot be changed", function);
	else if (length < 0 || (ivars->most > 0 && (size_t)length > ivars->most))
		log_error("%s: %ld bytes are negative, or more than its capacity", function,
			  length);
	else
		return self;
	return NULL;
}

/* Negative where it is more than there can be. */
static CFIndex
sum(CFIndex one, CFIndex other)
{
	return other < 0 || one > INTPTR_MAX - other ? -1 : one + other;
}

CFIndex
CFDataGetLength(CFDataRef data)
{
	return (CFIndex)OSDataGetLength((const OSData *)data);
}

const UInt8 *
CFDataGetBytePtr(CFDataRef data)
{
	return OSDataGetBytesPtr((const OSData *)data);
}

static bool
is_range(CFDataRef data, CFRange range, const char *function)
{
	CFIndex length = CFDataGetLength(data);

	if (range.location >= 0 && range.length >= 0 && range.location <= length &&
	    range.length <= length - range.location)
		return true;
	log_error("%s: %ld bytes at %ld, but there are %ld", function, range.length, range.location,
		  length);
	return false;
}

void
CFDataGetBytes(CFDataRef data, CFRange range, UInt8 *buffer)
{
	if (is_range(data, range, "CFDataGetBytes") && range.length > 0)
		memcpy(buffer, CFDataGetBytePtr(data) + range.location, (size_t)range.length);
}

void
CFDataAppendBytes(CFMutableDataRef data, const UInt8 *bytes, CFIndex length)
{
	OSData *self = changing(data, sum(CFDataGetLength(data), length), "CFDataAppendBytes");

	if (self != NULL && !OSDataAppendBytes(self, bytes, (size_t)length))
		log_error("CFDataAppendBytes: %ld bytes were not appended", length);
}

CFDataRef
CFDataCreateCopy(CFAllocatorRef allocator, CFDataRef data)
{
	return CFDataCreate(allocator, CFDataGetBytePtr(data), CFDataGetLength(data));
}

CFMutableDataRef
CFDataCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity, CFDataRef data)
{
	CFMutableDataRef copy = CFDataCreateMutable(allocator, capacity);
	CFIndex length = CFDataGetLength(data);

	if (copy == NULL ||
	    (changing(copy, length, "CFDataCreateMutableCopy") != NULL &&
	     OSDataAppendBytes((OSData *)copy, CFDataGetBytePtr(data), (size_t)length)))
		return copy;
	CFRelease(copy);
	return NULL;
}

UInt8 *
CFDataGetMutableBytePtr(CFMutableDataRef data)
{
	OSData *self = changing(data, 0, "CFDataGetMutableBytePtr");

	return self == NULL ? NULL : OSObjectIVars(OSData, self)->bytes;
}

void
CFDataSetLength(CFMutableDataRef data, CFIndex length)
{
	OSData *self = changing(data, length, "CFDataSetLength");
	struct OSData_IVars *ivars = self == NULL ? NULL : OSObjectIVars(OSData, self);
	const UInt8 zeros[256] = {0};
	bool done = true;

	if (self == NULL)
		return;
	if ((size_t)length < ivars->length)
		ivars->length = (size_t)length;
	while (done && ivars->length < (size_t)length) {
		size_t missing = (size_t)length - ivars->length;

		done = OSDataAppendBytes(self, zeros,
					 missing < sizeof(zeros) ? missing : sizeof(zeros));
	}
	if (!done)
		log_error("CFDataSetLength: %ld: no memory", length);
}

void
CFDataIncreaseLength(CFMutableDataRef data, CFIndex extra)
{
	CFDataSetLength(data, sum(CFDataGetLength(data), extra));
}

void
CFDataReplaceBytes(CFMutableDataRef data, CFRange range, const UInt8 *bytes, CFIndex length)
{
	CFIndex before = CFDataGetLength(data);
	size_t after;
	UInt8 *at, *kept;

	if (!is_range(data, range, "CFDataReplaceBytes") ||
	    changing(data, sum(before - range.length, length), "CFDataReplaceBytes") == NULL)
		return;
	after = (size_t)(before - range.location - range.length);
	kept = malloc((size_t)length + after + 1); /* the bytes may be its own */
	if (kept == NULL || (bytes == NULL && length > 0)) {
		log_error("CFDataReplaceBytes: no memory, or bytes is NULL");
		free(kept);
		return;
	}
	if (length > 0)
		memcpy(kept, bytes, (size_t)length);
	if (after > 0)
		memcpy(kept + length, CFDataGetBytePtr(data) + range.location + range.length,
		       after);
	CFDataSetLength(data, before - range.length + length);
	at = CFDataGetMutableBytePtr(data);
	if (CFDataGetLength(data) == before - range.length + length && (size_t)length + after > 0)
		memcpy(at + range.location, kept, (size_t)length + after);
	free(kept);
}

void
CFDataDeleteBytes(CFMutableDataRef data, CFRange range)
{
	CFDataReplaceBytes(data, range, NULL, 0);
}

CFRange
CFDataFind(CFDataRef data, CFDataRef wanted, CFRange range, CFDataSearchFlags flags)
{
	CFIndex length = CFDataGetLength(wanted), last = range.length - length;
	bool backwards = flags & kCFDataSearchBackwards;
	const UInt8 *bytes = CFDataGetBytePtr(data);

	if (flags & ~(CFDataSearchFlags)(kCFDataSearchBackwards | kCFDataSearchAnchored))
		log_error("CFDataFind: flags %#lx are not known", flags);
	else if (is_range(data, range, "CFDataFind") && length > 0)
		for (CFIndex i = 0; i <= last; i++) {
			CFIndex at = range.location + (backwards ? last - i : i);

			if (memcmp(bytes + at, CFDataGetBytePtr(wanted), (size_t)length) == 0)
				return CFRangeMake(at, length);
			if (flags & kCFDataSearchAnchored)
				break;
		}
	return CFRangeMake(kCFNotFound, 0);
}
