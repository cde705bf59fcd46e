/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session with the registry for all watches of the process.
 *
 * A watch is sent, answered, and from then on events name it. When the socket ends, because the
 * registry did or because this app was too slow for its events, all watches are sent again on the
 * next one, and the answers say what was missed. Everything is sent and received without waiting;
 * events_add waits for its answer by waiting for the hub, like everybody else.
 *
 * The lock is held by whoever drains. A thread that finds it taken goes back to its port: what the
 * other one brings raises that port's flag.
 *
 * PROTOCOL.md, 4.1, has the rules; breaking one ends the socket.
 */
#include "events.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "clock.h"
#include "departures.h"
#include "fork.h"
#include "log.h"
#include "port.h"
#include "registry.h"
#include "runtime.h"
#include "status.h"
#include "uncancelled.h"
#include "watch.h"

#define RESTART_WAIT	 (5 * NSEC_PER_SEC)
#define RETRY_FIRST	 (20 * NSEC_PER_MSEC)
#define RETRY_LONGEST	 (1 * NSEC_PER_SEC)
#define PACKETS_PER_TURN 64
#define HUB_EVENTS_MAX	 16

enum {
	HUB_SOCKET,
	HUB_TIMER,
};

static struct {
	pthread_mutex_t lock;
	int hub, timer;		/* [lock], as all; -1 before the first watch */
	int socket;		/* -1: none */
	bool was_connected;	/* ever */
	bool wants_room;	/* the socket was full */
	bool starved;		/* a port was full */
	bool refused;		/* the registry has no room for this socket */
	uint64_t retry_at;	/* UINT64_MAX: not */
	uint64_t retry_delay;	/* until the retry after the next */
	uint32_t asked;		/* sequence of the last WATCH, from 1 on each socket */
	uint32_t answered;	/* of the last reply */
	uint64_t last_id;	/* of watches; never used again */
	struct watch **watches; /* by their ids */
	size_t count, size;
	struct packet packet;
} session = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.hub = -1,
	.timer = -1,
	.socket = -1,
	.retry_at = UINT64_MAX,
	.retry_delay = RETRY_FIRST,
};

int
events_hub(void)
{
	return session.hub;
}

void
events_starved_locked(void)
{
	session.starved = true;
}

/* --- the hub --- */

static IOReturn
open_hub_locked(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = HUB_TIMER};
	IOReturn res = kIOReturnSuccess;

	if (session.hub >= 0)
		return kIOReturnSuccess;
	session.hub = epoll_create1(EPOLL_CLOEXEC);
	session.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (session.hub < 0 || session.timer < 0 ||
	    epoll_ctl(session.hub, EPOLL_CTL_ADD, session.timer, &event) < 0)
		res = status_from_errno(errno, "events: epoll or timerfd");
	if (res != kIOReturnSuccess) {
		fd_close(&session.hub);
		fd_close(&session.timer);
	}
	return res;
}

void
events_settle_timer_locked(void)
{
	uint64_t deadline = departures_deadline_locked();
	struct itimerspec when = {0};

	if (session.retry_at < deadline)
		deadline = session.retry_at;
	if (deadline != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(deadline / NSEC_PER_SEC);
		when.it_value.tv_nsec = (long)(deadline % NSEC_PER_SEC);
	}
	/* Setting it also makes it unreadable. */
	if (timerfd_settime(session.timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		log_error("events: timerfd_settime: %s", strerror(errno));
}

static void
want_room_locked(bool wants)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = HUB_SOCKET};

	if (wants == session.wants_room)
		return;
	if (wants)
		event.events |= EPOLLOUT;
	if (epoll_ctl(session.hub, EPOLL_CTL_MOD, session.socket, &event) == 0)
		session.wants_room = wants;
}

/* --- connecting --- */

static void
close_socket_locked(void)
{
	if (session.socket >= 0 && epoll_ctl(session.hub, EPOLL_CTL_DEL, session.socket, NULL) < 0)
		log_debug("events: epoll_ctl: %s", strerror(errno));
	fd_close(&session.socket);
	session.wants_room = false;
	session.asked = session.answered = 0;
	for (size_t i = 0; i < session.count; i++)
		session.watches[i]->state = WATCH_UNSENT;
}

