/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_connection.h"

START_TEST(keeps_order_and_content)
{
	struct port_message sent = {.reference = {1, 2, 3, 4, 5, 6, 7, 8},
				    .result = kIOReturnAborted,
				    .count = 16,
				    .arguments = {9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
						  22, 23, UINT64_MAX}};
	struct connection *connection = fake_create();
	struct port *port = fake_port();
	struct port_message got;

	fake_attach(connection, port);
	fake_push_message(connection, port, &sent);
	for (uint64_t i = 0; i < 100; i++)
		fake_push(connection, port, i);
	ck_assert_int_eq(port_take(port, &got), kIOReturnSuccess);
	ck_assert_mem_eq(&got, &sent, sizeof(got));
	for (uint64_t i = 0; i < 100; i++)
		ck_assert_uint_eq(take_number(port), i);
	assert_empty(port);
	fake_port_end(port);
	connection_release(connection);
}
END_TEST

/* The ring of a connection that was never drained is not armed: the port must ask to be looked at.
 */
START_TEST(is_readable_until_first_drained)
{
	struct connection *connection = fake_create();
	struct port *port = fake_port();

	ck_assert(!is_readable(port_descriptor(port)));
	fake_attach(connection, port);
	ck_assert(is_readable(port_descriptor(port)));
	assert_empty(port);
	fake_push(connection, port, 7);
	await_readable(port_descriptor(port));
	ck_assert_uint_eq(take_number(port), 7);
	assert_empty(port);
	fake_port_end(port);
	connection_release(connection);
}
END_TEST

struct waiter {
	struct port *port;
	IOReturn result;
	uint64_t number;
};

static void *
wait_for_ever(void *context)
{
	struct waiter *waiter = context;
	struct port_message message = {0};

	waiter->result = port_wait(waiter->port, UINT64_MAX, 16, &message);
	waiter->number = message.arguments[0];
	return NULL;
}

START_TEST(what_is_in_a_ring_is_taken_without_a_drain)
{
	struct connection *connection = fake_create();
	struct port *port = fake_port();
	int drains;

	fake_attach(connection, port);
	assert_empty(port);
	drains = atomic_load(&connection->drains);
	for (uint64_t i = 0; i < 20; i++) {
		fake_push(connection, port, i);
		ck_assert_uint_eq(take_number(port), i);
	}
	ck_assert_int_eq(atomic_load(&connection->drains), drains);
	/* The bell rang for the first, and is heard when nothing is left. */
	ck_assert(is_readable(port_descriptor(port)));
	assert_empty(port);
	fake_push(connection, port, 20);
	ck_assert(is_readable(port_descriptor(port)));
	ck_assert_uint_eq(take_number(port), 20);
	fake_port_end(port);
	connection_release(connection);
}
END_TEST

/* Or a stream that never pauses would hide the registry, and other connections' ends. */
START_TEST(a_stream_does_not_hide_what_else_the_set_has)
{
	struct connection *connection = fake_create(), *other = fake_create();
	struct port *port = fake_port();
	uint64_t taken = 0;

	fake_attach(connection, port);
	fake_attach(other, port);
	assert_empty(port);
	fake_end(other);
	while (fake_references(other) > 1) {
		fake_push(connection, port, taken);
		ck_assert_uint_eq(take_number(port), taken);
		ck_assert_uint_le(taken++, 64);
	}
	fake_port_end(port);
	connection_release(connection);
	connection_release(other);
}
END_TEST

