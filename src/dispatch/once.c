/* SPDX-License-Identifier: Apache-2.0 */
/* Once: the predicate is the state of base's. */
#include "once.h"

#include "dispatch_object.h"

void
dispatch_once_f(dispatch_once_t *predicate, void *context, dispatch_function_t function)
{
	if (once_try(predicate, context, function))
		return;
	engine_will_block();
	once_wait(predicate);
	engine_did_block();
}
