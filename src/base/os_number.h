/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of OSNumber, for the CoreFoundation face of it, which has signs and reals as well: an
 * integer of 64 bits is signed for it, and a real is a number that a driver sees rounded to zero.
 */
#ifndef BASE_OS_NUMBER_H
#define BASE_OS_NUMBER_H

#include <DriverKit/OSCollections.h>

struct OSNumber_IVars {
	uint64_t value; /* [const] of an integer; bits above `bits` are 0 */
	double real;	/* [const] of a real */
	uint32_t bits;	/* [const] 1 to 64; of a real 32 or 64 */
	bool is_real;	/* [const] */
};

/* bits: 32 or 64, what it was made from. */
OSNumber *number_create_real(double real, uint32_t bits);
bool number_is_real(const OSNumber *number);
/* An integer as the nearest real. */
double number_get_real(const OSNumber *number);
/* Below 0, 0 or above 0, by value: 5 is 5.0. NaN is equal to itself and less than all others. */
int number_compare(const OSNumber *one, const OSNumber *other);
uint64_t number_hash(const OSNumber *number);

#endif
