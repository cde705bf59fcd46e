/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which memory does an app hand out to a driver that names it by address? On macOS any. Here a
 * driver gets, from the library in the app, only
 *
 * - memory of mach_vm_allocate, and pages that are shared with the driver already: to share, or
 *   copied;
 * - a copy of what the call under way names: the segment's address and its length are among the
 *   call's scalars or the 8-byte words of its inline structure (the length: also half of one).
 *
 * The structure is looked at when the driver asks, and may be in a buffer that the driver has
 * mapped: it could then write the names there itself. So one that is not in private memory names
 * nothing. (A copy from before the call would cost every call something, and hardly one is asked.)
 *
 * So a driver cannot read through an app's memory, and nothing is shared that was not made for it.
 * A copy is made by the kernel, so that an address that is not mapped is an error and not a fault.
 */
#include "question.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "connection_private.h"
#include "log.h"
#include "maps.h"
#include "memfd.h"
#include "packets.h"
#include "sharing.h"
#include "slots.h"
#include "status.h"
#include "uncancelled.h"

/* What goes along; the sharings hold the descriptors that are theirs. */
struct handout {
	struct {
		struct client_memory_body body;
		struct memory_segment_body segments[QUESTION_SEGMENTS_MAX];
	} message;
	int fds[QUESTION_SEGMENTS_MAX];
	struct sharing *sharings[QUESTION_SEGMENTS_MAX];
	int copy; /* -1 */
};

struct names {
	const struct call_request *request;
	const char *structure;
	size_t size; /* 0: of the structure nothing counts */
};

static bool
is_named(const struct names *names, uint64_t value, bool halves)
{
	uint32_t half;
	uint64_t word;

	for (uint32_t i = 0; i < names->request->scalar_in_count; i++)
		if (names->request->scalars[i] == value)
			return true;
	for (size_t at = 0; at + sizeof(word) <= names->size; at += sizeof(word)) {
		memcpy(&word, names->structure + at, sizeof(word));
		if (word == value)
			return true;
	}
	for (size_t at = 0; halves && at + sizeof(half) <= names->size; at += sizeof(half)) {
		memcpy(&half, names->structure + at, sizeof(half));
		if (half == value)
			return true;
	}
	return false;
}

static IOReturn
refuse(uint64_t address, uint64_t length, const char *what)
{
	log_error("a driver asked for %llu bytes of this process at 0x%llx, which it does not get: "
		  "%s",
		  (unsigned long long)length, (unsigned long long)address, what);
	return kIOReturnNotPermitted;
}

static void *
pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static IOReturn
share(struct connection *connection, const struct call_question *question, struct handout *handout)
{
	for (uint32_t i = 0; i < question->segment_count; i++) {
		uint64_t address = question->segments[i].address;
		uint64_t length = question->segments[i].length;
		struct sharing *sharing =
			is_addressable(address, length)
				? sharing_find(pointer(address), length, connection)
				: NULL;

		if (sharing == NULL)
			return refuse(address, length,
				      "only memory of mach_vm_allocate, or what the driver has "
				      "kept, is shared");
		handout->sharings[i] = sharing;
		handout->fds[i] = sharing->fd;
		handout->message.segments[i].offset =
			sharing->offset + (uint64_t)((char *)pointer(address) - sharing->address);
		handout->message.segments[i].length = length;
		handout->message.body.file_count = i + 1;
	}
	return kIOReturnSuccess;
}

static bool
may_be_copied(struct connection *connection, const struct names *names, uint64_t address,
	      uint64_t length)
{
	struct sharing *sharing;

	if (!is_addressable(address, length))
		return false;
	if (is_named(names, address, false) && is_named(names, length, true))
		return true;
	sharing = sharing_find(pointer(address), length, connection);
	sharing_release(sharing);
	return sharing != NULL;
}

static IOReturn
write_all(int fd, uint64_t address, uint64_t length, uint64_t at)
{
	while (length > 0) {
		ssize_t put = pwrite(fd, pointer(address), length, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			status_from_errno(errno, "copying memory that a driver asked for");
			return kIOReturnVMError;
		}
		address += (uint64_t)put;
		length -= (uint64_t)put;
		at += (uint64_t)put;
	}
	return kIOReturnSuccess;
}

static IOReturn
sum(const struct call_question *question, uint64_t *ret_total)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < question->segment_count; i++) {
		uint64_t length = question->segments[i].length;

		if (length > DEXT_LIMIT_PEER_BYTES - total) {
			log_error("a driver asked for more than %llu bytes of this process at once "
				  "(DEXT_LIMIT_PEER_BYTES)",
				  (unsigned long long)DEXT_LIMIT_PEER_BYTES);
			return kIOReturnNoResources;
		}
		total += length;
	}
	*ret_total = total;
	return kIOReturnSuccess;
}

/* What the app has named, and nobody else can have. */
static struct names
trusted(struct names names)
{
	if (names.size > DEXT_STRUCTURE_INLINE_MAX ||
	    (names.size > 0 && !maps_is_private(names.structure, names.size)))
		names.size = 0;
	return names;
}

static IOReturn
copy(struct connection *connection, const struct call_question *question, const struct names *said,
     struct handout *handout)
{
	const struct names names = trusted(*said);
	uint64_t total, at = 0;
	IOReturn status = sum(question, &total);

