/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "bound_settings.h"
#include "bounds.h"

static OSDictionary *
with(const char *key, uint64_t value)
{
	OSDictionary *dictionary = OSDictionaryCreate(1);

	ck_assert(OSDictionarySetUInt64Value(dictionary, key, value));
	return dictionary;
}

START_TEST(each_is_the_usual_one_or_what_was_said)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		const struct limit_setting *setting = &limit_settings[i];
		const uint64_t good[] = {1, setting->usual, setting->most};
		const uint64_t bad[] = {0, setting->most + 1, UINT64_MAX};

		ck_assert_uint_le(setting->usual, setting->most);
		ck_assert_uint_eq(limit_in((enum limit)i, NULL), setting->usual);
		for (unsigned k = 0; k < 3; k++) {
			OSDictionary *said = with(setting->key, good[k]);

			ck_assert_uint_eq(limit_in((enum limit)i, said), good[k]);
			OSRelease(said);
			said = with(setting->key, bad[k]);
			ck_assert_uint_eq(limit_in((enum limit)i, said), setting->usual);
			OSRelease(said);
		}
	}
}
END_TEST

START_TEST(the_process_has_its_own)
{
	OSDictionary *said = with("DextLimitBuffersClient", 3);

	ck_assert_uint_eq(limit_of(LIMIT_BUFFERS_CLIENT), DEXT_LIMIT_BUFFERS_CLIENT);
	limits_set(said);
	ck_assert_uint_eq(limit_of(LIMIT_BUFFERS_CLIENT), 3);
	ck_assert_str_eq(limit_named(LIMIT_BUFFERS_CLIENT),
			 "DEXT_LIMIT_BUFFERS_CLIENT (DextLimitBuffersClient: 3)");
	ck_assert_uint_eq(limit_of(LIMIT_CONNECTIONS), DEXT_LIMIT_CONNECTIONS);
	OSRelease(said);
	limits_set(NULL);
	ck_assert_uint_eq(limit_of(LIMIT_BUFFERS_CLIENT), DEXT_LIMIT_BUFFERS_CLIENT);
}
END_TEST

UNIT_MAIN("bound_settings", each_is_the_usual_one_or_what_was_said, the_process_has_its_own)
