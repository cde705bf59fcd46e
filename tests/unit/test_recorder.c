/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "bounds.h"
#include "memfd.h"
#include "places.h"
#include "recorder.h"
#include "said.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

static struct loop *loop;

/* What a reader has. */
struct look {
	int socket;
	IOReturn status;
	struct tracing_body body;
	int fds[2];
	unsigned fd_count;
	const struct trace_file *files[2];
};

static void
begin(void)
{
	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	ck_assert_int_eq(loop_start(loop, 2), kIOReturnSuccess);
}

static void
end(void)
{
	loop_destroy(loop);
	recorder_close();
}

static struct look
look_on_as(uint32_t uid, uint32_t flags, uint32_t snap)
{
	const struct host_trace_body body = {.uid = uid, .flags = flags, .snap = snap};
	struct look look = {.socket = -1};
	struct packet *packet = malloc(sizeof(*packet));
	int ends[2];

	ck_assert_ptr_nonnull(packet);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	recorder_serve_take(loop, ends[0], &body);
	look.socket = ends[1];
	ck_assert_int_eq(packet_receive(look.socket, packet, true), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(packet, PACKET_FROM_RECORDER), kIOReturnSuccess);
	look.status = packet->header->status;
	memcpy(&look.body, packet->body, sizeof(look.body));
	look.fd_count = packet->fd_count;
	for (unsigned i = 0; i < packet->fd_count; i++) {
		void *memory;

		look.fds[i] = packet_take_fd(packet, i);
		ck_assert_int_eq(memfd_check_peer(look.fds[i], trace_length(i)), kIOReturnSuccess);
		ck_assert_int_eq(
			memfd_map(look.fds[i], 0, trace_length(i), false, false, NULL, &memory),
			kIOReturnSuccess);
		look.files[i] = memory;
	}
	free(packet);
	return look;
}

static struct look
look_on(uint32_t flags, uint32_t snap)
{
	return look_on_as(1000, flags, snap);
}

static void
look_away(struct look *look)
{
	for (unsigned i = 0; i < look->fd_count; i++) {
		memfd_unmap((void *)(uintptr_t)look->files[i], trace_length(i), false);
		fd_close(&look->fds[i]);
	}
	fd_close(&look->socket);
}

static void
await_state(uint32_t bits)
{
	for (unsigned i = 0; i < 20000; i++) {
		if ((atomic_load(&recorder_state) & 3) == bits)
			return;
		poll(NULL, 0, 1);
	}
	ck_abort_msg("the state is %u", atomic_load(&recorder_state));
}

static struct trace_reader
reader_of(const struct look *look, enum trace_what what)
{
	const struct trace_start start = {look->body.position[what], look->body.number[what]};
	struct trace_reader reader;

	trace_reader_init(&reader, what, look->files[what], &start);
	return reader;
}

static void
describe(const void *object, struct trace_owner *owner)
{
	owner->kind = TRACE_CLIENT;
	owner->pid = *(const int *)object;
	strcpy(owner->name, "Somebody");
}

static void
write_one(const struct trace_place *place, uint64_t id, const char *bytes)
{
	struct trace_event event = {.kind = TRACE_TRANSFER_BEGAN, .id = id};

	recorder_write(place, &event);
	recorder_write_bytes(place, &event, bytes, (uint32_t)strlen(bytes));
}

START_TEST(records_while_somebody_looks)
{
	struct recorder_place place = {0};
	struct trace_reader reader;
	struct trace_owner owner;
	struct trace_event event;
	struct look look;
	uint32_t generation;
	bool wanted;
	int me = 7;

	begin();
	ck_assert(!recorder_is_on());
	ck_assert_ptr_null(recorder_find(&place, describe, &me));
	write_one(NULL, 1, "");
	look = look_on(0, 0);
	ck_assert_int_eq(look.status, kIOReturnSuccess);
	ck_assert_uint_eq(look.fd_count, 1);
	await_state(RECORDER_EVENTS);
	recorder_snap(&wanted);
	ck_assert(!wanted);
	write_one(recorder_find(&place, describe, &me), 2, "secret");
	reader = reader_of(&look, TRACE_EVENTS);
	ck_assert(trace_read(&reader, false, &event, NULL, 0, NULL));
	ck_assert_uint_eq(event.id, 2);
	ck_assert_uint_ne(event.time, 0);
	ck_assert(!trace_read(&reader, false, &event, NULL, 0, NULL));
	ck_assert(trace_read_owner(reader.file, event.place, &owner, &generation));
	ck_assert_int_eq(owner.pid, 7);
	ck_assert_str_eq(owner.name, "Somebody");
	ck_assert_uint_eq(generation, 1);
	/* It ends with the reader's socket, at once. */
	fd_close(&look.socket);
	await_state(0);
	write_one(NULL, 3, "");
	ck_assert(!trace_read(&reader, true, &event, NULL, 0, NULL));
	recorder_leave(&place);
	look_away(&look);
	end();
}
END_TEST