static void
retry_later_locked(void)
{
	session.retry_at = clock_now() + session.retry_delay;
	session.retry_delay *= 2;
	if (session.retry_delay > RETRY_LONGEST)
		session.retry_delay = RETRY_LONGEST;
	events_settle_timer_locked();
}

static void
disconnect_locked(void)
{
	if (session.socket < 0)
		return;
	close_socket_locked();
	departures_suspect_locked();
	retry_later_locked();
}

static IOReturn
connect_locked(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = HUB_SOCKET};
	IOReturn res = runtime_connect(false, &session.socket);

	if (res == kIOReturnNotFound && session.was_connected)
		res = kIOReturnNotReady;
	if (res == kIOReturnSuccess &&
	    epoll_ctl(session.hub, EPOLL_CTL_ADD, session.socket, &event) < 0) {
		res = status_from_errno(errno, "events: epoll_ctl");
		fd_close(&session.socket);
	}
	if (res != kIOReturnSuccess) {
		retry_later_locked();
		return res;
	}
	session.was_connected = true;
	session.refused = false;
	session.retry_at = UINT64_MAX;
	departures_trust_locked();
	events_settle_timer_locked();
	return kIOReturnSuccess;
}

/* --- sending --- */

static IOReturn
send_watch_locked(struct watch *watch)
{
	struct packet_header header = {.type = PACKET_WATCH, .sequence = session.asked + 1};
	IOReturn res;

	/* The id is the session's to give; it comes first in the body. */
	memcpy(watch->body, &watch->id, sizeof(watch->id));
	res = packet_send(session.socket, &header, watch->body, watch->length, NULL, 0, false);
	if (res == kIOReturnSuccess) {
		watch->sequence = ++session.asked;
		watch->state = WATCH_SENT;
	}
	return res;
}

static void
send_unsent_locked(void)
{
	IOReturn res = kIOReturnSuccess;

	for (size_t i = 0; i < session.count && session.socket >= 0 && res == kIOReturnSuccess; i++)
		if (session.watches[i]->state == WATCH_UNSENT)
			res = send_watch_locked(session.watches[i]);
	if (session.socket < 0)
		return;
	want_room_locked(res == kIOReturnBusy);
	/* One that refuses this socket does not read it, but has said why: that is read first. */
	if (res != kIOReturnSuccess && res != kIOReturnBusy && res != kIOReturnOffline)
		disconnect_locked();
}

/* --- receiving --- */

