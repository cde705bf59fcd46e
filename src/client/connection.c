/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection: READY, open, and then broken (by the host) or closed (by the app).
 *
 * State changes only away from open, once: whoever changes it shuts the socket down. Memory that is
 * shared with the host stays mapped until the last reference goes, because another thread may be in
 * a call; the driver's memory stays mapped until the app closes, also when the connection is
 * broken.
 *
 * In a forked child a connection is a thing to leave alone: no lock of it is taken, its descriptors
 * were closed by the fork handler and its call page is not mapped (MADV_DONTFORK).
 */
#include "connection_private.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "clock.h"
#include "doorbell.h"
#include "fork.h"
#include "log.h"
#include "map.h"
#include "memfd.h"
#include "packets.h"
#include "sharing.h"
#include "status.h"
#include "uncancelled.h"

#define CLOSE_WAIT_MSEC 1000

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *list; /* [list_lock] */
static size_t list_count;	/* [list_lock] */

static void
link_in(struct connection *connection)
{
	pthread_mutex_lock(&list_lock);
	connection->next = list;
	if (list != NULL)
		list->previous = connection;
	list = connection;
	list_count++;
	pthread_mutex_unlock(&list_lock);
}

static void
take_out(struct connection *connection)
{
	pthread_mutex_lock(&list_lock);
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else if (list == connection)
		list = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	list_count--;
	pthread_mutex_unlock(&list_lock);
}

bool
connection_is_inherited(const struct connection *connection)
{
	return connection->epoch != fork_epoch();
}

static struct connection *
create(uint64_t service)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	connection->packet = calloc(1, sizeof(*connection->packet));
	if (connection->packet == NULL) {
		free(connection);
		return NULL;
	}
	atomic_init(&connection->references, 1);
	atomic_init(&connection->state, CONNECTION_OPEN);
	connection->epoch = fork_epoch();
	connection->service = service;
	connection->socket = connection->doorbell = connection->bell = -1;
	connection->free_slots = UINT64_MAX;
	pthread_mutex_init(&connection->slot_lock, NULL);
	pthread_mutex_init(&connection->ring_lock, NULL);
	pthread_mutex_init(&connection->map_lock, NULL);
	return connection;
}

static void
destroy(struct connection *connection)
{
	UNCANCELLED;

	assert(connection->maps == NULL);
	async_table_free(&connection->async);
	if (connection->client.page != NULL)
		munmap(connection->client.page, sizeof(*connection->client.page));
	fd_close(&connection->socket);
	fd_close(&connection->doorbell);
	fd_close(&connection->bell);
	pthread_mutex_destroy(&connection->slot_lock);
	pthread_mutex_destroy(&connection->ring_lock);
	pthread_mutex_destroy(&connection->map_lock);
	free(connection->packet);
	free(connection);
}

void
connection_retain(struct connection *connection)
{
	/* Whoever retains holds a reference already, or the table's lock over one. */
	atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
}

void
connection_release(struct connection *connection)
{
	/* Pairs with itself: the last owner sees what the others did. */
	if (atomic_fetch_sub_explicit(&connection->references, 1, memory_order_acq_rel) != 1)
		return;
	if (connection_is_inherited(connection))
		return;
	take_out(connection);
	destroy(connection);
}

/* PROTOCOL.md 2.2: the call page is sealed against shrinking and as long as the version says. */
static IOReturn
map_page(struct connection *connection, int fd)
{
	struct call_page *page;
	IOReturn status;

	status = memfd_check_peer(fd, sizeof(*page));
	if (status != kIOReturnSuccess)
		return kIOReturnIPCError;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return status_from_errno(errno, "mmap of the call page");
	connection->client.page = page;
	if (madvise(page, sizeof(*page), MADV_DONTFORK) < 0)
		return status_from_errno(errno, "MADV_DONTFORK");
	return call_page_is_valid(page) ? kIOReturnSuccess : kIOReturnIPCError;
}

static IOReturn
adopt_bells(struct connection *connection)
{
	IOReturn status = doorbell_adopt(connection->doorbell);

	if (status == kIOReturnSuccess)
		status = bell_pipe_adopt(&connection->bell);
	if (status == kIOReturnIPCError)
		log_error("the host's doorbell or bell is none");
	return status;
}

