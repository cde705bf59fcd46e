/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of the full screen, where there was no ncurses to build it with; see top.h. */
#include "top.h"

#include "dext.h"

int
top_screen(struct top *top, double interval, enum top_sort sort)
{
	(void)top;
	(void)interval;
	(void)sort;
	complain("top", "this dext was built without ncurses (install libncurses-dev and build it "
			"again); `dext top --batch` and `--once` need none");
	return DEXT_EXIT_ERROR;
}
