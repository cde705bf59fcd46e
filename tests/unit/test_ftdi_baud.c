/* SPDX-License-Identifier: Apache-2.0 */
/* Divisors of FTDI chips, against the tables of FTDI's application note on baud rates. */
#include "unit.h"

#include "baud.h"

struct row {
	enum chip chip;
	uint32_t rate, divisor, actual;
};

static void
check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct baud baud = {0};

		ck_assert_msg(baud_find(rows[i].chip, rows[i].rate, &baud), "%u baud",
			      rows[i].rate);
		ck_assert_msg(baud.divisor == rows[i].divisor && baud.actual == rows[i].actual,
			      "%u baud: 0x%x, %u", rows[i].rate, baud.divisor, baud.actual);
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows[0]))

START_TEST(bm_has_all_eighths)
{
	static const struct row rows[] = {
		{CHIP_BM, 300, 0x2710, 300},
		{CHIP_BM, 9600, 0x4138, 9600},
		{CHIP_BM, 19200, 0x809c, 19200},
		{CHIP_BM, 38400, 0xc04e, 38400},
		{CHIP_BM, 57600, 0xc034, 57554},
		{CHIP_BM, 115200, 0x001a, 115385},
		{CHIP_BM, 230400, 0x000d, 230769},
		{CHIP_BM, 460800, 0x4006, 461538},
		{CHIP_BM, 921600, 0x8003, 923077},
		{CHIP_BM, 31250, 0x0060, 31250},
		/* 3/8, 5/8, 6/8, 7/8: codes with a bit in wIndex */
		{CHIP_BM, 888889, 0x10003, 888889},
		{CHIP_BM, 827586, 0x14003, 827586},
		{CHIP_BM, 800000, 0x18003, 800000},
		{CHIP_BM, 774194, 0x1c003, 774194},
	};

	CHECK_ROWS(rows);
}
END_TEST

START_TEST(am_rounds_to_the_fractions_it_has)
{
	static const struct row rows[] = {
		{CHIP_AM, 9600, 0x4138, 9600},
		{CHIP_AM, 38400, 0xc04e, 38400},
		{CHIP_AM, 115200, 0x001a, 115385},
		{CHIP_AM, 230400, 0x000d, 230769},
		/* 52 5/8 becomes 52 1/2. */
		{CHIP_AM, 57007, 0x4034, 57143},
		/* 13 7/8 becomes 14. */
		{CHIP_AM, 216216, 0x000e, 214286},
	};

	CHECK_ROWS(rows);
}
END_TEST

START_TEST(high_speed_chips_take_the_fast_clock_where_its_divisor_fits)
{
	static const struct row rows[] = {
		{CHIP_HIGH, 9600, 0x204e2, 9600},	  {CHIP_HIGH, 115200, 0x2c068, 115246},
		{CHIP_HIGH, 12000000, 0x20000, 12000000}, {CHIP_HIGH, 8000000, 0x20001, 8000000},
		{CHIP_HIGH, 6000000, 0x20002, 6000000},	  {CHIP_HIGH, 300, 0x2710, 300},
	};

	CHECK_ROWS(rows);
}
END_TEST

START_TEST(one_and_one_and_a_half_have_codes_of_their_own)
{
	static const struct row rows[] = {
		{CHIP_BM, 3000000, 0, 3000000}, {CHIP_BM, 2000000, 1, 2000000},
		{CHIP_BM, 1500000, 2, 1500000}, {CHIP_AM, 3000000, 0, 3000000},
		{CHIP_AM, 1500000, 2, 1500000},
	};

	CHECK_ROWS(rows);
}
END_TEST

START_TEST(sio_has_a_table)
{
	static const struct row rows[] = {
		{CHIP_SIO, 300, 0, 300},
		{CHIP_SIO, 9600, 5, 9600},
		{CHIP_SIO, 115200, 9, 115200},
	};

	CHECK_ROWS(rows);
}
END_TEST

START_TEST(what_comes_no_nearer_than_3_percent_is_refused)
{
	static const struct {
		enum chip chip;
		uint32_t rate;
	} none[] = {
		{CHIP_SIO, 14400},     {CHIP_SIO, 230400},    {CHIP_AM, 2000000},
		{CHIP_BM, 2500000},    {CHIP_BM, 3100000},    {CHIP_BM, 0},
		{CHIP_BM, 177},	       {CHIP_HIGH, 10000000}, {CHIP_HIGH, 177},
		{CHIP_BM, UINT32_MAX}, {CHIP_HIGH, 12400000},
	};
	struct baud baud;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ck_assert_msg(!baud_find(none[i].chip, none[i].rate, &baud), "%u baud",
			      none[i].rate);
	/* The edges. */
	ck_assert(baud_find(CHIP_BM, 184, &baud));
	ck_assert(baud_find(CHIP_BM, 3090000, &baud));
	ck_assert(!baud_find(CHIP_BM, 3093000, &baud));
}
END_TEST

UNIT_MAIN("ftdi_baud", bm_has_all_eighths, am_rounds_to_the_fractions_it_has,
	  high_speed_chips_take_the_fast_clock_where_its_divisor_fits,
	  one_and_one_and_a_half_have_codes_of_their_own, sio_has_a_table,
	  what_comes_no_nearer_than_3_percent_is_refused)
