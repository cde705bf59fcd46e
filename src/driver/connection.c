/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and ending of connections.
 *
 * Opening runs on the service's queue, where the driver's NewUserClient belongs. Ending begins on
 * whatever thread notices the reason: the socket's end of stream, the app's pidfd, a broken rule,
 * or the termination of the user client; it terminates the user client, and the rest is done when
 * that has stopped (`give_back`).
 *
 * While the app is there it gets its completions: where more of them wait than the ring holds, a
 * connection whose user client has stopped lingers (lingering.c), and hangs up when the last of
 * them is in the ring.
 *
 * An app that closes waits for the hang-up to know that everything was given back; one that broke a
 * rule sees it at once.
 */
#include "connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "action.h"
#include "bound_settings.h"
#include "budget.h"
#include "closing.h"
#include "doorbell.h"
#include "formers.h"
#include "log.h"
#include "memfd.h"
#include "places.h"
#include "record_client.h"
#include "status.h"
#include "user_client.h"

struct opening {
	struct work work;
	struct connection *connection;
	int page; /* descriptors for the app */
	int bell;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, connection) all = TAILQ_HEAD_INITIALIZER(all); /* [all_lock] */

unsigned
connection_count(void)
{
	return places_taken();
}

static void
list(struct connection *c)
{
	pthread_mutex_lock(&all_lock);
	TAILQ_INSERT_TAIL(&all, c, link);
	pthread_mutex_unlock(&all_lock);
}

static void
unlist(struct connection *c)
{
	pthread_mutex_lock(&all_lock);
	TAILQ_REMOVE(&all, c, link);
	pthread_mutex_unlock(&all_lock);
}

/* --- references --- */

void
connection_destroy(struct connection *c)
{
	recorder_leave(&c->place);
	calls_free(c);
	structures_free(c);
	maps_close(c);
	completions_close(c);
	socket_close_foreign(&c->socket, c->who.uid);
	fd_close(&c->doorbell.fd);
	fd_close(&c->pidfd.fd);
	if (c->page.page != NULL)
		memfd_unmap(c->page.page, sizeof(struct call_page), false);
	if (c->charged)
		budget_give(sizeof(struct call_page));
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->socket_lock);
	pthread_cond_destroy(&c->answered);
	pthread_mutex_destroy(&c->maps.lock);
	pthread_mutex_destroy(&c->ring_lock);
	free(c);
}

void
connections_each(void (*function)(struct connection *connection))
{
	struct connection *c, *found[LIMIT_CONNECTIONS_MOST];
	unsigned count = 0;

	pthread_mutex_lock(&all_lock);
	TAILQ_FOREACH(c, &all, link)
	{
		/* Of one in the list hang_up has a reference. */
		connection_retain(c);
		found[count++] = c;
	}
	pthread_mutex_unlock(&all_lock);
	for (unsigned i = 0; i < count; i++) {
		function(found[i]);
		connection_release(found[i]);
	}
}

/* --- the loop's events --- */

static void
on_packet(struct loop_source *source, uint32_t events)
{
	struct connection *c =
		(struct connection *)((char *)source - offsetof(struct connection, hangup));
	bool closed = false;
	const char *rule = structures_receive(c, &closed);

	if (rule != NULL || closed)
		connection_end(c, rule);
}

/*
 * Closes the socket when both the loop and hang_up are done with it. Closed any sooner its number
 * could be that of another connection's socket by the time that the loop takes it out.
 */