struct watch *
events_find_locked(uint64_t id)
{
	size_t from = 0, to = session.count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (session.watches[middle]->id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from < session.count && session.watches[from]->id == id ? session.watches[from]
								       : NULL;
}

static void
refuse_locked(struct watch *watch, IOReturn status)
{
	watch->state = WATCH_REFUSED;
	watch->refusal = status;
	if (!watch->was_live)
		return;
	/* It is renewed: nobody waits for the answer. */
	if (status == kIOReturnNotFound && watch->options.kind == WATCH_ENTRY)
		watch_learn_locked(watch, NULL, 0);
	else
		log_error("a notification was not renewed: %s", status_string(status));
}

/* NULL, or the rule that it breaks. */
static const char *
answer_locked(const struct packet *packet)
{
	uint64_t ids[(PACKET_MAX - sizeof(struct packet_header)) / sizeof(uint64_t)];
	struct watch *watch = NULL;

	if (session.answered == session.asked || packet->header->sequence != session.answered + 1)
		return "watches are answered in their order";
	session.answered++;
	session.retry_delay = RETRY_FIRST;
	for (size_t i = 0; i < session.count; i++)
		if (session.watches[i]->state == WATCH_SENT &&
		    session.watches[i]->sequence == packet->header->sequence)
			watch = session.watches[i];
	if (watch == NULL)
		return NULL;
	if (packet->header->status != kIOReturnSuccess) {
		refuse_locked(watch, packet->header->status);
		return NULL;
	}
	watch->state = WATCH_LIVE;
	memcpy(ids, packet->body, packet->body_length);
	if (!watch_learn_locked(watch, ids, packet->body_length / sizeof(ids[0])))
		return "the answer to the watch of an entry is that entry";
	return NULL;
}

static const char *
event_locked(const struct packet *packet)
{
	struct event_body event;
	uint64_t id;

	if (packet->header->sequence != 0)
		return "an event answers nothing";
	memcpy(&event, packet->body, sizeof(event));
	for (size_t at = sizeof(event); at < packet->body_length; at += sizeof(id)) {
		struct watch *watch;

		memcpy(&id, packet->body + at, sizeof(id));
		if (id > session.last_id)
			return "an event is of a watch that was made";
		watch = events_find_locked(id);
		if (watch == NULL)
			continue; /* given up, while this was on its way */
		if (watch->state != WATCH_LIVE)
			return "an event comes after the answer to its watch";
		if (!watch_event_locked(watch, &event))
			return "an event is one of its watch";
	}
	return NULL;
}

static IOReturn
handle_locked(const struct packet *packet)
{
	const char *rule = "only watches are answered, and events told of, on this socket";
	IOReturn res = packets_check(packet, PACKET_REGISTRY_REPLY);

	if (res != kIOReturnSuccess)
		return res;
	if (packet->header->sequence == 0 && packet->header->status != kIOReturnSuccess) {
		log_error("the registry has too many connections (DEXT_LIMIT_REGISTRY_CLIENTS)");
		session.refused = true;
		return kIOReturnOffline;
	}
	if (packet->header->type == PACKET_WATCH)
		rule = answer_locked(packet);
	else if (packet->header->type == PACKET_EVENT)
		rule = event_locked(packet);
	if (rule == NULL)
		return kIOReturnSuccess;
	log_error("the registry broke a rule: %s", rule);
	return kIOReturnIPCError;
}

static void
receive_locked(void)
{
	struct packet *packet = &session.packet;

	for (unsigned i = 0; i < PACKETS_PER_TURN && session.socket >= 0; i++) {
		IOReturn res = packet_receive(session.socket, packet, false);

		if (res == kIOReturnNotReady)
			return;
		if (res == kIOReturnSuccess) {
			res = handle_locked(packet);
			packet_close_fds(packet);
		}
		if (res != kIOReturnSuccess)
			disconnect_locked();
	}
}

/* --- draining --- */

static void
timer_locked(void)
{
	uint64_t now = clock_now();

	departures_expire_locked(now);
	if (session.retry_at <= now) {
		session.retry_at = UINT64_MAX;
		if (connect_locked() == kIOReturnSuccess)
			send_unsent_locked();
	}
	events_settle_timer_locked();
}

static void
pay_all_locked(void)
{
	session.starved = false;
	for (size_t i = 0; i < session.count; i++)
		if (!watch_pay_locked(session.watches[i]))
			session.starved = true;
}

static void
process_locked(void)
{
	struct epoll_event events[HUB_EVENTS_MAX];
	int count;

	if (session.starved)
		pay_all_locked();
	count = epoll_wait(session.hub, events, HUB_EVENTS_MAX, 0);
	for (int i = 0; i < count; i++) {
		if (events[i].data.u64 >= DEPARTURES_HUB_ID)
			departures_bell_locked(events[i].data.u64, events[i].events);
		else if (events[i].data.u64 == HUB_TIMER)
			timer_locked();
		else if (session.socket >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
			receive_locked();
		else if (session.socket >= 0)
			send_unsent_locked();
	}
}

void
events_drain(void)
{
	UNCANCELLED;
	int saved = errno;

	if (pthread_mutex_trylock(&session.lock) != 0)
		return;
	if (session.hub >= 0)
		process_locked();
	pthread_mutex_unlock(&session.lock);
	errno = saved;
}

void
events_suspect_locked(uint64_t service)
{
	if (session.socket >= 0)
		return; /* it says so itself */
	for (size_t i = 0; i < session.count; i++)
		watch_lost_locked(session.watches[i], service);
}

/* --- watches come and go --- */

static IOReturn
insert_locked(struct watch *watch)
{
	if (session.count == session.size) {
		size_t size = session.size == 0 ? 8 : session.size * 2;
		struct watch **grown = realloc(session.watches, size * sizeof(struct watch *));

		if (grown == NULL)
			return kIOReturnNoMemory;
		session.watches = grown;
		session.size = size;
	}
	watch->id = ++session.last_id;
	watch->state = WATCH_UNSENT;
	session.watches[session.count++] = watch;
	return kIOReturnSuccess;
}

static void
unwatch_locked(const struct watch *watch)
{
	struct packet_header header = {.type = PACKET_UNWATCH};
	const struct id_body body = {.id = watch->id};

	if (session.socket < 0 || watch->state == WATCH_UNSENT || watch->state == WATCH_REFUSED)
		return;
	/* Whether the registry will know of one that it has not answered is not clear. */
	if (watch->state == WATCH_SENT || packet_send(session.socket, &header, &body, sizeof(body),
						      NULL, 0, false) != kIOReturnSuccess)
		disconnect_locked();
}

static void
remove_locked(struct watch *watch)
{
	size_t i = 0;

	while (i < session.count && session.watches[i] != watch)
		i++;
	if (i == session.count)
		return;
	session.count--;
	memmove(&session.watches[i], &session.watches[i + 1],
		(session.count - i) * sizeof(struct watch *));
	departures_forget_locked(watch->id);
	port_detach_hub(watch->options.port);
	if (session.count > 0) {
		unwatch_locked(watch);
		return;
	}
	close_socket_locked();
	departures_clear_locked();
	session.retry_at = UINT64_MAX;
	session.retry_delay = RETRY_FIRST;
	events_settle_timer_locked();
}

/* Waits for the hub, or until it is time to look again. */
static void
wait_locked(uint64_t deadline)
{
	struct pollfd item = {.fd = session.hub, .events = POLLIN};
	uint64_t now = clock_now();

	if (deadline > now)
		poll(&item, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1);
}

static IOReturn
await_answer_locked(const struct watch *watch)
{
	uint64_t deadline = clock_now() + RESTART_WAIT;
	IOReturn res = kIOReturnSuccess;

	if (session.socket < 0) {
		res = connect_locked();
		if (res != kIOReturnSuccess && res != kIOReturnNotReady)
			return registry_unreachable(res);
	}
	send_unsent_locked();
	for (;;) {
		process_locked();
		if (watch->state == WATCH_LIVE)
			return kIOReturnSuccess;
		if (watch->state == WATCH_REFUSED)
			return watch->refusal;
		if (session.refused)
			return kIOReturnNoResources;
		if (clock_now() >= deadline)
			return registry_unreachable(kIOReturnNotReady);
		wait_locked(deadline);
	}
}

IOReturn
events_add(struct watch *watch)
{
	UNCANCELLED;
	IOReturn res;

	fork_watch();
	pthread_mutex_lock(&session.lock);
	res = open_hub_locked();
	if (res == kIOReturnSuccess)
		res = port_attach_hub(watch->options.port, session.hub, events_drain);
	if (res == kIOReturnSuccess) {
		res = insert_locked(watch);
		if (res != kIOReturnSuccess)
			port_detach_hub(watch->options.port);
		else
			res = await_answer_locked(watch);
		if (res != kIOReturnSuccess)
			remove_locked(watch);
	}
	pthread_mutex_unlock(&session.lock);
	return res;
}

void
events_remove(struct watch *watch)
{
	UNCANCELLED;

	pthread_mutex_lock(&session.lock);
	remove_locked(watch);
	pthread_mutex_unlock(&session.lock);
}

void
events_fork_child(void)
{
	/* The thread that may have held the lock is not in this process. */
	pthread_mutex_init(&session.lock, NULL);
	fd_close(&session.hub);
	fd_close(&session.timer);
	fd_close(&session.socket);
	session.watches = NULL;
	session.count = session.size = 0;
	session.wants_room = session.starved = session.refused = false;
	session.asked = session.answered = 0;
	session.retry_at = UINT64_MAX;
	session.retry_delay = RETRY_FIRST;
	departures_fork_child();
}
