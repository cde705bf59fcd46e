/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls: from the doorbell to the answer.
 *
 * One thread scans a connection at a time; another that is woken for it leaves word. What the
 * scanner takes it copies out of the page, checks, and prepares completely (structures,
 * completion), so that nothing is read from shared memory after that. Then it arms the page, looks
 * once more, stops being the scanner, and only then runs the calls: as one batch for each of the
 * user client's queues, in its own thread if the queue is idle.
 *
 * An app on the same CPU often runs as soon as it is answered, before this thread has gone to
 * sleep, and would wake another one for its next call. So this thread holds the page for the time
 * from the last method's return until it has looked once more.
 *
 * A slot is busy from the moment its bit was seen until just before its answer is published, since
 * the app may use it again at once after that. Nothing is allocated for a call with scalars or
 * inline structures, but for what the driver keeps.
 *
 * No lock is held while a method runs.
 */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "completion.h"
#include "descriptor.h"
#include "hang.h"
#include "log.h"
#include "object.h"
#include "os_data.h"
#include "record_client.h"
#include "service.h"
#include "set_properties.h"
#include "status.h"

#define SCAN_ROUNDS_MAX (4 * CALL_PAGE_SLOTS)

#define BROKEN(condition, rule)      \
	do {                         \
		if (condition)       \
			return rule; \
	} while (0)

/* One thread at a time scans. */
enum scan_state {
	SCAN_NOBODY,
	SCAN_ONE,
	SCAN_AGAIN, /* and must look once more */
};

struct batch {
	struct call *first;
	struct call **end;
	bool mixed; /* also calls that are no methods, or came too late for the user client */
};

struct queues {
	IODispatchQueue *methods, *others;
};

void
calls_init(struct connection *c)
{
	for (uint32_t i = 0; i < CALL_PAGE_SLOTS; i++) {
		c->calls[i].connection = c;
		c->calls[i].slot = i;
	}
}

void
calls_free(struct connection *c)
{
	for (uint32_t i = 0; i < CALL_PAGE_SLOTS; i++)
		OSSafeReleaseNULL(c->calls[i].data);
	OSSafeReleaseNULL(c->queues.methods);
	OSSafeReleaseNULL(c->queues.others);
}

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

/* --- who scans --- */

/* False: another thread scans, and will look once more; or the app has gone. */
static bool
enter(struct connection *c)
{
	uint32_t state = SCAN_NOBODY;

	/* Each pairs with leave: the scanners see what those before them did, and a scanner that is
	 * told to look again sees what for. */
	while (!atomic_compare_exchange_weak_explicit(&c->scan, &state,
						      state == SCAN_NOBODY ? SCAN_ONE : SCAN_AGAIN,
						      memory_order_acq_rel, memory_order_relaxed))
		;
	if (state != SCAN_NOBODY)
		return false;
	if (!atomic_load_explicit(&c->gone, memory_order_relaxed))
		return true;
	atomic_store_explicit(&c->scan, SCAN_NOBODY, memory_order_release);
	return false;
}

/* False: look once more. */
static bool
leave(struct connection *c)
{
	uint32_t state = SCAN_ONE;

	if (atomic_compare_exchange_strong_explicit(&c->scan, &state, SCAN_NOBODY,
						    memory_order_acq_rel, memory_order_relaxed))
		return true;
	if (atomic_load_explicit(&c->gone, memory_order_relaxed)) {
		atomic_store_explicit(&c->scan, SCAN_NOBODY, memory_order_release);
		return true;
	}
	/* Pairs with the exchange in enter, which said so. */
	atomic_exchange_explicit(&c->scan, SCAN_ONE, memory_order_acq_rel);
	return false;
}

/*
 * Before the last answer of a batch, if the app runs on this CPU, where the answer may put it in
 * this thread's place at once: then its next call is found by this thread, and no other one is
 * woken for it. True: look_after_hold is due right after the answer.
 */
static bool
hold(struct connection *c)
{
	/* Relaxed: holding is never needed. */
	if (atomic_load_explicit(&c->hot, memory_order_relaxed) || call_page_can_spin(&c->page) ||
	    queue_innermost() == NULL || !enter(c))
		return false;
	call_page_hold(&c->page);
	connection_retain(c);
	/* Who wants this thread to look once more gets that, after the answer. */
	while (!leave(c))
		;
	return true;
}

