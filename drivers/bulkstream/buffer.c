/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers: memory type i of an app, and the transfer that it is part of.
 *
 * The memory is made when it is first mapped or used, so that an app may configure 4096 buffers and
 * pay for those that it touches. It stays the same object until the app has gone. The list is an
 * ordinary singly linked queue; a buffer is in at most one list at a time, which its state tells.
 */
#include "stream.h"

void
list_append(struct buffer_list *list, struct buffer *buffer)
{
	buffer->next = NULL;
	if (list->last != NULL)
		list->last->next = buffer;
	else
		list->first = buffer;
	list->last = buffer;
	list->count++;
}

void
list_prepend(struct buffer_list *list, struct buffer *buffer)
{
	buffer->next = list->first;
	list->first = buffer;
	if (list->last == NULL)
		list->last = buffer;
	list->count++;
}

struct buffer *
list_take(struct buffer_list *list)
{
	struct buffer *buffer = list->first;

	if (buffer == NULL)
		return NULL;
	list->first = buffer->next;
	if (list->first == NULL)
		list->last = NULL;
	list->count--;
	buffer->next = NULL;
	return buffer;
}

static bool
has_room(const struct client *client)
{
	return client->statistics.values->buffers < BUFFERS_KEPT ||
	       client->driver->totals.values->buffers < BUFFERS_SHARED;
}

kern_return_t
buffer_prepare(struct buffer *buffer)
{
	struct client *client = buffer->client;
	kern_return_t status;

	if (buffer->memory != NULL)
		return kIOReturnSuccess;
	if (!has_room(client)) {
		os_log_error(OS_LOG_DEFAULT,
			     "no memory for buffer %u: the apps together have %u buffers with "
			     "memory (BUFFERS_SHARED)",
			     buffer->index, BUFFERS_SHARED);
		return kIOReturnNoResources;
	}
	status = IOUSBHostInterface_CreateIOBuffer(client->driver->interface,
						   kIOMemoryDirectionInOut, client->buffer_size,
						   &buffer->memory);
	if (status != kIOReturnSuccess) {
		os_log_error(OS_LOG_DEFAULT, "no memory for buffer %u of %u bytes: 0x%08x",
			     buffer->index, client->buffer_size, (unsigned)status);
		return status;
	}
	statistics_add(client, buffers, 1);
	return kIOReturnSuccess;
}

kern_return_t
buffer_copy_view(struct buffer *buffer, uint32_t offset, uint32_t length,
		 IOMemoryDescriptor **ret_memory)
{
	IOMemoryDescriptor *whole = (IOMemoryDescriptor *)buffer->memory;

	if (offset != 0)
		return IOMemoryDescriptor_CreateSubMemoryDescriptor(kIOMemoryDirectionInOut, offset,
								    length, whole, ret_memory);
	OSRetain(whole);
	*ret_memory = whole;
	return kIOReturnSuccess;
}

void
buffer_release(struct buffer *buffer)
{
	if (buffer->memory != NULL)
		statistics_add(buffer->client, buffers, -1);
	OSSafeReleaseNULL(buffer->memory);
	OSSafeReleaseNULL(buffer->action);
}