/* A wait that first looks for a while ends by its deadline, by a push, and by the port's end. */
START_TEST(a_wait_that_spins_is_a_wait)
{
	struct connection *connection = fake_create();
	struct waiter waiter = {.port = fake_port()};
	struct port_message message;
	uint64_t start = clock_now();
	pthread_t thread;

	connection->spins = true;
	fake_attach(connection, waiter.port);
	ck_assert_int_eq(port_wait(waiter.port, start + 30 * NSEC_PER_MSEC, 16, &message),
			 kIOReturnTimeout);
	ck_assert_uint_ge(clock_now() - start, 30 * NSEC_PER_MSEC);
	for (uint64_t i = 1; i <= 300; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, &waiter), 0);
		fake_push(connection, waiter.port, i);
		pthread_join(thread, NULL);
		ck_assert_int_eq(waiter.result, kIOReturnSuccess);
		ck_assert_uint_eq(waiter.number, i);
	}
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, &waiter), 0);
	port_close(waiter.port);
	pthread_join(thread, NULL);
	ck_assert_int_eq(waiter.result, kIOReturnAborted);
	port_release(waiter.port);
	connection_release(connection);
}
END_TEST

START_TEST(stays_readable_while_some_are_left)
{
	struct connection *connection = fake_create();
	struct port *port = fake_port();

	fake_attach(connection, port);
	for (uint64_t i = 0; i < 3; i++)
		fake_push(connection, port, i);
	for (uint64_t i = 0; i < 3; i++) {
		ck_assert(is_readable(port_descriptor(port)));
		ck_assert_uint_eq(take_number(port), i);
	}
	assert_empty(port);
	fake_port_end(port);
	connection_release(connection);
}
END_TEST

START_TEST(a_drain_gives_each_port_its_own)
{
	struct connection *connection = fake_create();
	struct port *one = fake_port(), *other = fake_port();

	fake_attach(connection, one);
	fake_attach(connection, other);
	assert_empty(one);
	assert_empty(other);
	fake_push(connection, other, 1);
	fake_push(connection, one, 2);
	fake_push(connection, other, 3);
	ck_assert_uint_eq(take_number(one), 2);
	assert_empty(one);
	/* The bell was read by the other port's drain; its own flag must say so now. */
	await_readable(port_descriptor(other));
	ck_assert_uint_eq(take_number(other), 1);
	ck_assert(is_readable(port_descriptor(other)));
	ck_assert_uint_eq(take_number(other), 3);
	assert_empty(other);
	fake_port_end(one);
	fake_port_end(other);
	ck_assert_int_eq(fake_references(connection), 1);
	connection_release(connection);
}
END_TEST

START_TEST(a_port_hears_many_connections)
{
	struct connection *connections[40];
	struct port *port = fake_port();
	uint64_t sum = 0;

	for (int i = 0; i < 40; i++) {
		connections[i] = fake_create();
		fake_attach(connections[i], port);
	}
	for (int i = 0; i < 40; i++)
		fake_push(connections[i], port, (uint64_t)i);
	for (int i = 0; i < 40; i++)
		sum += take_number(port);
	ck_assert_uint_eq(sum, 40 * 39 / 2);
	for (int i = 0; i < 5; i++) {
		struct port_message message;

		/* The rest of the first drains: at most 16 of them each. */
		ck_assert_int_eq(port_take(port, &message), kIOReturnNotReady);
	}
	assert_empty(port);
	for (int i = 0; i < 40; i++)
		fake_push(connections[i], port, (uint64_t)i);
	for (int i = 0; i < 40; i++)
		take_number(port);
	assert_empty(port);
	fake_port_end(port);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(fake_references(connections[i]), 1);
		connection_release(connections[i]);
	}
}
END_TEST

START_TEST(waits_until_its_deadline)
{
	struct port *port = fake_port();
	uint64_t start = clock_now();
	struct port_message message;

	ck_assert_int_eq(port_wait(port, start + 30 * NSEC_PER_MSEC, 16, &message),
			 kIOReturnTimeout);
	ck_assert_uint_ge(clock_now() - start, 30 * NSEC_PER_MSEC);
	ck_assert_int_eq(port_wait(port, 0, 16, &message), kIOReturnTimeout);
	fake_port_end(port);
}
END_TEST