/* --- running --- */

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

static void look_after_hold(struct connection *c);

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
	held = call->next == NULL && hold(c);
	answer_method(call, res, &arguments);
	if (held)
		look_after_hold(c);
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

static void
append(struct batch *batch, struct call *call)
{
	if (batch->first == NULL)
		batch->end = &batch->first;
	call->next = NULL;
	*batch->end = call;
	batch->end = &call->next;
	batch->mixed |= call->client == NULL || call->request.operation != CALL_METHOD;
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

/* The user client's queues, +1 each; `others` is NULL if it is the same. By the scanner. */
static void
copy_queues(struct connection *c, const struct call *list, struct queues *ret_queues)
{
	uint64_t epoch = queues_epoch();

	while (list != NULL && list->client == NULL)
		list = list->next;
	if (list == NULL)
		return;
	if (c->queues.epoch != epoch) {
		OSSafeReleaseNULL(c->queues.methods);
		OSSafeReleaseNULL(c->queues.others);
		c->queues.methods = service_copy_queue((IOService *)list->client, true);
		c->queues.others = service_copy_queue((IOService *)list->client, false);
		c->queues.epoch = epoch;
	}
	ret_queues->methods = c->queues.methods;
	ret_queues->others = c->queues.others;
	OSRetain(ret_queues->methods);
	if (ret_queues->others != ret_queues->methods)
		OSRetain(ret_queues->others);
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
			append(&methods, list);
		else
			append(&others, list);
	}
	if (queues->others != queues->methods)
		start(&others, queues->others, methods.first == NULL);
	start(&methods, queues->methods, true);
}

/*
 * Methods on their queue, the others on the Default one; nothing waits for a method's end. Releases
 * the queues.
 */
static void
start_all(struct batch *batch, const struct queues *queues)
{
	if (batch->mixed) {
		start_mixed(batch->first, queues);
		return;
	}
	if (queues->others != queues->methods)
		OSRelease(queues->others);
	start(batch, queues->methods, true);
}

/* --- scanning --- */

/* The rule of PROTOCOL.md, "Call page", that the request breaks, or NULL. */
static const char *
broken_rule(const struct call_request *r)
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

/* The inline input structure, into the slot's own object if nobody has kept it. */
static IOReturn
copy_structure(struct call *call)
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

static IOReturn
make_completion(struct call *call, const char **ret_rule)
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

/* Everything that the call needs from the app. A rule that was broken, or NULL. */
static const char *
prepare(struct call *call)
{
	const struct call_request *from = &call->connection->page.page->slot[call->slot].request;
	struct call_request *request = &call->request;
	const char *rule;

	memcpy(request, from, offsetof(struct call_request, scalars));
	/* The copy is what is checked: no read of the page may be repeated after this line. */
	__asm__ volatile("" ::: "memory");
	call->generation = request->generation & ~CALL_WAITER;
	call->status = call->client == NULL ? kIOReturnOffline : kIOReturnSuccess;
	rule = broken_rule(request);
	if (rule != NULL)
		return rule;
	memcpy(request->scalars, from->scalars,
	       request->scalar_in_count * sizeof(from->scalars[0]));
	__asm__ volatile("" ::: "memory");
	if (recorder_is_on())
		record_call_began(call);
	if (request->flags & (CALL_LARGE_INPUT | CALL_LARGE_OUTPUT))
		call->status = structures_take(call, call->status, &rule);
	if (rule == NULL && request->structure_in_size > 0 &&
	    !(request->flags & CALL_LARGE_INPUT) && call->status == kIOReturnSuccess)
		call->status = copy_structure(call);
	/* Also for a call that fails already: its registration ends when the answer lets go. */
	if (rule == NULL && (request->flags & CALL_ASYNC)) {
		IOReturn res = make_completion(call, &rule);

		if (call->status == kIOReturnSuccess)
			call->status = res;
	}
	return rule;
}

/*
 * The slots of `bits` are busy, and their calls have the user client, which the end of the
 * connection may give up meanwhile. False: one was submitted while it is unanswered, or the app has
 * gone.
 */
