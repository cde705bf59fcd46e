/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are wrong, those that the enemy does not read, and rings. */
#include "attacks.h"
#include "echo.h"
#include "right.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#define ROUNDS	2000u
#define UNREAD	100u /* answers that fit into a socket */
#define OPENING 8u   /* connections: an own user's opens leave none to others */

enum wrong {
	TRUNCATED,
	OVERSIZED,
	REPEATED,
	FEWER_FDS,
	MORE_FDS,
	LIES_OF_FDS,
	LIES_OF_LENGTH,
};

#define VARIANTS	 3u
#define KERNELS_MOST_FDS 253u

/* What is sent, and what its header says of that. */
struct sent {
	size_t length; /* of the body */
	unsigned fds, times;
	uint32_t said_length;
	uint16_t said_fds;
};

static struct sent
make_wrong(const struct message *message, enum wrong wrong, unsigned variant)
{
	const size_t length = message->length, most = PACKET_MAX - sizeof(struct packet_header);
	const unsigned fds = message->fds;
	struct sent sent = {.length = length, .fds = fds, .times = 1};

	if (wrong == TRUNCATED)
		sent.length = (const size_t[]){0, length / 2, length > 0 ? length - 1 : 0}[variant];
	if (wrong == OVERSIZED)
		sent.length = (const size_t[]){length + 1, most, sizeof(bytes)}[variant];
	if (wrong == REPEATED)
		sent.times = (const unsigned[]){2, 3, 50}[variant];
	if (wrong == FEWER_FDS)
		sent.fds = variant > 0 && fds > 0 ? fds - 1 : 0;
	if (wrong == MORE_FDS)
		sent.fds = (const unsigned[]){fds + 1, PACKET_FDS_MAX, KERNELS_MOST_FDS}[variant];
	sent.said_length = (uint32_t)(sizeof(struct packet_header) + sent.length);
	sent.said_fds = (uint16_t)sent.fds;
	if (wrong == LIES_OF_FDS) {
		sent.fds =
			(const unsigned[]){KERNELS_MOST_FDS, fds > 0 ? fds - 1 : 1, fds}[variant];
		if (variant == 2)
			sent.said_fds = UINT16_MAX;
	}
	if (wrong == LIES_OF_LENGTH)
		sent.said_length = (const uint32_t[]){sent.said_length + 8, UINT32_MAX, 0}[variant];
	return sent;
}

static void
send_wrong(int socket, const struct message *message, const struct sent *sent)
{
	static union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(KERNELS_MOST_FDS * sizeof(int))];
	} control;
	static int number = -1;
	struct packet_header header = {.type = message->type,
				       .sequence = 7,
				       .length = sent->said_length,
				       .fd_count = sent->said_fds};
	struct iovec parts[] = {{&header, sizeof(header)}, {bytes, sent->length}};
	struct msghdr outer = {.msg_iov = parts, .msg_iovlen = 2};

	if (number < 0)
		number = enemy_memory(8192, F_SEAL_SHRINK);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, message->body, message->length);
	if (sent->fds > 0) {
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sent->fds * sizeof(int)),
						.cmsg_level = SOL_SOCKET,
						.cmsg_type = SCM_RIGHTS};
		for (unsigned i = 0; i < sent->fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &number, sizeof(int));
		outer.msg_control = &control;
		outer.msg_controllen = CMSG_SPACE(sent->fds * sizeof(int));
	}
	for (unsigned i = 0; i < sent->times; i++)
		(void)!sendmsg(socket, &outer, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* On a connection of its own: it ends with the first message that breaks a rule. */
static void
send_to_both(const struct message *message, const struct sent *sent)
{
	int registry = enemy_registry();

	enemy_open_first();
	send_wrong(enemies[0].socket, message, sent);
	enemy_submit(&enemies[0], 0);
	enemy_close(&enemies[0]);
	send_wrong(registry, message, sent);
	shutdown(registry, SHUT_WR);
	enemy_expect_end(registry);
	close(registry);
}

/* Each that there is, in either direction: those of others, too. */
static void
wrong_messages(enum wrong wrong)
{
	struct message message;

	for (unsigned type = RIGHT_FIRST; type <= RIGHT_LAST; type++) {
		if (!right_message((enum packet_type)type, &message))
			continue;
		for (unsigned variant = 0; variant < VARIANTS; variant++) {
			struct sent sent = make_wrong(&message, wrong, variant);

			send_to_both(&message, &sent);
		}
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

static void
wait_until_all_is_taken(int socket)
{
	int left = 1;

	while (ioctl(socket, SIOCOUTQ, &left) == 0 && left > 0)
		poll(NULL, 0, 1);
}

/* The kernel counts what is under way against who has sent it: the host, and the registry. */
void
leaves_descriptors(void)
{
	struct open_body open = {.id = enemy_service, .version = PROTOCOL_VERSION};
	struct trace_body trace = {.driver = 1};

	enemy_open_first();
	for (unsigned slot = 0; slot < CALL_PAGE_SLOTS; slot++)
		map_type_0(&enemies[0], slot);
	for (unsigned i = 0; i < DEXT_LIMIT_REGISTRY_CLIENTS_USER - 16; i++) {
		int registry = enemy_registry();

		for (unsigned k = 0; k < UNREAD; k++)
			if (i < OPENING)
				enemy_insist(registry, PACKET_OPEN, &open, sizeof(open));
			else
				enemy_insist(registry, PACKET_TRACE, &trace, sizeof(trace));
		wait_until_all_is_taken(registry);
	}
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