START_TEST(a_message_that_is_too_large_waits)
{
	struct port_message sent = {.count = 3, .arguments = {5, 6, 7}}, got = {0};
	struct port *port = fake_port();

	ck_assert_int_eq(port_deliver(port, &sent), kIOReturnSuccess);
	ck_assert_int_eq(port_wait(port, FAKE_SOON, 2, &got), kIOReturnMessageTooLarge);
	ck_assert_uint_eq(got.count, 3);
	ck_assert_int_eq(port_wait(port, FAKE_SOON, 3, &got), kIOReturnSuccess);
	assert_empty(port);
	fake_port_end(port);
}
END_TEST

START_TEST(wakes_a_waiter)
{
	struct connection *connection = fake_create();
	struct waiter waiter = {.port = fake_port()};
	pthread_t thread;

	fake_attach(connection, waiter.port);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, &waiter), 0);
	while (atomic_load(&connection->drains) == 0)
		;
	fake_push(connection, waiter.port, 42);
	pthread_join(thread, NULL);
	ck_assert_int_eq(waiter.result, kIOReturnSuccess);
	ck_assert_uint_eq(waiter.number, 42);
	fake_port_end(waiter.port);
	connection_release(connection);
}
END_TEST

START_TEST(closing_ends_every_wait)
{
	struct waiter waiters[3];
	struct port *port = fake_port();
	struct port_message message = {0};
	pthread_t threads[3];

	for (int i = 0; i < 3; i++) {
		waiters[i] = (struct waiter){.port = port};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_for_ever, &waiters[i]), 0);
	}
	port_close(port);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(waiters[i].result, kIOReturnAborted);
	}
	ck_assert_int_eq(port_take(port, &message), kIOReturnAborted);
	port_release(port);
}
END_TEST

START_TEST(closing_lets_go_of_connections)
{
	struct connection *connection = fake_create();
	struct port *port = fake_port();
	struct port_message message = {0};

	fake_attach(connection, port);
	ck_assert_int_eq(fake_references(connection), 2);
	ck_assert_int_eq(port_deliver(port, &message), kIOReturnSuccess);
	port_close(port);
	ck_assert_int_eq(fake_references(connection), 1);
	ck_assert_int_eq(port_deliver(port, &message), kIOReturnSuccess);
	ck_assert_int_eq(port_take(port, &message), kIOReturnAborted);
	ck_assert_int_eq(port_attach(port, connection), kIOReturnNotReady);
	fake_detach(connection, port);
	port_close(port);
	port_release(port);
	connection_release(connection);
}
END_TEST

START_TEST(detaches_as_often_as_attached)
{
	struct connection *connection = fake_create();
	struct port *port = fake_port();

	fake_attach(connection, port);
	fake_attach(connection, port);
	fake_detach(connection, port);
	fake_push(connection, port, 1);
	ck_assert_uint_eq(take_number(port), 1);
	fake_detach(connection, port);
	ck_assert_int_eq(fake_references(connection), 1);
	fake_push(connection, port, 2);
	assert_empty(port);
	fake_port_end(port);
	connection_release(connection);
}
END_TEST

/* A hung-up pipe is readable for ever: who kept it in the set would never sleep again. */
START_TEST(an_ended_connection_is_heard_out_and_left)
{
	struct connection *connection = fake_create();
	struct port *port = fake_port();

	fake_attach(connection, port);
	assert_empty(port);
	fake_push(connection, port, 1);
	fake_push(connection, port, 2);
	fake_end(connection);
	await_readable(port_descriptor(port));
	ck_assert_uint_eq(take_number(port), 1);
	ck_assert_uint_eq(take_number(port), 2);
	assert_empty(port);
	ck_assert_int_eq(fake_references(connection), 1);
	fake_detach(connection, port);
	ck_assert_int_eq(fake_references(connection), 1);
	fake_port_end(port);
	connection_release(connection);
}
END_TEST