static bool
occupy(struct connection *c, uint64_t bits, const char **ret_rule)
{
	if (atomic_load_explicit(&c->gone, memory_order_relaxed))
		return false;
	for (uint64_t left = bits; left != 0; left &= left - 1)
		/* Pairs with call_answer, whose thread is done with the call. */
		if (atomic_load_explicit(&c->calls[__builtin_ctzll(left)].busy,
					 memory_order_acquire)) {
			*ret_rule = "a slot is submitted again only after its answer";
			return false;
		}
	for (; bits != 0; bits &= bits - 1) {
		struct call *call = &c->calls[__builtin_ctzll(bits)];
		bool used = !connection_has_ended(c) && connection_use_client(c);

		/* Relaxed: whoever answers has the call from this thread. */
		atomic_store_explicit(&call->busy, true, memory_order_relaxed);
		call->client = used ? c->client : NULL;
		if (!used)
			connection_retain(c);
	}
	return true;
}

/* Takes what `bits` says to the batch. False: the app has gone or broke *ret_rule. */
static bool
take(struct connection *c, uint64_t bits, struct batch *batch, const char **ret_rule)
{
	const char *rule = NULL;

	if (bits == 0)
		return true;
	if (!occupy(c, bits, ret_rule))
		return false;
	for (; bits != 0; bits &= bits - 1) {
		struct call *call = &c->calls[__builtin_ctzll(bits)];

		if (rule == NULL)
			rule = prepare(call);
		if (rule == NULL)
			append(batch, call);
		else
			call_answer(call, kIOReturnIPCError, 0, 0, 0);
	}
	*ret_rule = rule;
	return rule == NULL;
}

/*
 * Takes and, unless for one who spins, arms until there is nothing new. An app that keeps its rules
 * has at most a page of slots to submit meanwhile, since none of what is taken here is answered
 * before the end.
 */
static bool
look(struct connection *c, bool arm, struct batch *batch, bool *ret_found, const char **ret_rule)
{
	call_page_disarm(&c->page);
	for (unsigned round = 0; round < SCAN_ROUNDS_MAX; round++) {
		uint64_t bits = call_page_take(&c->page);

		*ret_found |= bits != 0;
		if (!take(c, bits, batch, ret_rule))
			return false;
		if (!arm || call_page_arm(&c->page))
			return true;
	}
	*ret_rule = "the bits of `submitted` are flipped once for each call";
	return false;
}

static bool
has_stopped(struct connection *c)
{
	bool stopped;

	pthread_mutex_lock(&c->lock);
	stopped = c->stopped;
	pthread_mutex_unlock(&c->lock);
	return stopped;
}

enum scan_how {
	SCAN_RUNG,     /* arms, unless a thread that spins will */
	SCAN_HELD,     /* the same, by a thread that has held the page */
	SCAN_SPINNING, /* by the thread that spins, which does not arm */
	SCAN_LAST,     /* by that thread, which is not going to look again */
};

static bool
is_to_arm(const struct connection *c, enum scan_how how)
{
	return how == SCAN_LAST || (how != SCAN_SPINNING && !spinning_watches(c));
}

/* Sees to what a scan has found, without the token. Takes the queues. */
static void
act(struct connection *c, struct batch *batch, const struct queues *queues, const char *rule)
{
	if (rule != NULL)
		connection_end(c, rule);
	start_all(batch, queues);
	/* The app only takes its completions any more. */
	if (connection_has_ended(c) && has_stopped(c))
		connection_settle(c);
}

/*
 * False: another thread scans. *ret_calls: calls or handlers of queues were run, for whose time the
 * token was given up, or handlers are called elsewhere, and it was not. *ret_found: there was
 * anything.
 */
