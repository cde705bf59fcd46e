/* SPDX-License-Identifier: Apache-2.0 */
#include <IOKit/IOKitLib.h>

#include "other_dispatch.h"
#include "unit.h"

/* The queue is the other library's: libiokit must not look inside, nor use its own functions. */
START_TEST(libiokit_calls_the_library_that_is_first)
{
	IONotificationPortRef notify = IONotificationPortCreate(MACH_PORT_NULL);
	static int queue;

	IONotificationPortSetDispatchQueue(notify, (dispatch_queue_t)(void *)&queue);
	ck_assert_uint_eq(other_retains, 1);
	ck_assert_uint_eq(other_releases, 0);
	IONotificationPortSetDispatchQueue(notify, NULL);
	ck_assert_uint_eq(other_releases, 1);
	IONotificationPortDestroy(notify);
}
END_TEST

UNIT_MAIN("other_dispatch", libiokit_calls_the_library_that_is_first)
