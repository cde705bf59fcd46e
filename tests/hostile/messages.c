/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are wrong, those that the enemy does not read, and rings. */
#include "attacks.h"
#include "echo.h"

#define ROUNDS 2000u

struct message {
	uint16_t type;
	uint16_t length; /* of the right body */
	uint8_t fds;
};

/* Each that there is, in either direction: those of others, too. */
static const struct message to_host[] = {
	{PACKET_STRUCTURES, sizeof(struct structures_body), 2},
	{PACKET_CLIENT_MEMORY, sizeof(struct client_memory_body), 0},
	{PACKET_ACK, 0, 0},
	{PACKET_READY, sizeof(struct ready_body), 3},
	{PACKET_MEMORY, sizeof(struct memory_body) + sizeof(struct memory_segment_body), 1},
	{PACKET_OPEN, sizeof(struct open_body), 0},
	{PACKET_HOST_START, 60, 1},
	{PACKET_HOST_OPEN, sizeof(struct host_open_body), 2},
	{PACKET_HOST_STOP, 0, 0},
	{PACKET_HOST_UNPLUG, 0, 0},
	{PACKET_HOST_SET_PROPERTIES, 60, 0},
	{PACKET_HOST_LIST, 0, 0},
};
static const struct message to_registry[] = {
	{PACKET_LOOKUP, 40, 0},
	{PACKET_PROPERTIES, sizeof(struct id_body), 0},
	{PACKET_OPEN, sizeof(struct open_body), 0},
	{PACKET_ENTRIES, sizeof(struct entries_body), 0},
	{PACKET_DESCRIBE, sizeof(struct describe_body), 0},
	{PACKET_DRIVER, sizeof(struct driver_body), 0},
	{PACKET_LOG, sizeof(struct log_body), 0},
	{PACKET_PLUG, 4, 0},
	{PACKET_UNPLUG, sizeof(struct id_body), 0},
	{PACKET_SET_PROPERTIES, 60, 0},
	{PACKET_WATCH, sizeof(struct watch_body), 0},
	{PACKET_UNWATCH, sizeof(struct id_body), 0},
	{PACKET_EVENT, sizeof(struct event_body), 0},
	{PACKET_HOST_STARTED, 0, 0},
	{PACKET_HOST_PUBLISH, 60, 0},
	{PACKET_HOST_UNPUBLISH, sizeof(struct id_body), 0},
	{PACKET_HOST_GONE, 0, 0},
	{PACKET_HOST_PROPERTIES_SET, sizeof(struct properties_set_body), 0},
	{PACKET_HOST_LISTING, sizeof(struct listing_body), 0},
	{PACKET_HOST_LISTED, 0, 0},
	{PACKET_HOST_OPEN, sizeof(struct host_open_body), 2},
};

enum wrong {
	TRUNCATED,
	OVERSIZED,
	REPEATED,
	FEWER_FDS,
	MORE_FDS,
	LIES_OF_FDS,
	LIES_OF_LENGTH,
};

#define KERNELS_MOST_FDS 253