static void
leave_socket(struct connection *c)
{
	/* Pairs with itself: the last one closes. */
	if (atomic_fetch_sub_explicit(&c->socket_holders, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_lock(&c->socket_lock);
	socket_close_foreign(&c->socket, c->who.uid);
	pthread_mutex_unlock(&c->socket_lock);
}

static void
on_packets_removed(struct loop_source *source)
{
	struct connection *c =
		(struct connection *)((char *)source - offsetof(struct connection, hangup));

	leave_socket(c);
	connection_release(c);
}

static void
on_doorbell_removed(struct loop_source *source)
{
	fd_close(&source->fd);
	connection_release(
		(struct connection *)((char *)source - offsetof(struct connection, doorbell)));
}

static void
on_death(struct loop_source *source, uint32_t events)
{
	struct connection *c =
		(struct connection *)((char *)source - offsetof(struct connection, pidfd));

	connection_end(c, NULL);
}

static void
on_pidfd_removed(struct loop_source *source)
{
	fd_close(&source->fd);
	connection_release(
		(struct connection *)((char *)source - offsetof(struct connection, pidfd)));
}

static IOReturn
add(struct connection *c, struct loop_source *source)
{
	IOReturn res;

	connection_retain(c);
	res = loop_source_add(c->loop, source);
	if (res != kIOReturnSuccess)
		connection_release(c);
	return res;
}

/* The sources go into the loop, unless the connection has ended meanwhile. */
static IOReturn
listen_to(struct connection *c)
{
	IOReturn res = kIOReturnSuccess;

	c->hangup.events = EPOLLIN | EPOLLRDHUP;
	c->hangup.handler = on_packet;
	c->hangup.removed = on_packets_removed;
	c->doorbell.events = EPOLLIN | EPOLLET;
	c->doorbell.handler = calls_doorbell;
	c->doorbell.removed = on_doorbell_removed;
	c->pidfd.events = EPOLLIN;
	c->pidfd.handler = on_death;
	c->pidfd.removed = on_pidfd_removed;

	pthread_mutex_lock(&c->lock);
	if (!c->hung_up && !c->gone) {
		/* Relaxed: nobody leaves before the source is in the loop. */
		atomic_fetch_add_explicit(&c->socket_holders, 1, memory_order_relaxed);
		res = add(c, &c->hangup);
		if (res != kIOReturnSuccess)
			leave_socket(c);
		if (res == kIOReturnSuccess && (res = add(c, &c->doorbell)) != kIOReturnSuccess)
			loop_source_remove(c->loop, &c->hangup);
		if (res == kIOReturnSuccess && c->pidfd.fd >= 0 &&
		    (res = add(c, &c->pidfd)) != kIOReturnSuccess) {
			loop_source_remove(c->loop, &c->hangup);
			loop_source_remove(c->loop, &c->doorbell);
		}
		c->listening = res == kIOReturnSuccess;
	}
	pthread_mutex_unlock(&c->lock);
	return res;
}

/* --- the end --- */

static void
cancel(OSAction *action)
{
	OSAction_Cancel_f(action, NULL, NULL);
}

/* Takes the sources out of the loop. Once, whoever is first. */
static void
deafen(struct connection *c)
{
	bool listening;

	pthread_mutex_lock(&c->lock);
	listening = c->listening;
	c->listening = false;
	pthread_mutex_unlock(&c->lock);
	if (!listening)
		return;
	loop_source_remove(c->loop, &c->hangup);
	loop_source_remove(c->loop, &c->doorbell);
	if (c->pidfd.fd >= 0)
		loop_source_remove(c->loop, &c->pidfd);
}

/* Nothing of the app is left here; the app is told. */
static void
hang_up(struct connection *c)
{
	deafen(c);
	completions_close(c);
	unlist(c);
	places_give_back(c->who.uid);
	if (recorder_is_on())
		record_closed(c);
	pthread_mutex_lock(&c->socket_lock);
	structures_free(c);
	if (c->socket >= 0)
		shutdown(c->socket, SHUT_RDWR);
	pthread_mutex_unlock(&c->socket_lock);
	leave_socket(c);
	connection_linger_no_more(c);
	connection_release(c);
}

void
connection_settle(struct connection *c)
{
	bool waiting = completions_wait(c), over;

	pthread_mutex_lock(&c->lock);
	over = c->stopped && !c->hung_up && (c->gone || !waiting);
	if (over)
		c->hung_up = true;
	pthread_mutex_unlock(&c->lock);
	if (over)
		hang_up(c);
}

/* After the user client's Stop. */
static void
give_back(void *context)
{
	struct connection *c = context;

	connection_linger(c);
	/* A completion that the driver forgot to release must not keep the user client alive. */
	completions_each(c, cancel);
	maps_close(c);
	pthread_mutex_lock(&c->socket_lock);
	structures_free(c);
	pthread_mutex_unlock(&c->socket_lock);
	OSRelease(c->service);
	/* For this function: without its client the connection may hang up at any time. */
	connection_retain(c);
	connection_leave_client(c);
	pthread_mutex_lock(&c->lock);
	c->stopped = true;
	pthread_mutex_unlock(&c->lock);
	connection_settle(c);
	connection_release(c);
}

/* True, and a reference on the user client, for the one who ends it. */
static bool
mark_ended(struct connection *c, bool gone, bool *ret_gone)
{
	bool first;

	pthread_mutex_lock(&c->lock);
	first = !c->ended;
	c->ended = true;
	*ret_gone = gone && !c->gone;
	c->gone |= gone;
	/* give_back may run as soon as another thread terminates the user client. */
	if (first)
		OSRetain(c->client);
	pthread_mutex_unlock(&c->lock);
	return first;
}

/* No call reaches the driver from now on, and the user client stops. */
static void
stop(struct connection *c, IOUserClient *client)
{
	formers_forget(c);
	maps_drop_unsent(c);
	completions_each(c, action_unhold);
	service_terminate((IOService *)client);
	OSRelease(client);
}

static void
part(struct connection *c, const char *rule)
{
	if (rule != NULL) {
		log_error("connection of process %d ends, it broke a rule: %s", c->who.pid, rule);
		pthread_mutex_lock(&c->socket_lock);
		if (c->socket >= 0)
			shutdown(c->socket, SHUT_RDWR);
		pthread_mutex_unlock(&c->socket_lock);
	}
	deafen(c);
}

void
connection_end(struct connection *c, const char *rule)
{
	IOUserClient *client = c->client;
	bool gone, first;

	/* The sources that it may be called from hold references only until it takes them out. */
	connection_retain(c);
	first = mark_ended(c, true, &gone);
	if (gone)
		part(c, rule);
	if (first)
		stop(c, client);
	if (gone)
		connection_settle(c);
	connection_release(c);
}

/* The app is there still, and gets what there is for it. */
static void
on_terminate(void *context)
{
	struct connection *c = context;
	IOUserClient *client = c->client;
	bool gone;

	if (mark_ended(c, false, &gone))
		stop(c, client);
}

/* --- opening --- */

static IOReturn
send_ready(int socket, IOReturn status, const int *fds)
{
	struct packet_header header = {.type = PACKET_READY, .sequence = 1, .status = status};
	struct ready_body body = {.version = PROTOCOL_VERSION};

	if (status == kIOReturnSuccess)
		body.page_length = sizeof(struct call_page);
	return packet_send(socket, &header, &body, sizeof(body), fds,
			   status == kIOReturnSuccess ? 3 : 0, false);
}

void
connection_refuse_take(int socket, uint32_t uid, IOReturn status)
{
	send_ready(socket, status, NULL);
	socket_close_foreign(&socket, uid);
}

/*
 * An app may say that it has read a MEMORY which it has not. Its descriptors count against this
 * process's user until it does: so no more of them have room than the smallest buffer takes.
 */
static void
narrow(int socket)
{
	const int smallest = 1;

	if (setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest)) < 0)
		log_info("a connection's socket keeps its room: %m");
}

