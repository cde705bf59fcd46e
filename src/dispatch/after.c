/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch_after: a timer of the loop, which puts the call on its queue. Any thread. */
#include <stdlib.h>

#include "dispatch_object.h"
#include "log.h"

struct after {
	struct loop_timer timer;
	dispatch_queue_t queue; /* +1 */
	void *context;
	dispatch_function_t function;
};

static void
fired(struct loop_timer *timer)
{
	struct after *after = (struct after *)timer;

	dispatch_async_f(after->queue, after->context, after->function);
	dispatch_release(after->queue);
	free(after);
}

void
dispatch_after_f(dispatch_time_t when, dispatch_queue_t queue, void *context,
		 dispatch_function_t function)
{
	struct after *after;

	if (when == DISPATCH_TIME_NOW) {
		dispatch_async_f(queue, context, function);
		return;
	}
	queue_of(queue, "dispatch_after");
	if (when == DISPATCH_TIME_FOREVER) {
		log_error("dispatch_after: for ever is never, the call is dropped");
		return;
	}
	after = malloc(sizeof(*after));
	if (after == NULL)
		log_abort("dispatch_after: out of memory");
	*after = (struct after){.timer.fired = fired, .queue = queue};
	after->context = context;
	after->function = function;
	dispatch_retain(queue);
	loop_timer_arm(engine_loop(), &after->timer, time_deadline(when));
}
