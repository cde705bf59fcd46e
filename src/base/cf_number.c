/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFNumber over OSNumber, CFBoolean over OSBoolean. A CFNumber has a sign and an OSNumber has not:
 * what is negative is kept in 64 bits, what is not in as many as its type has. So 0xffff in 16
 * bits, a vendor id, reads as 65535, and -1 made by an app reads as -1.
 */
#include <CoreFoundation/CFNumber.h>
#include <DriverKit/OSCollections.h>

#include <string.h>

#include "log.h"

CFTypeID
CFNumberGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSNumber);
}

CFTypeID
CFBooleanGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSBoolean);
}

/* Bytes of a value of that type, 0 if it is not known. */
static size_t
size_of(CFNumberType type)
{
	switch (type) {
	case kCFNumberSInt8Type:
		return 1;
	case kCFNumberSInt16Type:
		return 2;
	case kCFNumberSInt32Type:
		return 4;
	case kCFNumberSInt64Type:
		return 8;
	case kCFNumberCharType:
		return sizeof(char);
	case kCFNumberShortType:
		return sizeof(short);
	case kCFNumberIntType:
		return sizeof(int);
	case kCFNumberLongType:
		return sizeof(long);
	case kCFNumberLongLongType:
		return sizeof(long long);
	case kCFNumberCFIndexType:
		return sizeof(CFIndex);
	default:
		log_error("CFNumber: type %d is not known", (int)type);
		return 0;
	}
}

static int64_t
load(size_t size, const void *value)
{
	int8_t byte;
	int16_t half;
	int32_t word;
	int64_t whole;

	switch (size) {
	case 1:
		memcpy(&byte, value, size);
		return byte;
	case 2:
		memcpy(&half, value, size);
		return half;
	case 4:
		memcpy(&word, value, size);
		return word;
	default:
		memcpy(&whole, value, sizeof(whole));
		return whole;
	}
}

/* Whether it is stored exactly. */
static bool
store(size_t size, int64_t number, void *value)
{
	int8_t byte = (int8_t)number;
	int16_t half = (int16_t)number;
	int32_t word = (int32_t)number;

	switch (size) {
	case 1:
		memcpy(value, &byte, size);
		return byte == number;
	case 2:
		memcpy(value, &half, size);
		return half == number;
	case 4:
		memcpy(value, &word, size);
		return word == number;
	default:
		memcpy(value, &number, sizeof(number));
		return true;
	}
}

CFNumberRef
CFNumberCreate(CFAllocatorRef allocator, CFNumberType type, const void *value)
{
	size_t size = size_of(type);
	int64_t number;

	if (size == 0)
		return NULL;
	if (value == NULL) {
		log_error("CFNumberCreate: value is NULL");
		return NULL;
	}
	number = load(size, value);
	return (CFNumberRef)OSNumberCreate((uint64_t)number, number < 0 ? 64 : (uint32_t)size * 8);
}

Boolean
CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value)
{
	const OSNumber *self = (const OSNumber *)OSDynamicCast(OSNumber, number);
	size_t size = size_of(type);

	if (self == NULL || value == NULL) {
		log_error("CFNumberGetValue: %s",
			  value == NULL ? "value is NULL" : "the object is no CFNumber");
		return false;
	}
	return size != 0 && store(size, (int64_t)OSNumberGetUInt64Value(self), value);
}

Boolean
CFBooleanGetValue(CFBooleanRef boolean)
{
	return OSBooleanGetValue((const OSBoolean *)boolean);
}
