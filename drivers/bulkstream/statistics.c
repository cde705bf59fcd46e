/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live figures, in memory that apps map read-only: one structure for each app and one for all.
 *
 * The driver's queue is the only writer. An app reads while we write, so each field is stored whole
 * (relaxed: a field stands for itself, and pairs with nothing). "copied" is the framework's own
 * count, which it exists to keep at 0; this driver copies nothing.
 */
#include "stream.h"

#include <DriverKit/dext_memory.h>

void
statistics_store(uint64_t *field, uint64_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELAXED);
}

void
statistics_bump(uint64_t *field, int64_t amount)
{
	statistics_store(field, *field + (uint64_t)amount);
}

kern_return_t
statistics_create(struct statistics *statistics)
{
	IOAddressSegment range = {0};
	kern_return_t status;

	status = IOBufferMemoryDescriptor_Create(
		kIOMemoryDirectionInOut, sizeof(*statistics->values), 0, &statistics->memory);
	if (status != kIOReturnSuccess)
		return status;
	status = IOBufferMemoryDescriptor_GetAddressRange(statistics->memory, &range);
	if (status != kIOReturnSuccess) {
		OSSafeReleaseNULL(statistics->memory);
		return status;
	}
	statistics->values = (struct dext_bulkstream_statistics *)(uintptr_t)range.address;
	statistics_store(&statistics->values->size, sizeof(*statistics->values));
	return kIOReturnSuccess;
}

void
statistics_free(struct statistics *statistics)
{
	statistics->values = NULL;
	OSSafeReleaseNULL(statistics->memory);
}

void
statistics_completed(const struct buffer *buffer, IOReturn status, uint64_t waited_for)
{
	struct client *client = buffer->client;
	unsigned way = buffer->direction;
	uint64_t *most = &client->statistics.values->direction[way].waited_for_max;
	uint64_t *most_of_all = &client->driver->totals.values->direction[way].waited_for_max;

	statistics_add(client, direction[way].bytes, buffer->moved);
	statistics_store(&client->statistics.values->copied, dext_bytes_copied());
	statistics_store(&client->driver->totals.values->copied, dext_bytes_copied());
	if (status == kIOReturnSuccess)
		statistics_add(client, direction[way].transfers, 1);
	else if (status == kIOReturnAborted)
		statistics_add(client, direction[way].aborted, 1);
	else
		statistics_add(client, direction[way].errors, 1);
	if (!buffer->alone)
		return;
	if (waited_for > *most)
		statistics_store(most, waited_for);
	if (waited_for > *most_of_all)
		statistics_store(most_of_all, waited_for);
}