START_TEST(a_full_port_loses_nothing)
{
	const uint64_t total = DEXT_LIMIT_COMPLETIONS + 1000;
	struct connection *connection = fake_create();
	struct port *full = fake_port(), *other = fake_port();

	fake_attach(connection, full);
	fake_attach(connection, other);
	assert_empty(full);
	for (uint64_t i = 0; i < total; i++)
		fake_push(connection, full, i);
	fake_push(connection, other, 5);
	assert_empty(other); /* behind what has no room */
	for (uint64_t i = 0; i < total; i++)
		ck_assert_uint_eq(take_number(full), i);
	assert_empty(full);
	ck_assert_uint_eq(take_number(other), 5);
	fake_port_end(full);
	fake_port_end(other);
	connection_release(connection);
}
END_TEST

START_TEST(closing_a_full_port_sets_the_others_free)
{
	const uint64_t total = DEXT_LIMIT_COMPLETIONS + 10;
	struct connection *connection = fake_create();
	struct port *full = fake_port(), *other = fake_port();

	fake_attach(connection, full);
	fake_attach(connection, other);
	for (uint64_t i = 0; i < total; i++)
		fake_push(connection, full, i);
	fake_push(connection, other, 5);
	assert_empty(other);
	port_close(full);
	ck_assert(is_readable(port_descriptor(other)));
	ck_assert_uint_eq(take_number(other), 5);
	port_release(full);
	fake_port_end(other);
	connection_release(connection);
}
END_TEST

#define STREAM 20000u

struct stream {
	struct connection *connection;
	struct port *ports[2];
	struct port *own;
	_Atomic uint64_t *seen; /* [STREAM] */
	_Atomic unsigned left;
	bool ordered;
};

static void *
play_host(void *context)
{
	struct stream *stream = context;

	for (uint64_t i = 0; i < STREAM; i++)
		fake_push(stream->connection, stream->ports[i % 2], i);
	return NULL;
}

static void *
take_stream(void *context)
{
	struct stream *stream = ((void **)context)[0];
	struct port *port = ((void **)context)[1];
	struct port_message message;
	uint64_t last = 0;
	IOReturn res;

	while ((res = port_wait(port, FAKE_SOON, 16, &message)) == kIOReturnSuccess) {
		ck_assert_uint_eq(atomic_fetch_add(&stream->seen[message.arguments[0]], 1), 0);
		if (stream->ordered)
			ck_assert_uint_ge(message.arguments[0], last);
		last = message.arguments[0];
		if (atomic_fetch_sub(&stream->left, 1) == 1) {
			port_close(stream->ports[0]);
			port_close(stream->ports[1]);
		}
	}
	ck_assert_int_eq(res, kIOReturnAborted);
	return NULL;
}

static void
run_stream(unsigned per_port)
{
	struct stream stream = {.connection = fake_create(),
				.ports = {fake_port(), fake_port()},
				.seen = calloc(STREAM, sizeof(*stream.seen)),
				.ordered = per_port == 1};
	void *contexts[2][2] = {{&stream, stream.ports[0]}, {&stream, stream.ports[1]}};
	pthread_t host, threads[8];

	atomic_init(&stream.left, STREAM);
	fake_attach(stream.connection, stream.ports[0]);
	fake_attach(stream.connection, stream.ports[1]);
	for (unsigned i = 0; i < 2 * per_port; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_stream, contexts[i % 2]),
				 0);
	ck_assert_int_eq(pthread_create(&host, NULL, play_host, &stream), 0);
	pthread_join(host, NULL);
	for (unsigned i = 0; i < 2 * per_port; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(atomic_load(&stream.left), 0);
	port_release(stream.ports[0]);
	port_release(stream.ports[1]);
	connection_release(stream.connection);
	free(stream.seen);
}

START_TEST(a_thread_for_each_port_gets_all_in_order)
{
	run_stream(1);
}
END_TEST

START_TEST(many_threads_get_each_once)
{
	run_stream(4);
}
END_TEST

struct ping {
	struct connection *connection;
	struct port *port;
	_Atomic unsigned answered;
};

static void *
answer(void *context)
{
	struct ping *ping = context;
	struct port_message message;

	while (port_wait(ping->port, FAKE_SOON, 16, &message) == kIOReturnSuccess)
		atomic_fetch_add(&ping->answered, 1);
	return NULL;
}