/* The header as it is given, and so many descriptors. */
static void
send_raw(int socket, const struct packet_header *header, size_t length, unsigned fds)
{
	static union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(KERNELS_MOST_FDS * sizeof(int))];
	} control;
	struct iovec parts[] = {{(void *)header, sizeof(*header)}, {bytes, length}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	int number = STDERR_FILENO;

	if (fds > 0) {
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(fds * sizeof(int)),
						.cmsg_level = SOL_SOCKET,
						.cmsg_type = SCM_RIGHTS};
		for (unsigned i = 0; i < fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &number, sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
	}
	(void)!sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* With what it is, and twice with what it is not. */
static void
send_lies(int socket, const struct message *message, enum wrong wrong)
{
	struct packet_header header = {.type = message->type,
				       .length = (uint32_t)sizeof(header) + message->length,
				       .fd_count = message->fds};
	unsigned fds = message->fds;

	if (wrong == LIES_OF_FDS) {
		send_raw(socket, &header, message->length, KERNELS_MOST_FDS);
		send_raw(socket, &header, message->length, fds > 0 ? fds - 1 : 1);
		header.fd_count = UINT16_MAX;
		send_raw(socket, &header, message->length, fds);
		return;
	}
	header.length += 8;
	send_raw(socket, &header, message->length, fds);
	header.length = UINT32_MAX;
	send_raw(socket, &header, message->length, fds);
	header.length = 0;
	send_raw(socket, &header, message->length, fds);
}

static void
send_wrong(int socket, const struct message *message, enum wrong wrong)
{
	int fds[PACKET_FDS_MAX];
	unsigned count = message->fds;
	size_t length = message->length;

	for (unsigned i = 0; i < PACKET_FDS_MAX; i++)
		fds[i] = STDERR_FILENO;
	memset(bytes, 0, sizeof(bytes));
	/* One bit in each word, so that most of them are known values. */
	for (size_t i = 0; i < length; i += 8)
		bytes[i] = 1;
	if (wrong >= LIES_OF_FDS) {
		send_lies(socket, message, wrong);
		return;
	}
	if (wrong == TRUNCATED)
		length = length > 0 ? length - 1 : 0;
	if (wrong == OVERSIZED)
		length = PACKET_MAX - sizeof(struct packet_header);
	if (wrong == FEWER_FDS)
		count = count > 0 ? count - 1 : 0;
	if (wrong == MORE_FDS)
		count = PACKET_FDS_MAX;
	for (unsigned i = 0; i < (wrong == REPEATED ? 3u : 1u); i++)
		enemy_send(socket, message->type, bytes, length, fds, count);
}

static void
wrong_messages(enum wrong wrong)
{
	for (unsigned i = 0; i < sizeof(to_host) / sizeof(to_host[0]); i++) {
		enemy_open_first();
		send_wrong(enemies[0].socket, &to_host[i], wrong);
		enemy_submit(&enemies[0], 0);
		enemy_close(&enemies[0]);
	}
	for (unsigned i = 0; i < sizeof(to_registry) / sizeof(to_registry[0]); i++) {
		int registry = enemy_registry();

		send_wrong(registry, &to_registry[i], wrong);
		shutdown(registry, SHUT_WR);
		enemy_expect_end(registry);
		close(registry);
	}
}

void
truncated(void)
{
	wrong_messages(TRUNCATED);
}

void
oversized(void)
{
	wrong_messages(OVERSIZED);
}

void
repeated(void)
{
	wrong_messages(REPEATED);
}

void
fewer_fds(void)
{
	wrong_messages(FEWER_FDS);
}

void
more_fds(void)
{
	wrong_messages(MORE_FDS);
}

void
lies_of_fds(void)
{
	wrong_messages(LIES_OF_FDS);
}

void
lies_of_length(void)
{
	wrong_messages(LIES_OF_LENGTH);
}

/* An acknowledgement of nothing, memory that nobody asked for, structures of a later call. */
static void
host_out_of_order(void)
{
	static const uint16_t types[] = {PACKET_ACK, PACKET_CLIENT_MEMORY, PACKET_STRUCTURES};
	struct structures_body later = {.slot = 1, .generation = 9, .flags = STRUCTURES_INPUT};
	struct client_memory_body unasked = {.generation = 1, .status = kIOReturnError};
	int fd = STDERR_FILENO;

	for (unsigned i = 0; i < 3; i++) {
		struct call_request *request;

		enemy_open_first();
		if (types[i] == PACKET_STRUCTURES)
			enemy_send(enemies[0].socket, types[i], &later, sizeof(later), &fd, 1);
		else
			enemy_send(enemies[0].socket, types[i], &unasked,
				   types[i] == PACKET_ACK ? 0 : sizeof(unasked), NULL, 0);
		request = enemy_request(&enemies[0], 1, CALL_METHOD, ECHO_KEEP);
		request->flags = CALL_LARGE_INPUT;
		request->structure_in_size = 8192;
		enemy_submit(&enemies[0], 1);
		enemy_expect_end(enemies[0].socket);
		enemy_close(&enemies[0]);
	}
}

/* The acknowledgement of a mapping twice, and a request for it that comes again before its answer.
 */
static void
maps_out_of_order(void)
{
	struct call_request *request;
	int fd;

	enemy_open_first();
	NEED(enemy_map(&enemies[0], 0, &fd) == kIOReturnSuccess);
	close(fd);
	enemy_send(enemies[0].socket, PACKET_ACK, NULL, 0, NULL, 0);
	enemy_expect_end(enemies[0].socket);
	enemy_close(&enemies[0]);

	enemy_open_first();
	for (unsigned slot = 0; slot < 2; slot++) {
		request = enemy_request(&enemies[0], slot, CALL_MAP, 0);
		request->scalar_in_count = 1;
		enemy_submit(&enemies[0], slot);
	}
	/* The second one waits for an acknowledgement: so it is not answered. */
	call_page_submit(&enemies[0].page, 1);
	doorbell_ring(enemies[0].doorbell);
	enemy_expect_end(enemies[0].socket);
	enemy_close(&enemies[0]);
}

/* What only follows something else, and what may not follow itself. */
static void
registry_out_of_order(void)
{
	struct watch_body watch = {.watch = 5, .entry = enemy_service};
	struct open_body open = {.id = enemy_service, .version = PROTOCOL_VERSION};
	struct log_body log = {.after = UINT64_MAX, .flags = LOG_WAIT};
	const struct id_body unknown = {.id = 77};
	int registry = enemy_registry();

	enemy_send(registry, PACKET_UNWATCH, &unknown, sizeof(unknown), NULL, 0);
	enemy_expect_end(registry);
	close(registry);
	registry = enemy_registry();
	for (unsigned i = 0; i < 2; i++)
		enemy_send(registry, PACKET_WATCH, &watch, sizeof(watch), NULL, 0);
	enemy_expect_end(registry);
	close(registry);
	registry = enemy_registry();
	for (unsigned i = 0; i < 10; i++) {
		enemy_send(registry, PACKET_LOG, &log, sizeof(log), NULL, 0);
		enemy_send(registry, PACKET_OPEN, &open, sizeof(open), NULL, 0);
	}
	close(registry);
}

void
out_of_order(void)
{
	host_out_of_order();
	maps_out_of_order();
	registry_out_of_order();
}

/* --- not reading, ringing --- */

static void
map_type_0(struct enemy *enemy, unsigned slot)
{
	struct call_request *request = enemy_request(enemy, slot, CALL_MAP, 0);

	request->scalar_in_count = 1;
	enemy_submit(enemy, slot);
}

/* Completions and descriptors that it never takes. */
void
stops_reading(void)
{
	enemy_open_first();
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct call_request *request =
			enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_COMPLETE);

		request->flags = CALL_ASYNC;
		request->async_index = i % 1000;
		request->async_generation = i + 1;
		if (!enemy_call(&enemies[0], 0, ENEMY_WAIT))
			break;
	}
}