	for (uint32_t i = 0; i < question->segment_count && status == kIOReturnSuccess; i++)
		if (!may_be_copied(connection, &names, question->segments[i].address,
				   question->segments[i].length))
			status = refuse(question->segments[i].address, question->segments[i].length,
					"it is not memory of mach_vm_allocate, nor does the call "
					"under way name its address and length, in scalars or in "
					"a structure in private memory");
	if (status == kIOReturnSuccess)
		status = memfd_create_sealed("asked", total, &handout->copy);
	for (uint32_t i = 0; i < question->segment_count && status == kIOReturnSuccess; i++) {
		status = write_all(handout->copy, question->segments[i].address,
				   question->segments[i].length, at);
		at += question->segments[i].length;
	}
	if (status == kIOReturnSuccess)
		status = memfd_seal_for_peer(handout->copy, MEMFD_WRITABLE);
	if (status != kIOReturnSuccess)
		return status;
	handout->fds[0] = handout->copy;
	handout->message.segments[0].length = total;
	handout->message.body.file_count = 1;
	return kIOReturnSuccess;
}

/* PROTOCOL.md 2.2, "Questions": NULL, or the rule that it breaks. */
static const char *
broken_rule(const struct call_question *question)
{
	if (question->segment_count == 0 || question->segment_count > QUESTION_SEGMENTS_MAX)
		return "a question has 1 to 32 segments";
	if ((question->flags & ~(uint32_t)QUESTION_SHARED) != 0 || question->zero != 0)
		return "a question has known flags and no padding";
	for (uint32_t i = 0; i < question->segment_count; i++)
		if (question->segments[i].length == 0 ||
		    question->segments[i].address > UINT64_MAX - question->segments[i].length)
			return "the segments of a question are possible";
	return NULL;
}

static IOReturn
collect(struct connection *connection, unsigned slot, const struct names *names,
	struct handout *handout)
{
	const struct call_page *page = connection->client.page;
	struct call_question question;
	const char *rule;

	memcpy(&question, page->data[slot].output, sizeof(question));
	/* The copy is what is checked. */
	__asm__ volatile("" ::: "memory");
	if (!call_slot_is_current(&page->slot[slot], names->request->generation))
		return kIOReturnAborted; /* the host has not waited: this is no question any more */
	rule = broken_rule(&question);
	if (rule != NULL)
		return connection_break(connection, rule);
	if (question.flags & QUESTION_SHARED)
		return share(connection, &question, handout);
	return copy(connection, &question, names, handout);
}

static IOReturn
send(struct connection *connection, const struct handout *handout, uint64_t deadline)
{
	struct packet_header header = {.type = PACKET_CLIENT_MEMORY};
	uint32_t count = handout->message.body.file_count;

	return connection_send(connection, &header, &handout->message,
			       sizeof(handout->message.body) +
				       count * sizeof(handout->message.segments[0]),
			       handout->fds, count, deadline);
}

/* With the status alone where the files cannot go along (this user has too many under way). */
static IOReturn
send_answer(struct connection *connection, struct handout *handout, uint64_t deadline)
{
	IOReturn status = send(connection, handout, deadline);

	if (status != kIOReturnNoResources || handout->message.body.file_count == 0)
		return status;
	handout->message.body.file_count = 0;
	handout->message.body.status = status;
	return send(connection, handout, deadline);
}

/* A host that asks again and again is no answer. */
static IOReturn
go_on(struct connection *connection, unsigned slot, uint64_t deadline)
{
	if (connection_step(deadline) == 0) {
		slot_abandon(connection, slot);
		return kIOReturnTimeout;
	}
	return connection_pending_status(connection);
}

IOReturn
question_answer(struct connection *connection, unsigned slot, struct call_request *request,
		const void *structure, size_t size, uint64_t deadline)
{
	UNCANCELLED;
	struct handout handout = {.copy = -1};
	struct names names = {request, structure, size};
	struct client_memory_body *body = &handout.message.body;
	uint32_t next = call_next_generation(request->generation);
	IOReturn status = go_on(connection, slot, deadline);

	if (status != kIOReturnSuccess)
		return status;
	body->status = collect(connection, slot, &names, &handout);
	if (body->status == kIOReturnIPCError)
		return kIOReturnIPCError; /* it was no question */
	if (body->status != kIOReturnSuccess)
		body->file_count = 0;
	body->slot = slot;
	body->generation = next;
	status = send_answer(connection, &handout, deadline);
	if (status == kIOReturnTimeout) {
		slot_abandon(connection, slot); /* it is refused when there is room */
	} else {
		request->generation = slot_next_generation(connection, slot);
		/* Who waits for the answer next sees that the host has gone. */
		if (status != kIOReturnSuccess)
			connection_check(connection);
		status = kIOReturnSuccess;
	}
	for (uint32_t i = 0; i < QUESTION_SEGMENTS_MAX; i++)
		sharing_release(handout.sharings[i]);
	fd_close(&handout.copy);
	return status;
}

bool
question_refuse(struct connection *connection, unsigned slot)
{
	UNCANCELLED;
	struct packet_header header = {.type = PACKET_CLIENT_MEMORY};
	struct client_memory_body body = {
		.slot = slot,
		.generation = call_next_generation(connection->generation[slot]),
		.status = kIOReturnTimeout,
	};
	IOReturn status =
		packet_send(connection->socket, &header, &body, sizeof(body), NULL, 0, false);

	if (status == kIOReturnBusy)
		return false;
	slot_next_generation(connection, slot);
	if (status != kIOReturnSuccess)
		connection_check(connection);
	return true;
}
