/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "bound_settings.h"
#include "bounds.h"
#include "places.h"

#define OF_ALL	  "DEXT_LIMIT_CONNECTIONS (DextLimitConnections: 256)"
#define OF_A_USER "DEXT_LIMIT_CONNECTIONS_USER (DextLimitConnectionsUser: 128)"

START_TEST(one_user_may_have_all)
{
	for (unsigned i = 0; i < DEXT_LIMIT_CONNECTIONS; i++)
		ck_assert_ptr_null(places_take(1000));
	ck_assert_str_eq(places_take(1000), OF_ALL);
	ck_assert_str_eq(places_take(1001), OF_ALL);
	places_give_back(1000);
	ck_assert_ptr_null(places_take(1001));
	ck_assert_uint_eq(places_taken(), DEXT_LIMIT_CONNECTIONS);
}
END_TEST

START_TEST(shared_places_are_not_all_ones)
{
	places_share();
	for (unsigned i = 0; i < DEXT_LIMIT_CONNECTIONS_USER; i++)
		ck_assert_ptr_null(places_take(1000));
	ck_assert_str_eq(places_take(1000), OF_A_USER);
	ck_assert_ptr_null(places_take(1001));
	/* Given back, it is anybody's again. */
	places_give_back(1000);
	ck_assert_ptr_null(places_take(1000));
	ck_assert_str_eq(places_take(1000), OF_A_USER);
	while (places_taken() > 1)
		places_give_back(1000);
	places_give_back(1001);
	ck_assert_uint_eq(places_taken(), 0);
}
END_TEST

START_TEST(every_place_may_be_of_another_user)
{
	places_share();
	for (unsigned i = 0; i < DEXT_LIMIT_CONNECTIONS; i++)
		ck_assert_ptr_null(places_take(i));
	ck_assert_str_eq(places_take(DEXT_LIMIT_CONNECTIONS), OF_ALL);
	for (unsigned i = 0; i < DEXT_LIMIT_CONNECTIONS; i++)
		places_give_back(i);
	ck_assert_uint_eq(places_taken(), 0);
}
END_TEST

static void
set_limits(uint64_t all, uint64_t of_a_user)
{
	OSDictionary *said = OSDictionaryCreate(2);

	OSDictionarySetUInt64Value(said, "DextLimitConnections", all);
	OSDictionarySetUInt64Value(said, "DextLimitConnectionsUser", of_a_user);
	limits_set(said);
	OSRelease(said);
}

START_TEST(a_bundle_may_have_more_or_fewer)
{
	places_share();
	set_limits(3, 2);
	ck_assert_ptr_null(places_take(1000));
	ck_assert_ptr_null(places_take(1000));
	ck_assert_str_eq(places_take(1000),
			 "DEXT_LIMIT_CONNECTIONS_USER (DextLimitConnectionsUser: 2)");
	ck_assert_ptr_null(places_take(1001));
	ck_assert_str_eq(places_take(1002), "DEXT_LIMIT_CONNECTIONS (DextLimitConnections: 3)");
	set_limits(LIMIT_CONNECTIONS_MOST, 2);
	for (uint32_t i = 3; i < LIMIT_CONNECTIONS_MOST; i++)
		ck_assert_ptr_null(places_take(2000 + i));
	ck_assert_str_eq(places_take(1002), "DEXT_LIMIT_CONNECTIONS (DextLimitConnections: 1024)");
}
END_TEST

UNIT_MAIN("places", one_user_may_have_all, shared_places_are_not_all_ones,
	  every_place_may_be_of_another_user, a_bundle_may_have_more_or_fewer)
