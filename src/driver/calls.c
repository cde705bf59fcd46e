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
#include "log.h"
#include "object.h"
#include "os_data.h"
#include "service.h"
#include "status.h"

#define SCAN_ROUNDS_MAX (4 * CALL_PAGE_SLOTS)

#define BROKEN(condition, rule)      \
	do {                         \
		if (condition)       \
			return rule; \
	} while (0)

struct batch {
	struct call *first;
	struct call **end;
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

void
call_answer(struct call *call, IOReturn status, uint32_t scalars, uint64_t structure_size,
	    uint32_t flags)
{
	struct connection *c = call->connection;
	struct call_slot *slot = &c->page.page->slot[call->slot];
	uint32_t generation = call->generation;
	uint64_t bit = UINT64_C(1) << call->slot;
	bool mapped = status == kIOReturnSuccess && call->memory != NULL;

	slot->reply.status = status;
	slot->reply.scalar_out_count = scalars;
	slot->reply.structure_out_size = structure_size;
	slot->reply.flags = flags;
	slot->reply.map_length = 0;
	if (mapped &&
	    IOMemoryDescriptor_GetLength(call->memory, &structure_size) == kIOReturnSuccess)
		slot->reply.map_length = structure_size;
	slot->reply.map_read_only = mapped && call->read_only;
	if (scalars > 0)
		memcpy(slot->reply.scalars, call->scalars, scalars * sizeof(call->scalars[0]));
	let_go(call);
	OSSafeReleaseNULL(call->client);

	pthread_mutex_lock(&c->lock);
	c->busy &= ~bit;
	pthread_mutex_unlock(&c->lock);
	/* From here on the app may submit the slot again. */
	call_slot_answer(slot, generation);
	connection_release(c);
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

	if (arguments->structureOutput == NULL)
		return kIOReturnSuccess;
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
	if (res == kIOReturnSuccess)
		res = give_structure(call, arguments, &size);
	OSRelease(arguments->structureOutput);
	if (res == kIOReturnSuccess)
		call_answer(call, res, arguments->scalarOutputCount, size, flags);
	else
		call_answer(call, res, 0, 0, flags);
}

static void
run_method(struct call *call)
{
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
	IOReturn res;

	/* The memory behind it is the library's business: the driver sets structureOutput. */
	if (request->flags & CALL_VARIABLE_OUTPUT) {
		arguments.structureOutputDescriptor = NULL;
		arguments.structureOutputMaximumSize = kIOUserClientVariableStructureSize;
	}

	if (request->structure_in_size > 0 && call->input == NULL)
		arguments.structureInput = call->data;
	memset(call->scalars, 0, sizeof(call->scalars));
	res = IOUserClient_ExternalMethod(call->client, request->selector, &arguments, NULL, NULL,
					  NULL);
	answer_method(call, res, &arguments);
}

/* On the user client's queue. */
static void
execute(struct call *call)
{
	struct connection *c = call->connection;

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
	else if (call->request.operation == CALL_MAP)
		maps_map(call);
	else
		maps_unmap(call);
}

static struct call *
call_of(struct work *work)
{
	return (struct call *)((char *)work - offsetof(struct call, work));
}

static void
run_batch(struct work *work)
{
	struct call *call = call_of(work);
	struct loop *loop = call->connection->loop;

	loop_will_block(loop);
	while (call != NULL) {
		struct call *next = call->next;

		execute(call);
		call = next;
	}
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
}

/* Puts the batch on its queue, or runs it here if that is idle and `here`. */
static void
start(struct batch *batch, IODispatchQueue *queue, bool here)
{
	struct work *work;

	if (batch->first == NULL)
		return;
	work = &batch->first->work;
	*work = (struct work){.run = run_batch, .dropped = drop_batch};
	if (queue == NULL)
		run_batch(work);
	else if (here)
		queue_run(queue, work);
	else
		queue_post(queue, work);
}

/* Methods on their queue, the others on the Default one; nothing waits for a method's end. */
static void
start_on_queues(IOService *client, struct call *list)
{
	IODispatchQueue *method_queue = service_copy_queue(client, true);
	IODispatchQueue *queue = service_copy_queue(client, false);
	struct batch methods = {NULL, NULL}, others = {NULL, NULL};
	struct call *next;

	for (; list != NULL; list = next) {
		next = list->next;
		append(list->request.operation == CALL_METHOD || queue == method_queue ? &methods
										       : &others,
		       list);
	}
	start(&others, queue, methods.first == NULL);
	start(&methods, method_queue, true);
	OSRelease(queue);
	OSRelease(method_queue);
}

/* What came too late for the user client is answered here. */
static void
start_all(struct call *list)
{
	struct batch batch = {NULL, NULL};
	IOUserClient *client = NULL;
	struct call *next;

	for (; list != NULL; list = next) {
		next = list->next;
		if (list->client == NULL) {
			call_answer(list, kIOReturnOffline, 0, 0, 0);
			continue;
		}
		client = list->client;
		append(&batch, list);
	}
	if (batch.first == NULL)
		return;
	/* The calls, which hold it, may all be answered before the last queue was told. */
	OSRetain(client);
	start_on_queues((IOService *)client, batch.first);
	OSRelease(client);
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
	BROKEN(r->operation < CALL_METHOD || r->operation > CALL_UNMAP, "operation is a known one");
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
	BROKEN(r->flags != 0, "flags are for methods");
	BROKEN(r->structure_in_size != 0 || r->structure_out_size != 0 || r->scalar_out_count != 0,
	       "map and unmap calls have no structures and no output");
	BROKEN(r->scalar_in_count != (r->operation == CALL_MAP ? 1 : 0),
	       "a map call has one scalar, an unmap call none");
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
	res = completion_create(call->client, c, index, generation, &call->completion);
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
	struct call_request *request = &call->request;
	const char *rule;

	memcpy(request, &call->connection->page.page->slot[call->slot].request, sizeof(*request));
	/* The copy is what is checked: no read of the page may be repeated after this line. */
	__asm__ volatile("" ::: "memory");
	call->generation = request->generation & ~CALL_WAITER;
	call->status = call->client == NULL ? kIOReturnOffline : kIOReturnSuccess;
	rule = broken_rule(request);
	if (rule != NULL)
		return rule;
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

/* False: the slot was submitted while it is unanswered, or the app has gone. */
static bool
occupy(struct connection *c, uint32_t slot, const char **ret_rule)
{
	uint64_t bit = UINT64_C(1) << slot;
	bool ok;

	pthread_mutex_lock(&c->lock);
	if (!c->gone && (c->busy & bit))
		*ret_rule = "a slot is submitted again only after its answer";
	ok = !c->gone && !(c->busy & bit);
	if (ok) {
		c->busy |= bit;
		/* Until the answer: the end of the connection may give up its own meanwhile. */
		c->calls[slot].client = c->ended ? NULL : c->client;
		OSRetain(c->calls[slot].client);
	}
	pthread_mutex_unlock(&c->lock);
	return ok;
}

/* Takes what `bits` says to the batch. False: the app has gone or broke *ret_rule. */
static bool
take(struct connection *c, uint64_t bits, struct batch *batch, const char **ret_rule)
{
	const char *rule = NULL;

	while (bits != 0 && rule == NULL) {
		uint32_t slot = (uint32_t)__builtin_ctzll(bits);
		struct call *call = &c->calls[slot];

		bits &= bits - 1;
		if (!occupy(c, slot, ret_rule))
			return false;
		connection_retain(c);
		rule = prepare(call);
		if (rule == NULL) {
			append(batch, call);
			continue;
		}
		call_answer(call, kIOReturnIPCError, 0, 0, 0);
	}
	*ret_rule = rule;
	return rule == NULL;
}

/*
 * Takes and arms until there is nothing new. An app that keeps its rules has at most a page of
 * slots to submit meanwhile, since none of what is taken here is answered before the end.
 */
static bool
look(struct connection *c, struct batch *batch, bool *ret_found, const char **ret_rule)
{
	call_page_disarm(&c->page);
	for (unsigned round = 0; round < SCAN_ROUNDS_MAX; round++) {
		uint64_t bits = call_page_take(&c->page);

		*ret_found |= bits != 0;
		if (!take(c, bits, batch, ret_rule))
			return false;
		if (call_page_arm(&c->page))
			return true;
	}
	*ret_rule = "the bits of `submitted` are flipped once for each call";
	return false;
}

/* False: another thread scans, and will look once more. */
static bool
enter(struct connection *c)
{
	bool mine;

	pthread_mutex_lock(&c->lock);
	mine = !c->scanning && !c->gone;
	if (mine)
		c->scanning = true;
	else
		c->again = true;
	pthread_mutex_unlock(&c->lock);
	return mine;
}

/* False: look once more. *ret_stopped: the app only takes its completions any more. */
static bool
leave(struct connection *c, bool *ret_stopped)
{
	bool done;

	pthread_mutex_lock(&c->lock);
	done = !c->again || c->gone;
	c->again = false;
	if (done)
		c->scanning = false;
	*ret_stopped = c->stopped;
	pthread_mutex_unlock(&c->lock);
	return done;
}

/* True unless there was nothing to be found. */
static bool
scan(struct connection *c)
{
	struct batch batch = {NULL, NULL};
	const char *rule = NULL;
	bool found = false, stopped = false;

	if (!enter(c))
		return true;
	do
		found |= completions_pump(c);
	while (look(c, &batch, &found, &rule) && !leave(c, &stopped));
	if (rule != NULL)
		connection_end(c, rule);
	start_all(batch.first);
	if (stopped)
		connection_settle(c);
	return found;
}

void
calls_scan(struct connection *c)
{
	scan(c);
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

	if (!scan(c))
		count_empty(c);
}
