/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress bar: one line, rewritten in place. The rate is that of the last two seconds or so
 * (an exponential mean), since the mean over all would hide that a device has stopped.
 */
#include "progress.h"

#include "transfer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEP_NSEC 100000000u
#define WIDTH	  24
#define SMOOTHING 0.1 /* weight of a new step of 0.1 s */

static struct {
	int terminal; /* 0: not asked yet, 1: yes, -1: no */
	bool drawn;
	uint64_t at; /* ns, of the last drawing */
	uint64_t bytes;
	double rate;
} bar;

static void
draw(const struct transfer *transfer)
{
	char cells[WIDTH + 1];
	uint64_t left = transfer->expected - transfer->bytes;
	double part;
	unsigned full;

	fprintf(stderr, "\r\033[K%s", transfer_amount((double)transfer->bytes));
	if (transfer->expected != UINT64_MAX && transfer->expected != 0) {
		part = (double)transfer->bytes / (double)transfer->expected;
		part = part > 1 ? 1 : part;
		full = (unsigned)(part * WIDTH);
		memset(cells, '.', WIDTH);
		memset(cells, '#', full);
		cells[WIDTH] = '\0';
		fprintf(stderr, " of %s [%s] %3.0f %%", transfer_amount((double)transfer->expected),
			cells, part * 100);
	}
	fprintf(stderr, ", %s/s", transfer_amount(bar.rate));
	if (transfer->expected != UINT64_MAX && bar.rate > 0 &&
	    transfer->bytes <= transfer->expected) {
		unsigned long seconds = (unsigned long)((double)left / bar.rate + 0.5);

		fprintf(stderr, ", %lu:%02lu left", seconds / 60, seconds % 60);
	}
	fflush(stderr);
	bar.drawn = true;
}

void
progress_show(const struct transfer *transfer)
{
	uint64_t now = transfer_now();
	double rate;

	if (bar.terminal == 0)
		bar.terminal = isatty(STDERR_FILENO) ? 1 : -1;
	if (bar.terminal < 0 || now - bar.at < STEP_NSEC)
		return;
	if (bar.at != 0) {
		rate = (double)(transfer->bytes - bar.bytes) / ((double)(now - bar.at) / 1e9);
		bar.rate = bar.rate == 0 ? rate : bar.rate + SMOOTHING * (rate - bar.rate);
		draw(transfer);
	}
	bar.at = now;
	bar.bytes = transfer->bytes;
}

void
progress_clear(void)
{
	if (!bar.drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	bar.drawn = false;
}
