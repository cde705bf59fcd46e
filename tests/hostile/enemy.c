/* SPDX-License-Identifier: Apache-2.0 */
/* Connects, opens, calls and maps: in bytes, without libiokit. */
#include "enemy.h"

#include "echo.h"

uint64_t enemy_service;
pid_t enemy_host, enemy_daemon;
struct enemy enemies[ENEMIES];
struct packet packet;
uint8_t bytes[PACKET_MAX + 4096];

int
enemy_registry(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%s",
		 getenv("OPENDEXT_RUNTIME_DIR"), REGISTRY_SOCKET_NAME);
	NEED(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

IOReturn
enemy_send(int socket, uint16_t type, const void *body, size_t length, const int *fds,
	   unsigned count)
{
	struct packet_header header = {.type = type, .sequence = 7};

	return packet_send(socket, &header, body, length, fds, count, false);
}

void
enemy_insist(int socket, uint16_t type, const void *body, size_t length)
{
	struct packet_header header = {.type = type, .sequence = 7};

	packet_send(socket, &header, body, length, NULL, 0, true);
}

bool
enemy_receive(int socket, struct packet *into)
{
	struct pollfd item = {.fd = socket, .events = POLLIN};

	return poll(&item, 1, 10000) == 1 &&
	       packet_receive(socket, into, false) == kIOReturnSuccess;
}

void
enemy_expect_end(int socket)
{
	while (enemy_receive(socket, &packet))
		packet_close_fds(&packet);
}

IOReturn
enemy_open(struct enemy *enemy)
{
	struct open_body body = {.id = enemy_service, .version = PROTOCOL_VERSION};
	int registry = enemy_registry();
	IOReturn status;

	memset(enemy, 0, sizeof(*enemy));
	NEED(enemy_send(registry, PACKET_OPEN, &body, sizeof(body), NULL, 0) == 0);
	NEED(enemy_receive(registry, &packet));
	status = packet.header->status;
	close(registry);
	if (status != kIOReturnSuccess)
		return status;
	enemy->socket = packet_take_fd(&packet, 0);
	if (!enemy_receive(enemy->socket, &packet))
		return kIOReturnOffline;
	status = packet.header->status;
	if (status != kIOReturnSuccess) {
		close(enemy->socket);
		return status;
	}
	enemy->page.page = mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED,
				packet.fds[0], 0);
	NEED(enemy->page.page != MAP_FAILED);
	close(packet_take_fd(&packet, 0));
	enemy->doorbell = packet_take_fd(&packet, 1);
	enemy->bell = packet_take_fd(&packet, 2);
	return kIOReturnSuccess;
}

void
enemy_close(struct enemy *enemy)
{
	close(enemy->socket);
	close(enemy->doorbell);
	close(enemy->bell);
	munmap(enemy->page.page, sizeof(struct call_page));
}

struct call_request *
enemy_request(struct enemy *enemy, unsigned slot, uint16_t operation, uint64_t selector)
{
	struct call_request *request = &enemy->page.page->slot[slot].request;

	memset(request, 0, sizeof(*request));
	request->generation = ++enemy->generations[slot];
	request->operation = operation;
	request->selector = selector;
	return request;
}

void
enemy_submit(struct enemy *enemy, unsigned slot)
{
	if (call_page_submit(&enemy->page, slot))
		doorbell_ring(enemy->doorbell);
}

bool
enemy_call(struct enemy *enemy, unsigned slot, uint64_t wait)
{
	uint64_t deadline = clock_now() + wait;

	enemy_submit(enemy, slot);
	while (!call_page_wait(&enemy->page, slot, enemy->generations[slot],
			       clock_now() + NSEC_PER_MSEC)) {
		struct pollfd item = {.fd = enemy->socket, .events = POLLRDHUP};

		if (poll(&item, 1, 0) == 1 || clock_now() > deadline)
			return false;
		doorbell_ring(enemy->doorbell);
	}
	return true;
}

bool
enemy_is_served(struct enemy *enemy)
{
	struct call_request *request = enemy_request(enemy, 63, CALL_METHOD, 0);

	request->scalar_in_count = request->scalar_out_count = 1;
	request->scalars[0] = 5;
	return enemy_call(enemy, 63, ENEMY_WAIT) &&
	       enemy->page.page->slot[63].reply.scalars[0] == 5;
}

void
enemy_open_first(void)
{
	NEED(enemy_open(&enemies[0]) == kIOReturnSuccess);
}

/* False: there is none. */
static bool
take_memory(struct enemy *enemy, int *ret_fd)
{
	struct packet_header acknowledged = {.type = PACKET_ACK};
	struct pollfd item = {.fd = enemy->socket, .events = POLLIN};

	if (poll(&item, 1, 0) != 1)
		return false;
	NEED(enemy_receive(enemy->socket, &packet) && packet.header->type == PACKET_MEMORY);
	*ret_fd = packet_take_fd(&packet, 0);
	acknowledged.sequence = packet.header->sequence;
	packet_send(enemy->socket, &acknowledged, NULL, 0, NULL, 0, false);
	return true;
}

IOReturn
enemy_map(struct enemy *enemy, uint64_t type, int *ret_fd)
{
	IOReturn status;

	enemy_request(enemy, 0, CALL_MAP, type)->scalar_in_count = 1;
	NEED(enemy_call(enemy, 0, ENEMY_WAIT));
	status = enemy->page.page->slot[0].reply.status;
	/* It comes before the answer. */
	NEED(take_memory(enemy, ret_fd) == (status == kIOReturnSuccess));
	return status;
}

int
enemy_memory(size_t length, unsigned seals)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	NEED(fd >= 0 && ftruncate(fd, (off_t)length) == 0);
	NEED(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

IOReturn
enemy_give(struct enemy *enemy, int fd, uint64_t size)
{
	struct call_request *request = enemy_request(enemy, 0, CALL_METHOD, ECHO_KEEP);
	struct structures_body body = {
		.slot = 0,
		.generation = request->generation,
		.flags = STRUCTURES_OUTPUT,
	};

	NEED(enemy_send(enemy->socket, PACKET_STRUCTURES, &body, sizeof(body), &fd, 1) == 0);
	request->flags = CALL_LARGE_OUTPUT;
	request->structure_out_size = size;
	request->scalar_out_count = 1;
	NEED(enemy_call(enemy, 0, ENEMY_WAIT));
	return enemy->page.page->slot[0].reply.status;
}

IOReturn
enemy_hand_over(struct enemy *enemy, int fd, uint64_t size)
{
	IOReturn status = enemy_give(enemy, fd, size);

	close(fd);
	return status;
}