START_TEST(bytes_are_for_those_who_asked)
{
	struct trace_reader reader;
	struct trace_event event;
	struct look one, two, three;
	uint32_t length;
	char bytes[16];
	bool wanted;

	begin();
	one = look_on(0, 0);
	two = look_on(TRACE_WITH_CAPTURE, 10);
	three = look_on(TRACE_WITH_CAPTURE, 3);
	ck_assert_uint_eq(one.fd_count, 1);
	ck_assert_uint_eq(two.fd_count, 2);
	ck_assert_uint_eq(recorder_snap(&wanted), 10);
	ck_assert(wanted);
	write_one(NULL, 5, "bytes");
	reader = reader_of(&three, TRACE_CAPTURE);
	ck_assert(trace_read(&reader, false, &event, bytes, sizeof(bytes), &length));
	ck_assert_uint_eq(length, 5);
	ck_assert_mem_eq(bytes, "bytes", 5);
	fd_close(&two.socket);
	for (unsigned i = 0; i < 20000 && recorder_snap(&wanted) != 3; i++)
		poll(NULL, 0, 1);
	ck_assert_uint_eq(recorder_snap(&wanted), 3);
	fd_close(&three.socket);
	await_state(RECORDER_EVENTS);
	look_away(&one);
	look_away(&two);
	look_away(&three);
	await_state(0);
	end();
}
END_TEST

START_TEST(readers_are_limited)
{
	struct look looks[DEXT_LIMIT_TRACES], more;

	begin();
	for (unsigned i = 0; i < DEXT_LIMIT_TRACES; i++) {
		looks[i] = look_on(0, 0);
		ck_assert_int_eq(looks[i].status, kIOReturnSuccess);
	}
	said_listen();
	more = look_on(0, 0);
	said_expect("DEXT_LIMIT_TRACES");
	ck_assert_int_eq(more.status, kIOReturnNoResources);
	ck_assert_uint_eq(more.fd_count, 0);
	look_away(&more);
	for (unsigned i = 0; i < DEXT_LIMIT_TRACES; i++)
		look_away(&looks[i]);
	await_state(0);
	more = look_on(0, 0);
	ck_assert_int_eq(more.status, kIOReturnSuccess);
	look_away(&more);
	await_state(0);
	end();
}
END_TEST

START_TEST(readers_of_a_user_are_limited_where_several_are_served)
{
	struct look looks[DEXT_LIMIT_TRACES_USER], more;

	begin();
	places_share();
	for (unsigned i = 0; i < DEXT_LIMIT_TRACES_USER; i++) {
		looks[i] = look_on_as(1000, 0, 0);
		ck_assert_int_eq(looks[i].status, kIOReturnSuccess);
	}
	said_listen();
	more = look_on_as(1000, 0, 0);
	said_expect("DEXT_LIMIT_TRACES_USER");
	ck_assert_int_eq(more.status, kIOReturnNoResources);
	look_away(&more);
	/* Another's are its own. */
	more = look_on_as(0, 0, 0);
	ck_assert_int_eq(more.status, kIOReturnSuccess);
	look_away(&more);
	for (unsigned i = 0; i < DEXT_LIMIT_TRACES_USER; i++)
		look_away(&looks[i]);
	await_state(0);
	more = look_on_as(1000, 0, 0);
	ck_assert_int_eq(more.status, kIOReturnSuccess);
	look_away(&more);
	await_state(0);
	end();
}
END_TEST

/* Nothing that a reader can do reaches what the host writes. */
START_TEST(readers_cannot_write)
{
	struct look look;
	char path[64];
	void *memory;
	int again;

	begin();
	look = look_on(TRACE_WITH_CAPTURE, 100);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_ptr_eq(
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, look.fds[i], 0),
			MAP_FAILED);
		ck_assert_int_lt(pwrite(look.fds[i], "x", 1, 0), 0);
		ck_assert_int_lt(ftruncate(look.fds[i], 0), 0);
		ck_assert_int_lt(
			fallocate(look.fds[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
			0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", look.fds[i]);
		again = open(path, O_RDWR | O_CLOEXEC);
		if (again >= 0) {
			memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
			ck_assert_ptr_eq(memory, MAP_FAILED);
		}
		fd_close(&again);
		memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, look.fds[i], 0);
		ck_assert_ptr_ne(memory, MAP_FAILED);
		ck_assert_int_lt(mprotect(memory, 4096, PROT_READ | PROT_WRITE), 0);
		munmap(memory, 4096);
	}
	look_away(&look);
	await_state(0);
	end();
}
END_TEST

