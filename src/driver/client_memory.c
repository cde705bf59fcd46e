/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUserClient_CreateMemoryDescriptorFromClient: memory of the app, by address. PROTOCOL.md,
 * "Questions".
 *
 * The only thread of the app that can be asked is the one whose call is being served, so this works
 * inside ExternalMethod, on its thread, and nowhere else. The thread waits for the app, at most a
 * second; an app that has not answered by then is asked nothing before it has, and a user whose
 * apps do that again and again not at all for a while (patience.h). Files that come are checked
 * like those of large structures, and count to the same limit.
 *
 * A question belongs to the connection, under socket_lock, from before it is asked to the app's
 * answer, which frees it if nobody waits any more.
 */
#include "connection.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "closing.h"
#include "descriptor.h"
#include "log.h"
#include "object.h"
#include "patience.h"
#include "user_client.h"

#define ANSWER_WAIT (1 * NSEC_PER_SEC)
#define LEAST_WAIT  (10 * NSEC_PER_MSEC) /* for less nobody is asked */
#define WAIT_STEP   (50 * NSEC_PER_MSEC)

struct question {
	uint32_t generation; /* of the packet that answers */
	bool answered;
	bool lost; /* this process had no room for the descriptors */
	struct client_memory_body body;
	struct memory_segment_body segments[QUESTION_SEGMENTS_MAX];
	int fds[QUESTION_SEGMENTS_MAX];
};

/* What this thread serves, innermost; driver code may come back to the library meanwhile. */
static _Thread_local struct call *serving;

struct call *
client_memory_serve(struct call *call)
{
	struct call *before = serving;

	serving = call;
	return before;
}

static void
free_question(struct question *question)
{
	if (question == NULL)
		return;
	for (uint32_t i = 0; i < QUESTION_SEGMENTS_MAX; i++)
		fd_close_foreign(&question->fds[i], CLOSING_NOBODY);
	free(question);
}

void
client_memory_free(struct connection *c)
{
	for (uint32_t i = 0; i < CALL_PAGE_SLOTS; i++) {
		if (!c->questions[i].awaited)
			free_question(c->questions[i].question);
		c->questions[i].question = NULL;
	}
}

const char *
client_memory_file_locked(struct connection *c, struct packet *packet, bool lost)
{
	struct client_memory_body body;
	struct question *question;

	memcpy(&body, packet->body, sizeof(body));
	question = c->questions[body.slot].question;
	if (question == NULL || question->answered || question->generation != body.generation)
		return "CLIENT_MEMORY: a question waits for it";
	if (!c->questions[body.slot].awaited) {
		c->questions[body.slot].question = NULL;
		c->unanswered--;
		free_question(question);
		return NULL;
	}
	question->body = body;
	question->answered = true;
	question->lost = lost;
	memcpy(question->segments, packet->body + sizeof(body),
	       body.file_count * sizeof(question->segments[0]));
	/* What is no memory is the packet's to close, and missed when the memory is made. */
	for (uint32_t i = 0; i < body.file_count && !lost; i++)
		if (fcntl(packet->fds[i], F_GET_SEALS) >= 0)
			question->fds[i] = packet_take_fd(packet, i);
	pthread_cond_broadcast(&c->answered);
	return NULL;
}

/* --- asking --- */

static IOReturn
enter(struct call *call, struct question **ret_question)
{
	struct connection *c = call->connection;
	struct question *question = calloc(1, sizeof(*question));
	bool free_to_ask;

	if (question == NULL)
		return kIOReturnNoMemory;
	for (uint32_t i = 0; i < QUESTION_SEGMENTS_MAX; i++)
		question->fds[i] = -1;
	question->generation = call_next_generation(call->generation);
	pthread_mutex_lock(&c->socket_lock);
	free_to_ask = c->unanswered == 0 && c->questions[call->slot].question == NULL;
	if (free_to_ask) {
		c->questions[call->slot].question = question;
		c->questions[call->slot].awaited = true;
	}
	pthread_mutex_unlock(&c->socket_lock);
	if (!free_to_ask) {
		free_question(question);
		return kIOReturnTimeout;
	}
	*ret_question = question;
	return kIOReturnSuccess;
}

