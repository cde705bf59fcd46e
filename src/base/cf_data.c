/* SPDX-License-Identifier: Apache-2.0 */
/* CFData over OSData. */
#include <CoreFoundation/CFData.h>
#include <DriverKit/OSCollections.h>

#include <string.h>

#include "log.h"
#include "os_data.h"

CFTypeID
CFDataGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSData);
}

CFDataRef
CFDataCreate(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length)
{
	if (length < 0) {
		log_error("CFDataCreate: length is %ld", length);
		return NULL;
	}
	return (CFDataRef)OSDataCreate(bytes, (size_t)length);
}

CFMutableDataRef
CFDataCreateMutable(CFAllocatorRef allocator, CFIndex capacity)
{
	if (capacity != 0) {
		log_error("CFDataCreateMutable: capacity is %ld, only 0 is known", capacity);
		return NULL;
	}
	return (CFMutableDataRef)OSDataCreate(NULL, 0);
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

void
CFDataGetBytes(CFDataRef data, CFRange range, UInt8 *buffer)
{
	CFIndex length = CFDataGetLength(data);

	if (range.location < 0 || range.length < 0 || range.location > length ||
	    range.length > length - range.location) {
		log_error("CFDataGetBytes: %ld bytes at %ld, but there are %ld", range.length,
			  range.location, length);
		return;
	}
	if (range.length > 0)
		memcpy(buffer, CFDataGetBytePtr(data) + range.location, (size_t)range.length);
}

void
CFDataAppendBytes(CFMutableDataRef data, const UInt8 *bytes, CFIndex length)
{
	if (length < 0 || !OSDataAppendBytes((OSData *)data, bytes, (size_t)length))
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

	if (copy == NULL || length == 0 ||
	    OSDataAppendBytes((OSData *)copy, CFDataGetBytePtr(data), (size_t)length))
		return copy;
	CFRelease(copy);
	return NULL;
}

UInt8 *
CFDataGetMutableBytePtr(CFMutableDataRef data)
{
	return OSObjectIVars(OSData, data)->bytes;
}

void
CFDataSetLength(CFMutableDataRef data, CFIndex length)
{
	struct OSData_IVars *ivars = OSObjectIVars(OSData, data);
	const UInt8 zeros[256] = {0};
	bool done = length >= 0;

	if (done && (size_t)length < ivars->length)
		ivars->length = (size_t)length;
	while (done && ivars->length < (size_t)length) {
		size_t missing = (size_t)length - ivars->length;

		done = OSDataAppendBytes((OSData *)data, zeros,
					 missing < sizeof(zeros) ? missing : sizeof(zeros));
	}
	if (!done)
		log_error("CFDataSetLength: %ld: negative, or no memory", length);
}

void
CFDataIncreaseLength(CFMutableDataRef data, CFIndex extra)
{
	CFIndex length = CFDataGetLength(data);

	if (extra < 0 || extra > INTPTR_MAX - length)
		log_error("CFDataIncreaseLength: extra is %ld", extra);
	else
		CFDataSetLength(data, length + extra);
}
