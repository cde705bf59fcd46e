/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the place of bulkstream's ring.c: the driver as it was before it had one, for what apps do
 * then.
 */
#include "../../../../drivers/bulkstream/stream.h"

uint32_t
ring_entries(const struct client *client)
{
	return 0;
}

kern_return_t
ring_copy_memory(struct client *client, IOMemoryDescriptor **ret_memory)
{
	return kIOReturnUnsupported;
}

void
ring_take(struct client *client)
{
}

bool
ring_is_full(const struct client *client)
{
	return false;
}

void
ring_completed(struct client *client, const struct dext_bulkstream_completion *completion)
{
}

void
ring_stop(struct client *client)
{
}

void
ring_free(struct client *client)
{
}