static void
publish(struct call *call, const IOAddressSegment *segments, uint32_t count, bool shared)
{
	struct call_page *page = call->connection->page.page;
	struct call_slot *slot = &page->slot[call->slot];
	struct call_question question = {
		.segment_count = count,
		.flags = shared ? QUESTION_SHARED : 0,
	};

	for (uint32_t i = 0; i < count; i++) {
		question.segments[i].address = segments[i].address;
		question.segments[i].length = segments[i].length;
	}
	memcpy(page->data[call->slot].output, &question, sizeof(question));
	slot->reply.status = kIOReturnSuccess;
	slot->reply.scalar_out_count = 0;
	slot->reply.structure_out_size = 0;
	slot->reply.flags = CALL_ASKS;
	slot->reply.map_length = 0;
	slot->reply.map_read_only = 0;
	call_slot_answer(slot, call->generation);
	call->generation = call_next_generation(call->generation);
}

static bool
wait_step(struct connection *c, const struct question *question, uint64_t deadline)
{
	uint64_t step = clock_now() + WAIT_STEP, until = step < deadline ? step : deadline;
	const struct timespec time = {
		.tv_sec = (time_t)(until / NSEC_PER_SEC),
		.tv_nsec = (long)(until % NSEC_PER_SEC),
	};
	bool answered;

	pthread_mutex_lock(&c->socket_lock);
	if (!question->answered)
		pthread_cond_timedwait(&c->answered, &c->socket_lock, &time);
	answered = question->answered;
	pthread_mutex_unlock(&c->socket_lock);
	return answered;
}

static IOReturn
await_until(struct connection *c, const struct question *question, uint64_t deadline)
{
	while (!wait_step(c, question, deadline)) {
		if (connection_has_ended(c))
			return kIOReturnOffline;
		if (clock_now() >= deadline)
			return kIOReturnTimeout;
	}
	return kIOReturnSuccess;
}

/* kIOReturnTimeout, kIOReturnOffline: the question is the connection's. */
static IOReturn
await(struct call *call, struct question *question, uint64_t most)
{
	struct connection *c = call->connection;
	uint64_t began = clock_now(), now;
	IOReturn res = await_until(c, question, began + most);

	/* An app that goes instead has held the queue up as well. */
	now = clock_now();
	if (res != kIOReturnSuccess)
		patience_spend(c->who.uid, now - began, now);
	pthread_mutex_lock(&c->socket_lock);
	c->questions[call->slot].awaited = false;
	if (question->answered) {
		c->questions[call->slot].question = NULL;
		res = kIOReturnSuccess;
	} else if (c->questions[call->slot].question == NULL) {
		free_question(question); /* the connection's end has let go of it */
	} else {
		c->unanswered++;
	}
	pthread_mutex_unlock(&c->socket_lock);
	if (res != kIOReturnSuccess)
		call_slot_withdraw(&c->page.page->slot[call->slot]);
	return res;
}

static IOReturn
ask(struct call *call, const IOAddressSegment *segments, uint32_t count, bool shared,
    struct question **ret_question)
{
	const struct host_open_body *who = &call->connection->who;
	uint64_t left = patience_left(who->uid, clock_now());
	struct question *question;
	IOReturn res = left < LEAST_WAIT ? kIOReturnTimeout : enter(call, &question);

	if (left < LEAST_WAIT)
		log_error("process %d is not asked for memory: apps of uid %u have let the driver "
			  "wait for %u ms (DEXT_LIMIT_VAIN_WAIT_MSEC)",
			  who->pid, who->uid, DEXT_LIMIT_VAIN_WAIT_MSEC);
	if (res == kIOReturnSuccess) {
		publish(call, segments, count, shared);
		res = await(call, question, left < ANSWER_WAIT ? left : ANSWER_WAIT);
	}
	if (res != kIOReturnSuccess) {
		log_info("process %d did not give its memory in time", who->pid);
		return res;
	}
	*ret_question = question;
	return kIOReturnSuccess;
}

/* --- what came --- */