/* Memory, doorbell, pipe. */
static IOReturn
furnish(struct opening *opening)
{
	struct connection *c = opening->connection;
	void *page = NULL;
	IOReturn res;

	c->charged = budget_take(sizeof(struct call_page));
	res = c->charged ? doorbell_create(&c->doorbell.fd) : kIOReturnNoResources;
	if (res == kIOReturnSuccess)
		res = bell_pipe_create(&opening->bell, &c->bell);
	if (res == kIOReturnSuccess)
		res = memfd_create_sealed("opendext-calls", sizeof(struct call_page),
					  &opening->page);
	if (res == kIOReturnSuccess)
		res = memfd_map(opening->page, 0, sizeof(struct call_page), true, false, NULL,
				&page);
	if (res == kIOReturnSuccess) {
		call_page_init(&c->page, page);
		c->page.page->received.is_ack = 1;
		res = memfd_seal_for_peer(opening->page, MEMFD_WRITABLE);
	}
	return res;
}

static struct opening *
prepare_take(struct loop *loop, IOService *service, int socket, int pidfd,
	     const struct host_open_body *who)
{
	pthread_condattr_t attributes;
	struct opening *opening = calloc(1, sizeof(*opening));
	struct connection *c = calloc(1, sizeof(*c));

	if (opening == NULL || c == NULL) {
		free(opening);
		free(c);
		fd_close(&pidfd);
		connection_refuse_take(socket, who->uid, kIOReturnNoMemory);
		return NULL;
	}
	*opening = (struct opening){.connection = c, .page = -1, .bell = -1};
	atomic_init(&c->references, 1);
	atomic_init(&c->socket_holders, 1); /* hang_up */
	c->loop = loop;
	OSRetain(service);
	c->service = service;
	c->who = *who;
	narrow(socket);
	c->socket = socket;
	c->hangup.fd = socket;
	c->pidfd.fd = pidfd;
	c->doorbell.fd = -1;
	c->bell = -1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->socket_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&c->answered, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&c->maps.lock, NULL);
	pthread_mutex_init(&c->ring_lock, NULL);
	for (uint32_t i = 0; i < CALL_PAGE_SLOTS; i++)
		c->structures[i] = (struct structures){.input = -1, .output = -1};
	calls_init(c);
	return opening;
}

