/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSNumber: an integer of 1 to 64 bits that never changes after creation. It has no sign: a
 * negative one is its two's complement in that many bits.
 */
#include "os_number.h"

#include "log.h"
#include "object.h"

const OSMetaClass gOSNumberMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSNumber",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct OSNumber_IVars),
};

OSNumber *
OSNumberCreate(uint64_t value, uint32_t bits)
{
	struct OSNumber_IVars *ivars;
	OSNumber *number;

	if (bits < 1 || bits > 64) {
		log_error("OSNumberCreate: bits %u: from 1 to 64", bits);
		return NULL;
	}
	number = object_create(OSNumber);
	if (number == NULL)
		return NULL;
	ivars = OSObjectIVars(OSNumber, number);
	ivars->bits = bits;
	ivars->value = value & (UINT64_MAX >> (64 - bits));
	return number;
}

OSNumber *
OSNumberCreateWithUInt64Value(uint64_t value)
{
	return OSNumberCreate(value, 64);
}

uint64_t
OSNumberGetUInt64Value(const OSNumber *number)
{
	return number == NULL ? 0 : OSObjectIVars(OSNumber, number)->value;
}

uint32_t
OSNumberGetBits(const OSNumber *number)
{
	return number == NULL ? 0 : OSObjectIVars(OSNumber, number)->bits;
}