static IOReturn
accept_ready(struct connection *connection, struct packet *packet)
{
	struct ready_body body;
	IOReturn status;

	memcpy(&body, packet->body, sizeof(body));
	if (body.version != PROTOCOL_VERSION || body.flags != 0 ||
	    body.page_length != sizeof(struct call_page)) {
		log_error("the host speaks another version of the protocol (%u)", body.version);
		return kIOReturnIPCError;
	}
	connection->doorbell = packet_take_fd(packet, 1);
	connection->bell = packet_take_fd(packet, 2);
	status = map_page(connection, packet->fds[0]);
	if (status == kIOReturnIPCError)
		log_error("the host's call page is none");
	if (status == kIOReturnSuccess)
		status = adopt_bells(connection);
	return status;
}

/* The first packet: READY, with the status of the driver's NewUserClient. */
static IOReturn
receive_ready(struct connection *connection)
{
	struct packet *packet = connection->packet;
	IOReturn status;

	status = packet_receive(connection->socket, packet, true);
	if (status == kIOReturnSuccess)
		status = packets_check(packet, PACKET_FROM_HOST);
	if (status == kIOReturnSuccess && packet->header->type != PACKET_READY) {
		log_error("the host began with a packet of type 0x%x", packet->header->type);
		status = kIOReturnIPCError;
	}
	if (status == kIOReturnSuccess)
		status = packet->header->status;
	if (status == kIOReturnSuccess)
		status = packet->fd_count == 3 ? accept_ready(connection, packet)
					       : kIOReturnIPCError;
	packet_close_fds(packet);
	return status;
}

IOReturn
connection_open_take(int socket, uint64_t service, struct connection **ret_connection)
{
	struct connection *connection;
	IOReturn status;

	fork_watch();
	connection = create(service);
	if (connection == NULL) {
		fd_close(&socket);
		return kIOReturnNoMemory;
	}
	connection->socket = socket;
	link_in(connection);
	status = receive_ready(connection);
	if (status != kIOReturnSuccess) {
		connection_release(connection);
		return status;
	}
	*ret_connection = connection;
	return kIOReturnSuccess;
}

/* Whether this call changed the state. */
static bool
leave_open(struct connection *connection, enum connection_state state)
{
	uint32_t open = CONNECTION_OPEN;

	/* Pairs with the loads in connection_status and connection_pending_status. */
	if (!atomic_compare_exchange_strong_explicit(&connection->state, &open, state,
						     memory_order_acq_rel, memory_order_acquire))
		return false;
	call_page_wake(&connection->client);
	return true;
}

IOReturn
connection_status(const struct connection *connection)
{
	/* Pairs with leave_open; a call that misses the change finds it while it waits. */
	if (connection_is_inherited(connection) ||
	    atomic_load_explicit(&connection->state, memory_order_acquire) != CONNECTION_OPEN)
		return MACH_SEND_INVALID_DEST;
	return kIOReturnSuccess;
}

IOReturn
connection_pending_status(const struct connection *connection)
{
	/* Pairs with leave_open. */
	switch (atomic_load_explicit(&connection->state, memory_order_acquire)) {
	case CONNECTION_OPEN:
		return kIOReturnSuccess;
	case CONNECTION_CLOSED:
		return kIOReturnAborted;
	default:
		return kIOReturnOffline;
	}
}

bool
connection_check(struct connection *connection)
{
	UNCANCELLED;
	struct pollfd item = {.fd = connection->socket, .events = POLLRDHUP};

	if (connection_pending_status(connection) != kIOReturnSuccess)
		return false;
	if (poll(&item, 1, 0) <= 0 || item.revents == 0)
		return true;
	if (leave_open(connection, CONNECTION_BROKEN)) {
		shutdown(connection->socket, SHUT_RDWR);
		log_info("the driver's process has gone");
	}
	return false;
}

void
connections_check(void)
{
	pthread_mutex_lock(&list_lock);
	for (struct connection *at = list; at != NULL; at = at->next)
		/* Pairs with hangups_watch. One that is being opened has nothing to look at yet. */
		if (atomic_load_explicit(&at->watched, memory_order_seq_cst) &&
		    !connection_check(at))
			call_page_wake(&at->client);
	pthread_mutex_unlock(&list_lock);
}

IOReturn
connection_break(struct connection *connection, const char *rule)
{
	UNCANCELLED;

	if (leave_open(connection, CONNECTION_BROKEN)) {
		shutdown(connection->socket, SHUT_RDWR);
		log_error("connection ended, the host broke a rule: %s", rule);
	}
	return kIOReturnIPCError;
}

uint64_t
connection_step(uint64_t deadline)
{
	uint64_t now;

	if (deadline == 0)
		return CALL_WAIT_STEP;
	now = clock_now();
	if (now >= deadline)
		return 0;
	return deadline - now < CALL_WAIT_STEP ? deadline - now : CALL_WAIT_STEP;
}