/* One at a time: a wake-up that is lost here is not made good by the next message. */
START_TEST(no_wake_up_is_lost)
{
	struct ping ping = {.connection = fake_create(), .port = fake_port()};
	struct port *bystander = fake_port();
	struct port_message message;
	pthread_t thread;
	uint64_t late;

	fake_attach(ping.connection, ping.port);
	fake_attach(ping.connection, bystander);
	ck_assert_int_eq(pthread_create(&thread, NULL, answer, &ping), 0);
	for (unsigned i = 1; i <= 3000; i++) {
		fake_push(ping.connection, ping.port, i);
		/* Now and then another port's drain finds it. */
		if (i % 3 == 0)
			ck_assert_int_eq(port_take(bystander, &message), kIOReturnNotReady);
		late = FAKE_SOON;
		while (atomic_load(&ping.answered) != i)
			ck_assert_uint_lt(clock_now(), late);
	}
	port_close(ping.port);
	pthread_join(thread, NULL);
	port_release(ping.port);
	fake_port_end(bystander);
	connection_release(ping.connection);
}
END_TEST

static void
use_inherited(void *context)
{
	struct ping *ping = context;
	struct port_message message = {0};
	struct port *own;

	if (port_copy(port_name(ping->port)) != NULL ||
	    port_take(ping->port, &message) != kIOReturnAborted ||
	    port_wait(ping->port, UINT64_MAX, 16, &message) != kIOReturnAborted ||
	    port_deliver(ping->port, &message) != kIOReturnSuccess ||
	    port_attach(ping->port, ping->connection) == kIOReturnSuccess)
		_exit(1);
	port_detach(ping->port, ping->connection);
	port_close(ping->port);
	port_release(ping->port);
	if (port_create(&own) != kIOReturnSuccess || port_copy(port_name(own)) != own)
		_exit(2);
}

START_TEST(a_forked_child_has_no_ports_and_harms_none)
{
	struct ping ping = {.connection = fake_create(), .port = fake_port()};
	int status;

	fake_attach(ping.connection, ping.port);
	assert_empty(ping.port);
	status = unit_child(use_inherited, &ping, NULL, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	fake_push(ping.connection, ping.port, 9);
	await_readable(port_descriptor(ping.port));
	ck_assert_uint_eq(take_number(ping.port), 9);
	assert_empty(ping.port);
	fake_port_end(ping.port);
	connection_release(ping.connection);
}
END_TEST

START_TEST(keeps_errno)
{
	struct connection *connection = fake_create();
	struct port *port = fake_port();
	struct port_message message = {0};

	errno = 77;
	fake_attach(connection, port);
	ck_assert_int_eq(port_take(port, &message), kIOReturnNotReady);
	port_deliver(port, &message);
	port_take(port, &message);
	fake_detach(connection, port);
	fake_attach(connection, port);
	ck_assert_int_eq(port_wait(port, 1, 16, &message), kIOReturnTimeout);
	ck_assert_int_eq(errno, 77);
	port_close(port);
	port_release(port);
	ck_assert_int_eq(errno, 77);
	connection_release(connection);
}
END_TEST

UNIT_MAIN("port", what_is_in_a_ring_is_taken_without_a_drain,
	  a_stream_does_not_hide_what_else_the_set_has, a_wait_that_spins_is_a_wait,
	  keeps_order_and_content, is_readable_until_first_drained,
	  stays_readable_while_some_are_left, a_drain_gives_each_port_its_own,
	  a_port_hears_many_connections, waits_until_its_deadline,
	  a_message_that_is_too_large_waits, wakes_a_waiter, closing_ends_every_wait,
	  closing_lets_go_of_connections, detaches_as_often_as_attached,
	  an_ended_connection_is_heard_out_and_left, a_full_port_loses_nothing,
	  closing_a_full_port_sets_the_others_free, a_thread_for_each_port_gets_all_in_order,
	  many_threads_get_each_once, no_wake_up_is_lost,
	  a_forked_child_has_no_ports_and_harms_none, keeps_errno)