void
leaves_descriptors(void)
{
	struct open_body body = {.id = enemy_service, .version = PROTOCOL_VERSION};
	int registry = enemy_registry();

	enemy_open_first();
	for (unsigned slot = 0; slot < 64; slot++)
		map_type_0(&enemies[0], slot);
	for (unsigned i = 0; i < 20; i++)
		enemy_send(registry, PACKET_OPEN, &body, sizeof(body), NULL, 0);
}

void
asks_and_does_not_read(void)
{
	struct describe_body body = {.id = enemy_service};
	int registry = enemy_registry();

	for (unsigned i = 0; i < 100000; i++)
		if (enemy_send(registry, PACKET_DESCRIBE, &body, sizeof(body), NULL, 0) != 0)
			break;
}

void
rings_without_end(void)
{
	uint64_t end = clock_now() + NSEC_PER_SEC / 2;

	enemy_open_first();
	while (clock_now() < end)
		doorbell_ring(enemies[0].doorbell);
}

void
full_blocking_eventfd(void)
{
	const uint64_t most = UINT64_C(0xfffffffffffffffe);

	enemy_open_first();
	NEED(enemy_is_served(&enemies[0]));
	/* Full, or as full as it gets beside what is in it; then a ring would wait for ever. */
	(void)!write(enemies[0].doorbell, &most, sizeof(most));
	NEED(fcntl(enemies[0].doorbell, F_SETFL, 0) == 0);
	NEED(fcntl(enemies[0].bell, F_SETFL, 0) == 0);
}
