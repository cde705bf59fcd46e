/* SPDX-License-Identifier: Apache-2.0 */
/* IODispatchQueue's functions with blocks, over those with functions. */
#include "block.h"
#include "queue_private.h"

/* As a compiler without blocks knows them. */
DEXT_BEGIN_DECLS

void IODispatchQueue_DispatchAsync(IODispatchQueue *queue, struct block *block);
void IODispatchQueue_DispatchSync(IODispatchQueue *queue, struct block *block);
void IODispatchQueue_DispatchConcurrent(IODispatchQueue *queue, struct block *block);
kern_return_t IODispatchQueue_Cancel(IODispatchQueue *queue, struct block *handler);

DEXT_END_DECLS

static void
drop(void *block)
{
	block_release(block);
}

void
IODispatchQueue_DispatchAsync(IODispatchQueue *queue, struct block *block)
{
	static const char call[] = "DispatchAsync";

	queue_append_call(queue, false, block_copy(block, call), block_run_and_release, drop, call);
}

void
IODispatchQueue_DispatchSync(IODispatchQueue *queue, struct block *block)
{
	IODispatchQueue_DispatchSync_f(queue, block, block_run);
}

void
IODispatchQueue_DispatchConcurrent(IODispatchQueue *queue, struct block *block)
{
	static const char call[] = "DispatchConcurrent";

	queue_append_call(queue, true, block_copy(block, call), block_run_and_release, drop, call);
}

kern_return_t
IODispatchQueue_Cancel(IODispatchQueue *queue, struct block *handler)
{
	struct block *copy = NULL;
	kern_return_t res;

	if (handler == NULL)
		return IODispatchQueue_Cancel_f(queue, NULL, NULL);
	copy = block_copy(handler, "Cancel");
	res = IODispatchQueue_Cancel_f(queue, copy, block_run_and_release);
	if (res != kIOReturnSuccess)
		block_release(copy);
	return res;
}
