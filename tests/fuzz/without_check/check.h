/* SPDX-License-Identifier: Apache-2.0 */
/* The fixtures of other tests, where Check does not run: what they assert must be so. */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

#include "../fuzz.h"

#define ck_assert(condition)	      FUZZ_CHECK(condition)
#define ck_assert_msg(condition, ...) FUZZ_CHECK(condition)
#define ck_assert_int_eq(one, other)  FUZZ_CHECK((one) == (other))
#define ck_assert_uint_eq(one, other) FUZZ_CHECK((one) == (other))
#define ck_assert_int_ge(one, other)  FUZZ_CHECK((one) >= (other))
#define ck_assert_uint_le(one, other) FUZZ_CHECK((one) <= (other))
#define ck_assert_ptr_ne(one, other)  FUZZ_CHECK((one) != (other))
#define ck_assert_ptr_nonnull(one)    FUZZ_CHECK((one) != NULL)

#endif
