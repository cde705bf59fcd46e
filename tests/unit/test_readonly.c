/* SPDX-License-Identifier: Apache-2.0 */
#include "readonly.h"
#include "unit.h"

static char memory[3][4096];

START_TEST(ranges_come_and_go)
{
	ck_assert(!readonly_contains(NULL));
	ck_assert(!readonly_contains(memory[1]));
	readonly_add(memory[1], sizeof(memory[1]));
	ck_assert(readonly_contains(memory[1]));
	ck_assert(readonly_contains(memory[1] + 4095));
	ck_assert(!readonly_contains(memory[1] - 1));
	ck_assert(!readonly_contains(memory[1] + 4096));
	ck_assert(!readonly_contains(NULL));
	readonly_remove(memory[0]);
	ck_assert(readonly_contains(memory[1]));
	readonly_remove(memory[1]);
	ck_assert(!readonly_contains(memory[1]));
}
END_TEST

START_TEST(a_full_table_forgets)
{
	for (unsigned i = 0; i < 1000; i++)
		readonly_add(memory[0] + i, 1);
	ck_assert(readonly_contains(memory[0]));
	ck_assert(!readonly_contains(memory[0] + 999));
	for (unsigned i = 0; i < 1000; i++)
		readonly_remove(memory[0] + i);
	ck_assert(!readonly_contains(memory[0]));
	readonly_add(memory[2], 1);
	ck_assert(readonly_contains(memory[2]));
}
END_TEST

UNIT_MAIN("readonly", ranges_come_and_go, a_full_table_forgets)
