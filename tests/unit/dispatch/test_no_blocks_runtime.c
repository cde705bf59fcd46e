/* SPDX-License-Identifier: Apache-2.0 */
#include <dispatch/dispatch.h>

#include "unit.h"

/* As a compiler without blocks knows it. */
void dispatch_async(dispatch_queue_t queue, void *block);

static void
use_a_block(void *context)
{
	static void *block[4];

	dispatch_async(dispatch_get_global_queue(0, 0), block);
}

START_TEST(without_a_runtime_it_says_so)
{
	char text[1024];

	ck_assert(unit_killed_by(unit_child(use_a_block, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "-lBlocksRuntime"));
}
END_TEST

UNIT_MAIN("no_blocks_runtime", without_a_runtime_it_says_so)
