/* SPDX-License-Identifier: Apache-2.0 */
/* The hub: one descriptor of a process that brings messages for all its ports. */
#include "fake_connection.h"
#include "said.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

static struct port *hub_ports[2];
static int hub_drains;
static int hub_fd;

/* One message for each port. */
static void
drain_hub(void)
{
	struct port_message message = {.type = 0x65, .sender = 5};
	uint64_t count;

	hub_drains++;
	if (read(hub_fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(port_deliver(hub_ports[i], &message), kIOReturnSuccess);
}

static void
ring_hub(void)
{
	ck_assert_int_eq(eventfd_write(hub_fd, 1), 0);
}

static void
open_hub(void)
{
	hub_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(hub_fd, 0);
	for (int i = 0; i < 2; i++) {
		hub_ports[i] = fake_port();
		ck_assert_int_eq(port_attach_hub(hub_ports[i], hub_fd, drain_hub), 0);
	}
}

START_TEST(a_hub_is_every_ports)
{
	struct port_message message;

	open_hub();
	assert_empty(hub_ports[0]);
	ring_hub();
	await_readable(port_descriptor(hub_ports[0]));
	await_readable(port_descriptor(hub_ports[1]));
	/* Whoever drains it, the other's message raises that one's flag. */
	ck_assert_int_eq(port_take(hub_ports[0], &message), kIOReturnSuccess);
	ck_assert_uint_eq(message.sender, 5);
	ck_assert_int_eq(hub_drains, 1);
	await_readable(port_descriptor(hub_ports[1]));
	ck_assert_int_eq(port_take(hub_ports[1], &message), kIOReturnSuccess);
	ck_assert_int_eq(hub_drains, 1);
	/* Attached twice, detached once: still. */
	ck_assert_int_eq(port_attach_hub(hub_ports[0], hub_fd, drain_hub), 0);
	port_detach_hub(hub_ports[0]);
	port_detach_hub(hub_ports[1]);
	ring_hub();
	await_readable(port_descriptor(hub_ports[0]));
	ck_assert(!is_readable(port_descriptor(hub_ports[1])));
	port_detach_hub(hub_ports[0]);
	ck_assert(!is_readable(port_descriptor(hub_ports[0])));
	/* A closed one takes none, and gives none back. */
	ck_assert_int_eq(port_attach_hub(hub_ports[0], hub_fd, drain_hub), 0);
	port_close(hub_ports[0]);
	port_detach_hub(hub_ports[0]);
	ck_assert_int_eq(port_attach_hub(hub_ports[0], hub_fd, drain_hub), kIOReturnNotReady);
	port_release(hub_ports[0]);
	fake_port_end(hub_ports[1]);
	close(hub_fd);
}
END_TEST

/* The kernel bounds how many sets hear of what is in the hub: that is an error, and no silence. */
START_TEST(ports_past_the_kernels_limit_are_refused)
{
	struct epoll_event event = {.events = EPOLLIN};
	int hub = epoll_create1(EPOLL_CLOEXEC), inside = eventfd(0, EFD_CLOEXEC);
	struct port *ports[700];
	struct rlimit files;
	unsigned count = 0;
	IOReturn res = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_int_eq(epoll_ctl(hub, EPOLL_CTL_ADD, inside, &event), 0);
	while (res == 0 && count < 700) {
		ports[count] = fake_port();
		res = port_attach_hub(ports[count++], hub, drain_hub);
	}
	ck_assert_int_eq(res, kIOReturnNoResources);
	ck_assert_uint_gt(count, 400);
	while (count > 0)
		fake_port_end(ports[--count]);
	close(hub);
	close(inside);
}
END_TEST

/* A full port has its hub drained again as soon as it has room: what was refused comes then. */
START_TEST(a_full_port_asks_the_hub_again)
{
	struct port_message message = {0};
	unsigned taken = 0;

	open_hub();
	assert_empty(hub_ports[0]);
	for (unsigned i = 0; i < DEXT_LIMIT_COMPLETIONS; i++)
		ck_assert_int_eq(port_deliver(hub_ports[0], &message), kIOReturnSuccess);
	said_listen();
	ck_assert_int_eq(port_deliver(hub_ports[0], &message), kIOReturnOverrun);
	said_expect("DEXT_LIMIT_COMPLETIONS");
	hub_drains = 0;
	while (port_take(hub_ports[0], &message) == kIOReturnSuccess)
		taken++;
	ck_assert_uint_eq(taken, DEXT_LIMIT_COMPLETIONS);
	ck_assert_int_ge(hub_drains, 1);
	ck_assert(!is_readable(port_descriptor(hub_ports[0])));
	fake_port_end(hub_ports[0]);
	fake_port_end(hub_ports[1]);
	close(hub_fd);
}
END_TEST

START_TEST(what_is_withdrawn_is_not_taken)
{
	struct port *port = fake_port();
	struct port_message message = {.type = 0x65};

	for (unsigned i = 0; i < 40; i++) {
		message.sender = i % 3;
		message.result = (IOReturn)i;
		ck_assert_int_eq(port_deliver(port, &message), kIOReturnSuccess);
	}
	port_withdraw(port, 1);
	port_withdraw(port, MACH_PORT_NULL);
	for (unsigned i = 0; i < 40; i++) {
		if (i % 3 == 1)
			continue;
		ck_assert_int_eq(port_take(port, &message), kIOReturnSuccess);
		ck_assert_int_eq(message.result, (IOReturn)i);
	}
	assert_empty(port);
	message.sender = 1;
	ck_assert_int_eq(port_deliver(port, &message), kIOReturnSuccess);
	port_withdraw(port, 1);
	ck_assert(!is_readable(port_descriptor(port)));
	fake_port_end(port);
}
END_TEST

UNIT_MAIN("port hub", a_hub_is_every_ports, ports_past_the_kernels_limit_are_refused,
	  a_full_port_asks_the_hub_again, what_is_withdrawn_is_not_taken)
