/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which number an FTDI chip wants for a baud rate. Pure arithmetic.
 *
 * The chips divide a clock by a whole number and a fraction in eighths. They differ in the clock,
 * in the fractions that they know, and in where the bits stand.
 */
#ifndef FTDI_BAUD_H
#define FTDI_BAUD_H

#include <stdbool.h>
#include <stdint.h>

enum chip {
	CHIP_SIO,  /* FT8U100AX: a table of ten rates */
	CHIP_AM,   /* FT8U232AM: 3 MHz, fractions of 0, 1/8, 1/4 and 1/2 */
	CHIP_BM,   /* FT232B, FT2232C, FT232R and the X series: 3 MHz, all eighths */
	CHIP_HIGH, /* FT2232H, FT4232H, FT232H: 12 MHz beside that of BM */
};

struct baud {
	uint32_t divisor; /* as the chip wants it: bits 0 to 15 in wValue, the others in wIndex */
	uint32_t actual;  /* bits a second, rounded */
};

/* False: the chip has no rate within 3 % of `rate`. */
bool baud_find(enum chip chip, uint32_t rate, struct baud *ret_baud);

#endif