/* PROTOCOL.md, "Questions". NULL, or the rule that the files break. */
static const char *
broken_rule(const struct question *question, const IOAddressSegment *segments, uint32_t count,
	    bool shared)
{
	uint64_t total = 0;

	if (question->body.file_count != (shared ? count : 1))
		return "CLIENT_MEMORY: one file, or one for each segment";
	for (uint32_t i = 0; i < count; i++) {
		if (shared && question->segments[i].length != segments[i].length)
			return "CLIENT_MEMORY: the segments have the lengths that were asked for";
		total += segments[i].length;
	}
	if (!shared && question->segments[0].length != total)
		return "CLIENT_MEMORY: the copy has the length that was asked for";
	return NULL;
}

static IOReturn
make(struct connection *c, struct question *question, uint64_t direction,
     IOMemoryDescriptor **ret_memory)
{
	IOMemoryDescriptor *parts[QUESTION_SEGMENTS_MAX] = {NULL};
	uint32_t count = question->body.file_count;
	IOReturn res = kIOReturnSuccess;

	for (uint32_t i = 0; i < count && res == kIOReturnSuccess; i++) {
		int fd = question->fds[i];

		question->fds[i] = -1;
		res = structures_adopt_take(c, fd, question->segments[i].offset,
					    question->segments[i].length, direction, &parts[i]);
	}
	if (res == kIOReturnSuccess && count == 1) {
		*ret_memory = parts[0];
		return res;
	}
	if (res == kIOReturnSuccess)
		res = IOMemoryDescriptor_CreateWithMemoryDescriptors(direction, count, parts,
								     ret_memory);
	for (uint32_t i = 0; i < count; i++)
		OSRelease(parts[i]);
	return res;
}

static IOReturn
take(struct connection *c, struct question *question, const IOAddressSegment *segments,
     uint32_t count, uint64_t options, IOMemoryDescriptor **ret_memory)
{
	bool shared = (options & kIOMemoryDisableCopyOnWrite) != 0;
	uint64_t direction = options & kIOMemoryDirectionInOut;
	const char *rule;

	if (question->lost)
		return kIOReturnNoResources;
	if (question->body.status != kIOReturnSuccess)
		return question->body.status;
	rule = broken_rule(question, segments, count, shared);
	if (rule != NULL) {
		connection_end(c, rule);
		return kIOReturnIPCError;
	}
	return make(c, question, direction == 0 ? (uint64_t)kIOMemoryDirectionInOut : direction,
		    ret_memory);
}

/* --- the function --- */

static const char *
bad_argument(const IOUserClient *self, uint64_t options, uint32_t count,
	     const IOAddressSegment *segments, IOMemoryDescriptor **memory)
{
	uint64_t total = 0;

	if (self == NULL || segments == NULL || memory == NULL)
		return "self, segments and memory must not be NULL";
	if (options & ~(uint64_t)(kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite))
		return "options: an unknown bit";
	if (count == 0 || count > kIOMemoryDescriptorMaxSegments)
		return "segmentsCount: 1 to 32";
	for (uint32_t i = 0; i < count; i++) {
		if (segments[i].length == 0 || segments[i].length > UINT64_MAX - total ||
		    segments[i].address > UINT64_MAX - segments[i].length)
			return "segments: a length of 0, or an end past the last address";
		total += segments[i].length;
	}
	return NULL;
}

kern_return_t
IOUserClient_CreateMemoryDescriptorFromClient(IOUserClient *self, uint64_t options,
					      uint32_t segmentsCount,
					      const IOAddressSegment *segments,
					      IOMemoryDescriptor **memory)
{
	const char *argument = bad_argument(self, options, segmentsCount, segments, memory);
	bool shared = (options & kIOMemoryDisableCopyOnWrite) != 0;
	struct question *question;
	IOReturn res;

	if (argument != NULL) {
		log_error("IOUserClient_CreateMemoryDescriptorFromClient: %s", argument);
		return kIOReturnBadArgument;
	}
	if (serving == NULL || serving->client != self) {
		log_error("%s: CreateMemoryDescriptorFromClient: only while one of this client's "
			  "methods runs, on its thread",
			  OSObject_GetClassName(self));
		return kIOReturnNotReady;
	}
	res = ask(serving, segments, segmentsCount, shared, &question);
	if (res != kIOReturnSuccess)
		return res;
	res = take(serving->connection, question, segments, segmentsCount, options, memory);
	free_question(question);
	return res;
}