START_TEST(who_talks_is_looked_at_no_more)
{
	struct look look;
	char byte;

	begin();
	look = look_on(0, 0);
	await_state(RECORDER_EVENTS);
	ck_assert_int_eq(send(look.socket, "hello", 5, 0), 5);
	ck_assert_int_le(recv(look.socket, &byte, 1, 0), 0);
	await_state(0);
	look_away(&look);
	end();
}
END_TEST

/* Opening and closing, again and again, leaves nothing; nor do places that are left. */
START_TEST(nothing_piles_up)
{
	unsigned before;
	struct look look;

	begin();
	look = look_on(TRACE_WITH_CAPTURE, 1);
	look_away(&look);
	await_state(0);
	before = unit_count_fds();
	for (unsigned i = 0; i < 50; i++) {
		struct recorder_place places[TRACE_PLACES + 1] = {0};
		struct trace_place *last = NULL;
		int me = (int)i;

		look = look_on(TRACE_WITH_CAPTURE, 1);
		ck_assert_int_eq(look.status, kIOReturnSuccess);
		ck_assert_uint_eq(atomic_load(&look.files[0]->count.recordings), i + 2);
		for (unsigned j = 0; j < TRACE_PLACES; j++) {
			last = recorder_find(&places[j], describe, &me);
			ck_assert_ptr_nonnull(last);
			ck_assert_uint_eq(atomic_load(&last->began), 0);
			recorder_add(&last->began, 5);
			ck_assert_ptr_eq(recorder_find(&places[j], describe, &me), last);
		}
		/* All are taken. */
		ck_assert_ptr_null(recorder_find(&places[TRACE_PLACES], describe, &me));
		recorder_leave(&places[17]);
		ck_assert_ptr_nonnull(recorder_find(&places[TRACE_PLACES], describe, &me));
		for (unsigned j = 0; j <= TRACE_PLACES; j++)
			recorder_leave(&places[j]);
		look_away(&look);
		await_state(0);
	}
	ck_assert_uint_eq(unit_count_fds(), before);
	end();
}
END_TEST

START_TEST(ends_are_counted)
{
	struct recorder_place place = {0};
	struct trace_place *found;
	struct look look;
	int me = 1;

	begin();
	look = look_on(0, 0);
	found = recorder_find(&place, describe, &me);
	ck_assert_ptr_nonnull(found);
	recorder_count_end(found, false, 100, 1000);
	recorder_count_end(found, true, 0, 1000);
	recorder_count_end(found, false, 1, 0); /* not known how long */
	ck_assert_uint_eq(atomic_load(&found->ended), 3);
	ck_assert_uint_eq(atomic_load(&found->failed), 1);
	ck_assert_uint_eq(atomic_load(&found->bytes), 101);
	ck_assert_uint_eq(atomic_load(&found->spent), 2000);
	ck_assert_uint_eq(atomic_load(&found->latency[trace_bucket(1000)]), 2);
	recorder_leave(&place);
	look_away(&look);
	await_state(0);
	end();
}
END_TEST

#define ENDS 200000u

static void *
end_often(void *argument)
{
	for (unsigned i = 0; i < ENDS; i++)
		recorder_count_end(argument, true, 1, 1);
	return NULL;
}

/* Whoever has seen that some have ended sees what they were. */
START_TEST(what_has_ended_is_known)
{
	static struct trace_place place;
	uint64_t ended = 0;
	bool known = true;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, end_often, &place), 0);
	while (ended < ENDS) {
		ended = atomic_load_explicit(&place.ended, memory_order_acquire);
		known &= atomic_load(&place.latency[trace_bucket(1)]) >= ended &&
			 atomic_load(&place.spent) >= ended && atomic_load(&place.bytes) >= ended &&
			 atomic_load(&place.failed) >= ended;
	}
	pthread_join(thread, NULL);
	ck_assert(known);
}
END_TEST

UNIT_MAIN("recorder", records_while_somebody_looks, bytes_are_for_those_who_asked,
	  readers_are_limited, readers_of_a_user_are_limited_where_several_are_served,
	  readers_cannot_write, who_talks_is_looked_at_no_more, nothing_piles_up, ends_are_counted,
	  what_has_ended_is_known)
