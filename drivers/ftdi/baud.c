/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Baud rates to divisors; see baud.h.
 *
 * A divisor is counted in eighths here. The chip takes the whole part in bits 0 to 13 and a code of
 * the fraction in bits 14 to 16. Two divisors have codes of their own, since a whole part of 0 has
 * no other use: 1 is written 0 and, from BM on, 1 1/2 is written 1. There is nothing between 1 and
 * 2 but that, and nothing below 1.
 */
#include "baud.h"

#include <stddef.h>

#define EIGHTHS	    8u
#define WHOLE_MAX   0x3fffu
#define CLOCK_LOW   3000000u  /* Hz */
#define CLOCK_HIGH  12000000u /* Hz */
#define SELECT_HIGH 0x20000u  /* divides the high clock */
#define PERCENT_OFF 3u

/* The code of each eighth. */
static const uint8_t fraction_codes[EIGHTHS] = {0, 3, 2, 4, 1, 5, 6, 7};

static const uint32_t sio_rates[] = {300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200};

static uint64_t
divide_rounded(uint64_t dividend, uint64_t divisor)
{
	return (dividend + divisor / 2) / divisor;
}

/* AM has no 3, 5, 6 and 7 eighths: the nearest that it has; of two, the larger divisor. */
static uint64_t
round_for_am(uint64_t eighths)
{
	static const uint8_t nearest[EIGHTHS] = {0, 1, 2, 4, 4, 4, 8, 8};

	return eighths - eighths % EIGHTHS + nearest[eighths % EIGHTHS];
}

/* What the chip can divide by that is nearest. */
static uint64_t
round_low(enum chip chip, uint64_t eighths)
{
	if (chip == CHIP_AM)
		eighths = round_for_am(eighths);
	if (eighths >= 2 * EIGHTHS)
		return eighths;
	if (chip == CHIP_AM)
		return eighths < 12 ? EIGHTHS : 2 * EIGHTHS;
	if (eighths < 10)
		return EIGHTHS;
	return eighths < 14 ? 12 : 2 * EIGHTHS;
}

static uint32_t
encode(uint64_t eighths)
{
	if (eighths == EIGHTHS)
		return 0;
	if (eighths == 12)
		return 1;
	return (uint32_t)(eighths / EIGHTHS) | (uint32_t)fraction_codes[eighths % EIGHTHS] << 14;
}

static bool
is_near(uint32_t rate, uint32_t actual)
{
	uint64_t off = rate > actual ? rate - actual : actual - rate;

	return off * 100 <= (uint64_t)rate * PERCENT_OFF;
}

static bool
divide(enum chip chip, uint32_t clock, uint32_t rate, struct baud *ret_baud)
{
	uint64_t eighths = round_low(chip, divide_rounded((uint64_t)clock * EIGHTHS, rate));
	uint32_t actual = (uint32_t)divide_rounded((uint64_t)clock * EIGHTHS, eighths);

	if (eighths / EIGHTHS > WHOLE_MAX || !is_near(rate, actual))
		return false;
	*ret_baud = (struct baud){encode(eighths), actual};
	return true;
}

static bool
look_up(uint32_t rate, struct baud *ret_baud)
{
	for (size_t i = 0; i < sizeof(sio_rates) / sizeof(sio_rates[0]); i++) {
		if (!is_near(rate, sio_rates[i]))
			continue;
		*ret_baud = (struct baud){(uint32_t)i, sio_rates[i]};
		return true;
	}
	return false;
}

bool
baud_find(enum chip chip, uint32_t rate, struct baud *ret_baud)
{
	if (rate == 0)
		return false;
	if (chip == CHIP_SIO)
		return look_up(rate, ret_baud);
	/* The high clock divides finer; below 733 baud its divisor would not fit. */
	if (chip == CHIP_HIGH && divide(chip, CLOCK_HIGH, rate, ret_baud)) {
		ret_baud->divisor |= SELECT_HIGH;
		return true;
	}
	return divide(chip, CLOCK_LOW, rate, ret_baud);
}
