/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an app may ask for, and what a call needs that has more than scalars. By the thread that
 * scans.
 */
#include "calls_private.h"

#include "completion.h"
#include "os_data.h"

#define BROKEN(condition, rule)      \
	do {                         \
		if (condition)       \
			return rule; \
	} while (0)

const char *
call_broken_rule(const struct call_request *r)
{
	const uint16_t flags =
		CALL_ASYNC | CALL_LARGE_INPUT | CALL_LARGE_OUTPUT | CALL_VARIABLE_OUTPUT;
	bool large_in = r->flags & CALL_LARGE_INPUT, large_out = r->flags & CALL_LARGE_OUTPUT;

	BROKEN((r->generation & ~CALL_WAITER) == 0, "generation is not 0");
	BROKEN(r->operation < CALL_METHOD || r->operation > CALL_LISTEN,
	       "operation is a known one");
	BROKEN(r->flags & ~flags, "flags are known ones");
	BROKEN(r->zero[0] != 0 || r->zero[1] != 0, "zero is 0");
	BROKEN(r->scalar_in_count > DEXT_SCALARS_MAX || r->scalar_out_count > DEXT_SCALARS_MAX,
	       "at most 16 scalars each way");
	BROKEN((r->structure_in_size > DEXT_STRUCTURE_INLINE_MAX) != large_in ||
		       (r->structure_out_size > DEXT_STRUCTURE_INLINE_MAX) != large_out,
	       "structures up to 4096 bytes are inline, larger ones are memory");
	BROKEN((r->flags & CALL_VARIABLE_OUTPUT) &&
		       (!large_out || r->structure_out_size > DEXT_STRUCTURE_VARIABLE_MAX),
	       "a variable output is memory, at most 16 MiB");
	BROKEN((r->flags & CALL_ASYNC) && r->async_index >= DEXT_LIMIT_ASYNC,
	       "async_index is below 1024");
	if (r->operation == CALL_METHOD)
		return NULL;
	BROKEN(r->flags & ~(r->operation == CALL_LISTEN ? CALL_ASYNC : 0),
	       "flags are for methods, and CALL_ASYNC for CALL_LISTEN");
	BROKEN((r->structure_in_size != 0) != (r->operation == CALL_SET_PROPERTIES),
	       "an input structure is for methods, and is what properties are set from");
	BROKEN(r->structure_out_size != 0 || r->scalar_out_count != 0, "output is for methods");
	BROKEN(r->scalar_in_count != (r->operation == CALL_MAP ? 1 : 0),
	       "a map call has one scalar, others but methods none");
	return NULL;
}

IOReturn
call_copy_structure(struct call *call)
{
	size_t size = (size_t)call->request.structure_in_size;

	if (call->data == NULL)
		call->data = OSDataCreate(NULL, 0);
	if (call->data == NULL)
		return kIOReturnNoMemory;
	OSObjectIVars(OSData, call->data)->length = 0;
	return OSDataAppendBytes(call->data, call->connection->page.page->data[call->slot].input,
				 size)
		       ? kIOReturnSuccess
		       : kIOReturnNoMemory;
}

IOReturn
call_make_completion(struct call *call, const char **ret_rule)
{
	struct connection *c = call->connection;
	uint32_t index = call->request.async_index, generation = call->request.async_generation;
	IOReturn res;

	if (!connection_register(c, index, generation)) {
		*ret_rule = "async_index is one that was released";
		return kIOReturnIPCError;
	}
	if (call->client == NULL) {
		connection_registration_ended(c, index, generation);
		return kIOReturnOffline;
	}
	res = connection_is_full(c)
		      ? kIOReturnNoResources
		      : completion_create(call->client, c, index, generation, &call->completion);
	if (res == kIOReturnSuccess)
		connection_registered(c, index, call->completion);
	else
		connection_registration_ended(c, index, generation);
	return res;
}
