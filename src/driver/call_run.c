/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running calls, and their answers: what one scan has brought is a batch for each of the user
 * client's queues, and runs in the thread that found it if the queue is idle.
 *
 * No lock is held while a method runs.
 */
#include "calls_private.h"

#include <string.h>

#include "completion.h"
#include "descriptor.h"
#include "hang.h"
#include "log.h"
#include "object.h"
#include "os_data.h"
#include "record_client.h"
#include "service.h"
#include "set_properties.h"

/* --- the answer --- */

static void
let_go(struct call *call)
{
	OSSafeReleaseNULL(call->completion);
	OSSafeReleaseNULL(call->input);
	OSSafeReleaseNULL(call->output);
	OSSafeReleaseNULL(call->memory);
	if (object_is_shared(call->data))
		OSSafeReleaseNULL(call->data);
}

/*
 * All at once, just before the answer is published: the caller is looking at the first line of it,
 * and takes that from this CPU each time it does.
 */
static void
write_reply(struct call_reply *reply, const struct call *call, const struct call_reply *values)
{
	uint32_t scalars = values->scalar_out_count;

	memcpy(reply->scalars, call->scalars, scalars * sizeof(call->scalars[0]));
	reply->status = values->status;
	reply->scalar_out_count = scalars;
	reply->flags = values->flags;
	reply->structure_out_size = values->structure_out_size;
	reply->map_length = values->map_length;
	reply->map_read_only = values->map_read_only;
}

void
call_answer(struct call *call, IOReturn status, uint32_t scalars, uint64_t structure_size,
	    uint32_t flags)
{
	struct connection *c = call->connection;
	struct call_slot *slot = &c->page.page->slot[call->slot];
	uint32_t generation = call->generation;
	bool mapped = status == kIOReturnSuccess && call->memory != NULL;
	bool client = call->client != NULL;
	struct call_reply values;

	values.status = status;
	values.scalar_out_count = scalars;
	values.flags = flags;
	values.structure_out_size = structure_size;
	values.map_length = 0;
	if (mapped)
		IOMemoryDescriptor_GetLength(call->memory, &values.map_length);
	values.map_read_only = mapped && call->read_only;
	if (recorder_is_on())
		record_call_ended(call, &values);
	let_go(call);
	call->client = NULL;
	write_reply(&slot->reply, call, &values);
	/*
	 * Pairs with occupy. From here on the app may submit the slot again, which one that keeps
	 * the rules does only when it has the answer.
	 */
	atomic_store_explicit(&call->busy, false, memory_order_release);
	call_slot_answer(slot, generation);
	if (client)
		connection_leave_client(c);
	else
		connection_release(c);
}

/*
 * The output structure into the page, or into the room that the app made for one of any length.
 * kIOReturnBadArgument: too long.
 */
static IOReturn
give_structure(struct call *call, const IOUserClientMethodArguments *arguments, uint64_t *ret_size)
{
	size_t length = OSDataGetLength(arguments->structureOutput);
	IOUserClient *client = call->client;
	void *room = call->connection->page.page->data[call->slot].output;

	if (arguments->structureOutputDescriptor != NULL) {
		log_error("%s: method %llu: structureOutput set although there is a "
			  "structureOutputDescriptor",
			  OSObject_GetClassName(client), (unsigned long long)arguments->selector);
		return kIOReturnBadArgument;
	}
	if (length > call->request.structure_out_size) {
		log_error("%s: method %llu: structureOutput has %zu bytes, the caller has room for "
			  "%llu",
			  OSObject_GetClassName(client), (unsigned long long)arguments->selector,
			  length, (unsigned long long)call->request.structure_out_size);
		return kIOReturnBadArgument;
	}
	if (length > DEXT_STRUCTURE_INLINE_MAX)
		room = memory_address(call->output);
	if (room == NULL)
		return kIOReturnNoMemory;
	if (length > 0)
		memcpy(room, OSDataGetBytesPtr(arguments->structureOutput), length);
	*ret_size = length;
	return kIOReturnSuccess;
}

static void
answer_method(struct call *call, IOReturn res, const IOUserClientMethodArguments *arguments)
{
	uint64_t size =
		arguments->structureOutputDescriptor != NULL ? call->request.structure_out_size : 0;
	uint32_t flags = (object_is_shared(call->input) ? CALL_KEPT_INPUT : 0) |
			 (object_is_shared(call->output) ? CALL_KEPT_OUTPUT : 0);

	if (arguments->scalarOutputCount > call->request.scalar_out_count &&
	    res == kIOReturnSuccess) {
		log_error("%s: method %llu: %u scalars returned, the caller has room for %u",
			  OSObject_GetClassName(call->client),
			  (unsigned long long)arguments->selector, arguments->scalarOutputCount,
			  call->request.scalar_out_count);
		res = kIOReturnBadArgument;
	}
	if (arguments->structureOutput != NULL) {
		if (res == kIOReturnSuccess)
			res = give_structure(call, arguments, &size);
		OSRelease(arguments->structureOutput);
	}
	if (res == kIOReturnSuccess)
		call_answer(call, res, arguments->scalarOutputCount, size, flags);
	else
		call_answer(call, res, 0, 0, flags);
}

