/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSNumber: an integer of 1 to 64 bits, or a real, that never changes after creation. An integer
 * has no sign: a negative one is its two's complement in that many bits. Where CoreFoundation and
 * comparisons want a sign, 64 bits have one and fewer have not.
 */
#include "os_number.h"

#include "log.h"
#include "object.h"
#include "os_hash.h"

#define TWO_TO_63 9223372036854775808.0

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

OSNumber *
number_create_real(double real, uint32_t bits)
{
	OSNumber *number = object_create(OSNumber);
	struct OSNumber_IVars *ivars;

	if (number == NULL)
		return NULL;
	ivars = OSObjectIVars(OSNumber, number);
	ivars->real = real;
	ivars->bits = bits;
	ivars->is_real = true;
	return number;
}

/* Towards zero, to the nearest that there is; 0 for what is no number. */
static int64_t
round_to_integer(double real)
{
	if (real != real)
		return 0;
	if (real >= TWO_TO_63)
		return INT64_MAX;
	if (real < -TWO_TO_63)
		return INT64_MIN;
	return (int64_t)real;
}

uint64_t
OSNumberGetUInt64Value(const OSNumber *number)
{
	const struct OSNumber_IVars *ivars;

	if (number == NULL)
		return 0;
	ivars = OSObjectIVars(OSNumber, number);
	return ivars->is_real ? (uint64_t)round_to_integer(ivars->real) : ivars->value;
}

uint32_t
OSNumberGetBits(const OSNumber *number)
{
	return number == NULL ? 0 : OSObjectIVars(OSNumber, number)->bits;
}

bool
number_is_real(const OSNumber *number)
{
	return number != NULL && OSObjectIVars(OSNumber, number)->is_real;
}

double
number_get_real(const OSNumber *number)
{
	const struct OSNumber_IVars *ivars;

	if (number == NULL)
		return 0;
	ivars = OSObjectIVars(OSNumber, number);
	return ivars->is_real ? ivars->real : (double)(int64_t)ivars->value;
}

/* --- comparison --- */

static int
compare_reals(double one, double other)
{
	if (one != one || other != other)
		return (one == one) - (other == other);
	return (one > other) - (one < other);
}

/* Exact where the integer as a real would not be. */
static int
compare_mixed(int64_t one, double other)
{
	int64_t whole = round_to_integer(other);

	if (other != other || other < -TWO_TO_63)
		return 1;
	if (other >= TWO_TO_63)
		return -1;
	if (one != whole)
		return one > whole ? 1 : -1;
	return compare_reals((double)whole, other);
}

int
number_compare(const OSNumber *one, const OSNumber *other)
{
	const struct OSNumber_IVars *a = OSObjectIVars(OSNumber, one);
	const struct OSNumber_IVars *b = OSObjectIVars(OSNumber, other);
	int64_t left = (int64_t)a->value, right = (int64_t)b->value;

	if (a->is_real && b->is_real)
		return compare_reals(a->real, b->real);
	if (a->is_real)
		return -compare_mixed(right, a->real);
	if (b->is_real)
		return compare_mixed(left, b->real);
	return (left > right) - (left < right);
}

uint64_t
number_hash(const OSNumber *number)
{
	const struct OSNumber_IVars *ivars = OSObjectIVars(OSNumber, number);
	uint64_t value = OSNumberGetUInt64Value(number);

	if (!ivars->is_real || compare_mixed((int64_t)value, ivars->real) == 0)
		return hash_bytes(&value, sizeof(value));
	return ivars->real != ivars->real ? 1 : hash_bytes(&ivars->real, sizeof(ivars->real));
}
