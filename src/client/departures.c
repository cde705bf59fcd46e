/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leaving connection is one to a service that has gone. Its bell is in the hub until it hangs up;
 * whoever drains the hub drains it, so its completions reach their ports whether or not anybody
 * looks at those. The news that wait for it are a list of {watch, service}.
 *
 * While there is no registry a connection that hangs up is the only sign that a service has gone.
 * If that was wrong, because only the user client has ended, the next registry's answer brings the
 * service back as one that appeared.
 */
#include "departures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "connection.h"
#include "events.h"
#include "log.h"
#include "watch.h"

struct leaving {
	struct leaving *next;
	struct connection *connection; /* +1 */
	uint64_t service;
	uint64_t hub_id;
	uint64_t deadline; /* UINT64_MAX: only a suspect */
};

struct news {
	struct news *next;
	uint64_t watch;
	uint64_t service;
};

static struct leaving *leaving; /* [session], all */
static struct news *news;
static uint64_t last_hub_id = DEPARTURES_HUB_ID;

static struct leaving *
find(uint64_t service)
{
	for (struct leaving *at = leaving; at != NULL; at = at->next)
		if (at->service == service)
			return at;
	return NULL;
}

/* Drains it; if more may come, listens to it, else false. The reference is given up. */
static bool
follow_take(struct connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct leaving *at;

	at = connection_drain(connection) ? malloc(sizeof(*at)) : NULL;
	if (at == NULL) {
		connection_release(connection);
		return false;
	}
	*at = (struct leaving){
		.connection = connection,
		.service = connection_service(connection),
		.hub_id = ++last_hub_id,
		.deadline = UINT64_MAX,
	};
	event.data.u64 = at->hub_id;
	if (epoll_ctl(events_hub(), EPOLL_CTL_ADD, connection_bell(connection), &event) < 0) {
		log_debug("epoll_ctl: %s", strerror(errno));
		free(at);
		connection_release(connection);
		return false;
	}
	at->next = leaving;
	leaving = at;
	return true;
}

static bool
is_followed(const struct connection *connection)
{
	for (const struct leaving *at = leaving; at != NULL; at = at->next)
		if (at->connection == connection)
			return true;
	return false;
}

static void
follow_all(uint64_t service)
{
	size_t count;
	struct connection **connections = connections_copy(service, &count);

	for (size_t i = 0; i < count; i++) {
		if (is_followed(connections[i]))
			connection_release(connections[i]);
		else
			follow_take(connections[i]);
	}
	free(connections);
}

void
departures_add_locked(struct watch *watch, uint64_t service)
{
	struct news *added = NULL, **last = &news;

	follow_all(service);
	for (struct leaving *at = leaving; at != NULL; at = at->next)
		if (at->service == service && at->deadline == UINT64_MAX)
			at->deadline = clock_now() + DEPARTURE_WAIT;
	if (find(service) != NULL)
		added = malloc(sizeof(*added));
	if (added == NULL) {
		watch_departed_locked(watch, service);
		return;
	}
	*added = (struct news){.watch = watch->id, .service = service};
	while (*last != NULL)
		last = &(*last)->next;
	*last = added;
	events_settle_timer_locked();
}

void
departures_forget_locked(uint64_t watch)
{
	struct news **link = &news;

	while (*link != NULL) {
		struct news *at = *link;

		if (at->watch != watch) {
			link = &at->next;
			continue;
		}
		*link = at->next;
		free(at);
	}
}

void
departures_suspect_locked(void)
{
	size_t count;
	struct connection **connections = connections_copy(0, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t service = connection_service(connections[i]);

		if (is_followed(connections[i]))
			connection_release(connections[i]);
		else if (!follow_take(connections[i]) && find(service) == NULL)
			events_suspect_locked(service); /* it died with the registry, or before */
	}
	free(connections);
}

static void
let_go_quietly(struct leaving **link)
{
	struct leaving *at = *link;

	*link = at->next;
	if (epoll_ctl(events_hub(), EPOLL_CTL_DEL, connection_bell(at->connection), NULL) < 0)
		log_debug("epoll_ctl: %s", strerror(errno));
	connection_release(at->connection);
	free(at);
}

void
departures_trust_locked(void)
{
	struct leaving **link = &leaving;

	while (*link != NULL) {
		if ((*link)->deadline == UINT64_MAX)
			let_go_quietly(link);
		else
			link = &(*link)->next;
	}
}

void
departures_clear_locked(void)
{
	while (leaving != NULL)
		let_go_quietly(&leaving);
}

/* The service has no connection any more. */
static void
tell(uint64_t service)
{
	struct news **link = &news;

	while (*link != NULL) {
		struct news *at = *link;
		struct watch *watch;

		if (at->service != service) {
			link = &at->next;
			continue;
		}
		*link = at->next;
		watch = events_find_locked(at->watch);
		free(at);
		if (watch != NULL)
			watch_departed_locked(watch, service);
	}
}

static void
let_go(struct leaving **link)
{
	bool suspect = (*link)->deadline == UINT64_MAX;
	uint64_t service = (*link)->service;

	let_go_quietly(link);
	if (find(service) != NULL)
		return;
	tell(service);
	if (suspect)
		events_suspect_locked(service);
}

void
departures_bell_locked(uint64_t hub_id, uint32_t events)
{
	struct leaving **link = &leaving;

	while (*link != NULL && (*link)->hub_id != hub_id)
		link = &(*link)->next;
	if (*link == NULL)
		return;
	/* A full port keeps a hung-up connection's last entry; that is not waited for. */
	if (!connection_drain((*link)->connection) || (events & (EPOLLHUP | EPOLLERR)))
		let_go(link);
}

uint64_t
departures_deadline_locked(void)
{
	uint64_t deadline = UINT64_MAX;

	for (const struct leaving *at = leaving; at != NULL; at = at->next)
		if (at->deadline < deadline)
			deadline = at->deadline;
	return deadline;
}

void
departures_expire_locked(uint64_t now)
{
	struct leaving **link = &leaving;

	while (*link != NULL) {
		if ((*link)->deadline > now) {
			link = &(*link)->next;
			continue;
		}
		log_info("service 0x%llx has gone, but a connection to it has not ended",
			 (unsigned long long)(*link)->service);
		let_go(link);
		link = &leaving; /* whoever was told may have changed the list */
	}
}

void
departures_fork_child(void)
{
	/* Their memory is left alone, as that of the connections. */
	leaving = NULL;
	news = NULL;
}