static void
close_opening(struct opening *opening)
{
	fd_close(&opening->page);
	fd_close(&opening->bell);
	free(opening);
}

/* No user client was made, or none that is still alive. */
static void
refuse(struct opening *opening, IOReturn status)
{
	struct connection *c = opening->connection;

	log_info("process %d: open refused: %s", c->who.pid, status_string(status));
	close_opening(opening);
	send_ready(c->socket, status, NULL);
	OSRelease(c->client);
	OSRelease(c->service);
	places_give_back(c->who.uid);
	connection_release(c);
}

static void
dropped(struct work *work)
{
	refuse((struct opening *)((char *)work - offsetof(struct opening, work)), kIOReturnOffline);
}

/* The user client may have been terminated and stopped meanwhile. */
static IOReturn
greet(struct opening *opening)
{
	struct connection *c = opening->connection;
	IOReturn res = kIOReturnOffline;

	pthread_mutex_lock(&c->socket_lock);
	if (c->socket >= 0)
		res = send_ready(c->socket, kIOReturnSuccess,
				 (int[]){opening->page, c->doorbell.fd, opening->bell});
	pthread_mutex_unlock(&c->socket_lock);
	return res;
}

/* On the service's queue. */
static void
open_client(struct work *work)
{
	struct opening *opening = (struct opening *)((char *)work - offsetof(struct opening, work));
	struct connection *c = opening->connection;
	IOReturn res;

	/* Stop, which is work of this queue, too, may have had its turn already. */
	if (service_is_terminating(c->service)) {
		refuse(opening, kIOReturnOffline);
		return;
	}
	loop_will_block(c->loop);
	res = user_client_create(c->service, c->who.type, &c->client);
	loop_did_block(c->loop);
	if (res == kIOReturnSuccess) {
		/* For this function, since the connection may end at any time from now on; and for
		 * the users of its client. */
		connection_retain(c);
		connection_retain(c);
		atomic_store_explicit(&c->users, 1, memory_order_release);
		strncpy(c->class_name, OSObject_GetClassName(c->client), sizeof(c->class_name) - 1);
		/* Before it can hang up. */
		list(c);
		if (!service_watch((IOService *)c->client, on_terminate, give_back, c)) {
			unlist(c);
			connection_release(c);
			connection_release(c);
			res = kIOReturnOffline;
		}
	}
	if (res != kIOReturnSuccess) {
		refuse(opening, res);
		return;
	}
	/* Before it can bring a call. */
	if (recorder_is_on())
		record_opened(c);
	res = greet(opening);
	close_opening(opening);
	if (res == kIOReturnSuccess)
		res = listen_to(c);
	if (res != kIOReturnSuccess) {
		log_info("process %d: open: %s", c->who.pid, status_string(res));
		connection_end(c, NULL);
	}
	connection_release(c);
}

void
connection_open_take(struct loop *loop, IOService *service, int socket, int pidfd,
		     const struct host_open_body *who)
{
	struct opening *opening;
	IODispatchQueue *queue;
	const char *limit;
	IOReturn res;

	limit = places_take(who->uid);
	if (limit != NULL) {
		log_error("process %d: open refused: the limit of connections of a host is "
			  "reached: %s",
			  who->pid, limit);
		fd_close(&pidfd);
		connection_refuse_take(socket, who->uid, kIOReturnNoResources);
		return;
	}
	opening = prepare_take(loop, service, socket, pidfd, who);
	if (opening == NULL) {
		places_give_back(who->uid);
		return;
	}
	opening->work = (struct work){.run = open_client, .dropped = dropped};
	res = furnish(opening);
	queue = service_copy_queue(service, false);
	if (res != kIOReturnSuccess || service_is_terminating(service))
		refuse(opening, res != kIOReturnSuccess ? res : kIOReturnOffline);
	else if (queue == NULL)
		open_client(&opening->work);
	else
		queue_post(queue, &opening->work);
	OSRelease(queue);
}