uint64_t
connection_step_end(uint64_t deadline)
{
	uint64_t end = clock_recent() + CALL_WAIT_STEP;

	return deadline != 0 && deadline < end ? deadline : end;
}

IOReturn
connection_send(struct connection *connection, struct packet_header *header, const void *body,
		size_t length, const int *fds, unsigned fd_count, uint64_t deadline)
{
	UNCANCELLED;
	struct pollfd room = {.fd = connection->socket, .events = POLLOUT};
	IOReturn status;

	/* Not a sendmsg that waits: it ends neither at the deadline nor when the app closes. */
	while ((status = packet_send(connection->socket, header, body, length, fds, fd_count,
				     false)) == kIOReturnBusy) {
		uint64_t step = connection_step(deadline);

		if (step == 0)
			return kIOReturnTimeout;
		poll(&room, 1, (int)(step / NSEC_PER_MSEC) + 1);
		if (!connection_check(connection))
			return connection_pending_status(connection);
	}
	return status;
}

uint64_t
connection_service(const struct connection *connection)
{
	return connection->service;
}

/* False: its last reference has gone, and whoever gave that up waits for the list's lock. */
static bool
retain_listed(struct connection *connection)
{
	uint32_t references = atomic_load_explicit(&connection->references, memory_order_relaxed);

	while (references != 0)
		if (atomic_compare_exchange_weak_explicit(&connection->references, &references,
							  references + 1, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}

struct connection **
connections_copy(uint64_t service, size_t *ret_count)
{
	struct connection **copy;
	size_t count = 0;

	pthread_mutex_lock(&list_lock);
	copy = list_count > 0 ? calloc(list_count, sizeof(struct connection *)) : NULL;
	for (struct connection *at = list; copy != NULL && at != NULL; at = at->next) {
		/* One that is being opened has no call page yet, so nothing to drain. */
		if ((service == 0 || at->service == service) && at->client.page != NULL &&
		    retain_listed(at))
			copy[count++] = at;
	}
	pthread_mutex_unlock(&list_lock);
	*ret_count = count;
	return copy;
}

void
connection_ring(struct connection *connection)
{
	if (connection_status(connection) == kIOReturnSuccess &&
	    call_page_tell(&connection->client))
		doorbell_ring(connection->doorbell);
}

int
connection_bell(const struct connection *connection)
{
	return connection->bell;
}

/* PROTOCOL.md 2.2, "Closing": what still comes is read and dropped until the host hangs up. */
static void
await_hang_up(struct connection *connection)
{
	uint64_t deadline = clock_now() + CLOSE_WAIT_MSEC * NSEC_PER_MSEC;
	struct packet *packet = connection->packet;
	struct pollfd item = {.fd = connection->socket, .events = POLLIN};
	IOReturn status = kIOReturnNotReady;

	while (status == kIOReturnSuccess || status == kIOReturnNotReady ||
	       status == kIOReturnNoResources) {
		uint64_t now = clock_now();

		if (now >= deadline) {
			log_info("the driver has not stopped its user client within a second");
			return;
		}
		if (poll(&item, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1) <= 0)
			continue;
		status = packet_receive(connection->socket, packet, false);
		packet_close_fds(packet);
	}
}

void
connection_close(struct connection *connection)
{
	bool was_open;

	if (connection_is_inherited(connection)) {
		map_forget_inherited(connection);
		return;
	}
	was_open = leave_open(connection, CONNECTION_CLOSED);
	/* A map call in flight returns within a step, and then nobody else reads the socket. */
	pthread_mutex_lock(&connection->map_lock);
	if (was_open) {
		shutdown(connection->socket, SHUT_WR);
		await_hang_up(connection);
		shutdown(connection->socket, SHUT_RDWR);
	} else {
		atomic_store_explicit(&connection->state, CONNECTION_CLOSED, memory_order_release);
	}
	map_remove_all_locked(connection);
	pthread_mutex_unlock(&connection->map_lock);
	sharing_undo(connection);
	ring_forget_all(connection);
}

void
connections_fork_prepare(void)
{
	pthread_mutex_lock(&list_lock);
}

void
connections_fork_parent(void)
{
	pthread_mutex_unlock(&list_lock);
}

void
connections_fork_child(void)
{
	for (struct connection *at = list; at != NULL; at = at->next) {
		fd_close(&at->socket);
		fd_close(&at->doorbell);
		fd_close(&at->bell);
		at->client.page = NULL;
	}
	list = NULL;
	list_count = 0;
	pthread_mutex_unlock(&list_lock);
}
