/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFNumber over OSNumber, CFBoolean over OSBoolean. A CFNumber has a sign and an OSNumber has not:
 * what is negative is kept in 64 bits, what is not in as many as its type has. So 0xffff in 16
 * bits, a vendor id, reads as 65535, and -1 made by an app reads as -1. Only 32 bits are read both
 * ways: macOS hands a driver's number of that width to apps as an SInt32, so a location id of
 * 0x80100000 is one exactly, with its bits, and is 0x80100000 to who asks for 64.
 */
#include <CoreFoundation/CFNumber.h>
#include <DriverKit/OSCollections.h>

#include <string.h>

#include "log.h"
#include "os_number.h"

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

/* What a type is: SInt8 to SInt64, Float32 or Float64. 0 if it is not known. */
static CFNumberType
plain(CFNumberType type)
{
	switch (type) {
	case kCFNumberSInt8Type:
	case kCFNumberSInt16Type:
	case kCFNumberSInt32Type:
	case kCFNumberSInt64Type:
	case kCFNumberFloat32Type:
	case kCFNumberFloat64Type:
		return type;
	case kCFNumberCharType:
		return kCFNumberSInt8Type;
	case kCFNumberShortType:
		return kCFNumberSInt16Type;
	case kCFNumberIntType:
		return kCFNumberSInt32Type;
	case kCFNumberLongType:
	case kCFNumberCFIndexType:
	case kCFNumberNSIntegerType:
		return sizeof(long) == 8 ? kCFNumberSInt64Type : kCFNumberSInt32Type;
	case kCFNumberLongLongType:
		return kCFNumberSInt64Type;
	case kCFNumberFloatType:
		return kCFNumberFloat32Type;
	case kCFNumberDoubleType:
	case kCFNumberCGFloatType:
		return kCFNumberFloat64Type;
	default:
		log_error("CFNumber: type %ld is not known", type);
		return 0;
	}
}

static size_t
size_of(CFNumberType plain_type)
{
	static const uint8_t sizes[] = {0, 1, 2, 4, 8, 4, 8};

	return sizes[plain_type];
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

/* As store; a real that is past the type's bounds becomes the bound. */
static bool
store_rounded(size_t size, const OSNumber *number, void *value)
{
	int64_t whole = (int64_t)OSNumberGetUInt64Value(number);
	int64_t highest = (int64_t)(UINT64_MAX >> (65 - 8 * size));
	bool fits = (double)whole == number_get_real(number);

	if (whole > highest)
		whole = highest;
	else if (whole < -highest - 1)
		whole = -highest - 1;
	else
		return store(size, whole, value) && fits && whole != INT64_MAX;
	store(size, whole, value);
	return false;
}

static bool
store_real(size_t size, const OSNumber *number, void *value)
{
	double whole = number_get_real(number);
	float single = (float)whole;
	OSNumber *back;
	bool exact;

	if (size == sizeof(single)) {
		memcpy(value, &single, sizeof(single));
		whole = single;
	} else {
		memcpy(value, &whole, sizeof(whole));
	}
	back = number_create_real(whole, 64);
	exact = back != NULL && number_compare(back, number) == 0;
	OSRelease(back);
	return exact;
}

CFNumberRef
CFNumberCreate(CFAllocatorRef allocator, CFNumberType type, const void *value)
{
	CFNumberType known = plain(type);
	int64_t number;
	double real;
	float single;

	if (known == 0)
		return NULL;
	if (value == NULL) {
		log_error("CFNumberCreate: value is NULL");
		return NULL;
	}
	if (known == kCFNumberFloat32Type) {
		memcpy(&single, value, sizeof(single));
		return (CFNumberRef)number_create_real(single, 32);
	}
	if (known == kCFNumberFloat64Type) {
		memcpy(&real, value, sizeof(real));
		return (CFNumberRef)number_create_real(real, 64);
	}
	number = load(size_of(known), value);
	return (CFNumberRef)OSNumberCreate((uint64_t)number,
					   number < 0 ? 64 : (uint32_t)size_of(known) * 8);
}

static const OSNumber *
number_of(CFNumberRef number, const char *function)
{
	const OSNumber *self = OSDynamicCast(OSNumber, number);

	if (self == NULL)
		log_error("%s: the object is no CFNumber", function);
	return self;
}

Boolean
CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value)
{
	const OSNumber *self = number_of(number, "CFNumberGetValue");
	CFNumberType known = plain(type);
	bool exact;

	if (self == NULL || known == 0)
		return false;
	if (value == NULL) {
		log_error("CFNumberGetValue: value is NULL");
		return false;
	}
	if (known == kCFNumberFloat32Type || known == kCFNumberFloat64Type)
		return store_real(size_of(known), self, value);
	if (number_is_real(self))
		return store_rounded(size_of(known), self, value);
	exact = store(size_of(known), (int64_t)OSNumberGetUInt64Value(self), value);
	return exact || (known == kCFNumberSInt32Type && OSNumberGetBits(self) == 32);
}

CFNumberType
CFNumberGetType(CFNumberRef number)
{
	const OSNumber *self = number_of(number, "CFNumberGetType");
	CFNumberType type;
	int64_t value;

	if (self == NULL)
		return 0;
	if (number_is_real(self))
		return OSNumberGetBits(self) == 32 ? kCFNumberFloat32Type : kCFNumberFloat64Type;
	value = (int64_t)OSNumberGetUInt64Value(self);
	for (type = kCFNumberSInt8Type; type < kCFNumberSInt64Type; type++)
		if (OSNumberGetBits(self) <= size_of(type) * 8 &&
		    value <= (int64_t)(UINT64_MAX >> (65 - size_of(type) * 8)))
			break;
	return type;
}

CFIndex
CFNumberGetByteSize(CFNumberRef number)
{
	return (CFIndex)size_of(CFNumberGetType(number));
}

Boolean
CFNumberIsFloatType(CFNumberRef number)
{
	return number_is_real(number_of(number, "CFNumberIsFloatType"));
}

CFComparisonResult
CFNumberCompare(CFNumberRef number, CFNumberRef other, void *context)
{
	const OSNumber *one = number_of(number, "CFNumberCompare");
	const OSNumber *two = number_of(other, "CFNumberCompare");

	return one == NULL || two == NULL ? kCFCompareEqualTo : number_compare(one, two);
}

Boolean
CFBooleanGetValue(CFBooleanRef boolean)
{
	return OSBooleanGetValue((const OSBoolean *)boolean);
}