/* --- methods --- */

static void
run_method(struct call *call)
{
	struct connection *c = call->connection;
	const struct call_request *request = &call->request;
	IOUserClientMethodArguments arguments = {
		.version = kIOUserClientMethodArgumentsCurrentVersion,
		.selector = request->selector,
		.completion = call->completion,
		.scalarInput = request->scalars,
		.scalarInputCount = request->scalar_in_count,
		.structureInputDescriptor = call->input,
		.scalarOutput = call->scalars,
		.scalarOutputCount = request->scalar_out_count,
		.structureOutputDescriptor = call->output,
		.structureOutputMaximumSize = request->structure_out_size,
	};
	struct hang_mark mark;
	struct call *before;
	IOReturn res;
	bool held;

	/* Most methods take no longer than the line does. */
	call_slot_will_answer(&c->page.page->slot[call->slot]);
	/* The memory behind it is the library's business: the driver sets structureOutput. */
	if (request->flags & CALL_VARIABLE_OUTPUT) {
		arguments.structureOutputDescriptor = NULL;
		arguments.structureOutputMaximumSize = kIOUserClientVariableStructureSize;
	}

	if (request->structure_in_size > 0 && call->input == NULL)
		arguments.structureInput = call->data;
	memset(call->scalars, 0, sizeof(call->scalars));
	before = client_memory_serve(call);
	mark = hang_begin(OSObject_GetClassName(call->client), "ExternalMethod", request->selector);
	res = IOUserClient_ExternalMethod(call->client, request->selector, &arguments, NULL, NULL,
					  NULL);
	hang_end(mark);
	client_memory_serve(before);
	if (call->completion != NULL && res == kIOReturnSuccess)
		completion_promise(call->completion, request->selector);
	held = call->next == NULL && calls_hold(c);
	answer_method(call, res, &arguments);
	if (held)
		calls_look_after_hold(c);
}

static void
run_set_properties(struct call *call)
{
	IOReturn res = set_properties((IOService *)call->client, OSDataGetBytesPtr(call->data),
				      OSDataGetLength(call->data));

	call_answer(call, res, 0, 0, 0);
}

/* On the user client's queue. */
static void
execute(struct call *call)
{
	struct connection *c = call->connection;

	if (recorder_is_on())
		record_call_runs(call);
	if (connection_has_ended(c))
		call->status = kIOReturnOffline;
	else if (call->status == kIOReturnSuccess && completions_overrun(c))
		call->status = kIOReturnOverrun;
	if (call->status != kIOReturnSuccess) {
		call_answer(call, call->status, 0, 0, 0);
		return;
	}
	if (call->request.operation == CALL_METHOD)
		run_method(call);
	else if (call->request.operation == CALL_SET_PROPERTIES)
		run_set_properties(call);
	else if (call->request.operation == CALL_MAP)
		maps_map(call);
	else if (call->request.operation == CALL_UNMAP)
		maps_unmap(call);
	else
		queues_listen(call);
}

/* --- batches --- */

static void
run_batch(struct work *work)
{
	struct call *call = call_of(work), *next;

	for (; call != NULL; call = next) {
		next = call->next;
		execute(call);
	}
}

/* Without a queue, which would have told the loop. */
static void
run_batch_here(struct work *work)
{
	struct loop *loop = call_of(work)->connection->loop;

	loop_will_block(loop);
	run_batch(work);
	loop_did_block(loop);
}

static void
drop_batch(struct work *work)
{
	struct call *call = call_of(work);

	while (call != NULL) {
		struct call *next = call->next;

		call_answer(call, kIOReturnOffline, 0, 0, 0);
		call = next;
	}
}

/* Puts the batch on its queue, or runs it here if that is idle and `here`. Takes the queue. */
static void
start(struct batch *batch, IODispatchQueue *queue, bool here)
{
	struct work *work;

	if (batch->first == NULL) {
		OSRelease(queue);
		return;
	}
	work = &batch->first->work;
	*work = (struct work){.run = run_batch, .dropped = drop_batch};
	if (queue == NULL) {
		run_batch_here(work);
	} else if (here) {
		queue_run_take(queue, work);
	} else {
		queue_post(queue, work);
		OSRelease(queue);
	}
}

/* What came too late for the user client is answered here. */
static void
start_mixed(struct call *list, const struct queues *queues)
{
	struct batch methods = {.first = NULL}, others = {.first = NULL};
	struct call *next;

	for (; list != NULL; list = next) {
		next = list->next;
		if (list->client == NULL)
			call_answer(list, kIOReturnOffline, 0, 0, 0);
		else if (list->request.operation == CALL_METHOD ||
			 queues->others == queues->methods)
			batch_append(&methods, list);
		else
			batch_append(&others, list);
	}
	if (queues->others != queues->methods)
		start(&others, queues->others, methods.first == NULL);
	start(&methods, queues->methods, true);
}

void
calls_start(struct batch *batch, const struct queues *queues)
{
	if (batch->mixed) {
		start_mixed(batch->first, queues);
		return;
	}
	if (queues->others != queues->methods)
		OSRelease(queues->others);
	start(batch, queues->methods, true);
}