static bool
scan(struct connection *c, enum scan_how how, bool *ret_calls, bool *ret_found)
{
	struct batch batch = {.first = NULL};
	struct queues queues = {NULL, NULL};
	const char *rule = NULL;
	bool found = false, more, looked, calls;

	if (!enter(c))
		return false;
	if (how == SCAN_RUNG)
		call_page_heard(&c->page);
	do {
		found |= completions_pump(c);
		more = look(c, is_to_arm(c, how), &batch, &found, &rule);
		if (more && queues.methods == NULL && batch.first != NULL)
			copy_queues(c, batch.first, &queues);
	} while (more && !leave(c));
	calls = rule != NULL || batch.first != NULL;
	/* After arming, as the app that rings first writes: PROTOCOL.md 2.5. A thread that spins
	 * arms in its last scan. A handler that is called here keeps nothing waiting. */
	looked = queues_look(c, !calls && !connection_has_ended(c));
	/* An app that lives on its queues is one to spin for, too. */
	*ret_calls = calls || looked;
	*ret_found = found || looked;
	if (calls && (how == SCAN_SPINNING || how == SCAN_LAST))
		spinning_lend();
	if (calls || connection_has_ended(c))
		act(c, &batch, &queues, rule);
	return true;
}

/* What it finds is appended to the queue that this thread owns, and is run next. */
static void
look_after_hold(struct connection *c)
{
	bool calls, found;

	scan(c, SCAN_HELD, &calls, &found);
	connection_release(c);
}

void
calls_scan(struct connection *c)
{
	bool calls, found;

	scan(c, SCAN_RUNG, &calls, &found);
}

bool
calls_scan_spinning(struct connection *c, bool last)
{
	bool calls = false, found;

	return scan(c, last ? SCAN_LAST : SCAN_SPINNING, &calls, &found) && calls;
}

/* --- the doorbell --- */

static struct connection *
of_pause(struct loop_timer *timer)
{
	return (struct connection *)((char *)timer - offsetof(struct connection, pause));
}

static void
listen_again(struct loop_timer *timer)
{
	struct connection *c = of_pause(timer);
	bool listening;

	pthread_mutex_lock(&c->lock);
	listening = c->listening;
	c->paused = false;
	c->empty_rings = 0;
	pthread_mutex_unlock(&c->lock);
	/* Reports at once if it was rung meanwhile, since nobody has read it. */
	if (listening)
		loop_source_rearm(c->loop, &c->doorbell, EPOLLIN | EPOLLET);
	connection_release(c);
}

static struct {
	pthread_mutex_t lock;
	struct calls_vain vain; /* [lock] */
} counted = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
count_vain(bool pause)
{
	pthread_mutex_lock(&counted.lock);
	counted.vain.scans++;
	counted.vain.pauses += pause;
	pthread_mutex_unlock(&counted.lock);
}

struct calls_vain
calls_in_vain(void)
{
	struct calls_vain vain;

	pthread_mutex_lock(&counted.lock);
	vain = counted.vain;
	pthread_mutex_unlock(&counted.lock);
	return vain;
}

/* Counts a ring that brought nothing; too many of them and the app is not heard for a while. */
static void
count_empty(struct connection *c)
{
	uint64_t now = clock_now();
	bool pause;

	pthread_mutex_lock(&c->lock);
	if (now - c->window_start >= NSEC_PER_SEC) {
		c->window_start = now;
		c->empty_rings = 0;
	}
	c->empty_rings++;
	pause = c->empty_rings > DEXT_EMPTY_RINGS_PER_SECOND && !c->paused && c->listening;
	if (pause)
		c->paused = true;
	pthread_mutex_unlock(&c->lock);
	count_vain(pause);
	if (!pause)
		return;
	connection_retain(c);
	loop_source_rearm(c->loop, &c->doorbell, 0);
	c->pause.fired = listen_again;
	loop_timer_arm(c->loop, &c->pause, now + DEXT_EMPTY_RINGS_PAUSE_MSEC * NSEC_PER_MSEC);
}

void
calls_doorbell(struct loop_source *source, uint32_t events)
{
	struct connection *c =
		(struct connection *)((char *)source - offsetof(struct connection, doorbell));

	bool calls, found = true;

	/*
	 * Before the scan: one that a thread looks at from now on is not armed. Also for queues
	 * alone: an app of a ring may make no call for hours.
	 */
	if (call_page_is_due(&c->page))
		spinning_offer(c);
	scan(c, SCAN_RUNG, &calls, &found);
	if (!found)
		count_empty(c);
}
