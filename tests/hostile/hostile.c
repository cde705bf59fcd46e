/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile app: `hostile ATTACK SERVICE` does what ATTACK says to the service (its registry
 * id) of the test driver Echo, says "ready" when it has, and keeps whatever it holds until its
 * standard input ends. `hostile` alone lists the attacks.
 *
 * The registry's directory is OPENDEXT_RUNTIME_DIR. test_hostile.c starts it and looks at what it
 * does to others.
 */
#include "enemy.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ECHO_ECHO     0
#define ECHO_COMPLETE 1
#define ECHO_KEEP     6
#define ROUNDS	      2000u

static struct enemy enemies[300];
static struct packet packet;
static uint8_t bytes[PACKET_MAX + 4096];

static void
open_first(void)
{
	NEED(enemy_open(&enemies[0]) == kIOReturnSuccess);
}

/* --- messages --- */

struct message {
	uint16_t type;
	uint16_t length; /* of the right body */
	uint8_t fds;
};

static const struct message to_host[] = {
	{PACKET_STRUCTURES, sizeof(struct structures_body), 2},
	{PACKET_CLIENT_MEMORY, sizeof(struct client_memory_body), 0},
	{PACKET_ACK, 0, 0},
	/* Those of others. */
	{PACKET_READY, sizeof(struct ready_body), 3},
	{PACKET_MEMORY, sizeof(struct memory_body) + sizeof(struct memory_segment_body), 1},
	{PACKET_OPEN, sizeof(struct open_body), 0},
	{PACKET_HOST_STOP, 0, 0},
};
static const struct message to_registry[] = {
	{PACKET_LOOKUP, 40, 0},
	{PACKET_PROPERTIES, sizeof(struct id_body), 0},
	{PACKET_OPEN, sizeof(struct open_body), 0},
	{PACKET_ENTRIES, sizeof(struct entries_body), 0},
	{PACKET_DESCRIBE, sizeof(struct describe_body), 0},
	{PACKET_PLUG, 4, 0},
	{PACKET_UNPLUG, sizeof(struct id_body), 0},
	{PACKET_SET_PROPERTIES, 60, 0},
	{PACKET_WATCH, sizeof(struct watch_body), 0},
	{PACKET_UNWATCH, sizeof(struct id_body), 0},
	{PACKET_EVENT, sizeof(struct event_body), 0},
	{PACKET_HOST_PUBLISH, 60, 0},
	{PACKET_HOST_OPEN, sizeof(struct host_open_body), 2},
};

enum wrong {
	TRUNCATED,
	OVERSIZED,
	REPEATED,
	FEWER_FDS,
	MORE_FDS,
};

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
		open_first();
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

static void
truncated(void)
{
	wrong_messages(TRUNCATED);
}

static void
oversized(void)
{
	wrong_messages(OVERSIZED);
}

static void
repeated(void)
{
	wrong_messages(REPEATED);
}

static void
fewer_fds(void)
{
	wrong_messages(FEWER_FDS);
}

static void
more_fds(void)
{
	wrong_messages(MORE_FDS);
}

/* An acknowledgement of nothing, memory that nobody asked for, structures of a later call. */
static void
out_of_order(void)
{
	static const uint16_t types[] = {PACKET_ACK, PACKET_CLIENT_MEMORY, PACKET_STRUCTURES};
	struct structures_body later = {.slot = 1, .generation = 9, .flags = STRUCTURES_INPUT};
	struct client_memory_body unasked = {.generation = 1, .status = kIOReturnError};
	int fd = STDERR_FILENO;

	for (unsigned i = 0; i < 3; i++) {
		struct call_request *request;

		open_first();
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

/* --- descriptors --- */

static int
make_memory(size_t length, unsigned seals)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	NEED(fd >= 0 && ftruncate(fd, (off_t)length) == 0);
	NEED(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

/* Hands the file over as a large output of a method that keeps and maps it; closes it. */
static IOReturn
hand_over(struct enemy *enemy, int fd, uint64_t size)
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
	close(fd);
	return enemy->page.page->slot[0].reply.status;
}

static void
wrong_kinds(void)
{
	char path[] = "/tmp/hostile-XXXXXX";
	int kinds[9], pair[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	kinds[0] = open("/", O_DIRECTORY | O_CLOEXEC);
	kinds[1] = pair[0];
	kinds[2] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	kinds[3] = make_memory(8192, 0);
	kinds[4] = eventfd(0, EFD_CLOEXEC);
	kinds[5] = mkostemp(path, O_CLOEXEC);
	NEED(kinds[5] >= 0 && ftruncate(kinds[5], INT64_C(1) << 40) == 0 && unlink(path) == 0);
	kinds[6] = make_memory(4096, F_SEAL_SHRINK);		    /* too short */
	kinds[7] = make_memory(8192, F_SEAL_SHRINK | F_SEAL_WRITE); /* not to be written */
	kinds[8] = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	open_first();
	for (unsigned i = 0; i < 9; i++)
		NEED(hand_over(&enemies[0], kinds[i], 8192) != kIOReturnSuccess);
	close(pair[1]);
	NEED(enemy_is_served(&enemies[0]));
}

/* 512 GiB that are not there: refused, and nothing of them made. */
static void
sparse_file(void)
{
	open_first();
	NEED(hand_over(&enemies[0], make_memory(UINT64_C(512) << 30, F_SEAL_SHRINK),
		       UINT64_C(512) << 30) != kIOReturnSuccess);
	NEED(enemy_is_served(&enemies[0]));
}

static void
truncates(void)
{
	int fd = make_memory(65536, F_SEAL_SHRINK), kept = dup(fd);

	open_first();
	NEED(hand_over(&enemies[0], fd, 65536) == kIOReturnSuccess);
	NEED(ftruncate(kept, 0) < 0 && errno == EPERM);
	NEED(fallocate(kept, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536) == 0);
	NEED(enemy_is_served(&enemies[0]));
}

/* --- shared memory --- */

static _Atomic bool scribbling;

static void *
scribble(void *context)
{
	struct call_page *page = context;
	uint64_t seed = 1;

	while (atomic_load(&scribbling)) {
		struct call_request *request = &page->slot[seed >> 60 & 3].request;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		request->structure_in_size = seed >> 40;
		request->structure_out_size = seed >> 30 & 0xffff;
		request->scalar_in_count = (uint32_t)(seed >> 50);
		request->scalar_out_count = (uint32_t)(seed >> 33);
		request->flags = (uint16_t)(seed >> 62);
		page->data[0].input[seed % 4096] = (uint8_t)seed;
		page->slot[0].reply.scalar_out_count = (uint32_t)seed;
	}
	return NULL;
}

/* The request changes while the host looks at it; each connection ends at the first bad catch. */
static void
changes_memory(void)
{
	for (unsigned round = 0; round < 40; round++) {
		pthread_t thread;

		open_first();
		atomic_store(&scribbling, true);
		NEED(pthread_create(&thread, NULL, scribble, enemies[0].page.page) == 0);
		for (unsigned i = 0; i < 200; i++) {
			struct call_request *request =
				enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_ECHO);

			request->structure_in_size = request->structure_out_size = 4096;
			if (!enemy_call(&enemies[0], 0, NSEC_PER_SEC / 10))
				break;
		}
		atomic_store(&scribbling, false);
		pthread_join(thread, NULL);
		enemy_close(&enemies[0]);
	}
}

static void
forges_indices(void)
{
	static const uint32_t values[] = {1, 1023, 1025, 0x7fffffff, 0x80000000u, UINT32_MAX};

	for (unsigned i = 0; i < 18; i++) {
		struct call_page *page;
		struct call_request *request;

		open_first();
		page = enemies[0].page.page;
		request = enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_COMPLETE);
		request->flags = CALL_ASYNC;
		request->async_index = i < 6 ? values[i] : 0;
		request->async_generation = 1;
		if (i >= 6 && i < 12)
			atomic_store(&page->head.index, values[i - 6]);
		if (i >= 12)
			atomic_store(&page->submitted.bits, values[i - 12] * UINT64_C(0x100000001));
		enemy_submit(&enemies[0], 0);
		enemy_call(&enemies[0], 1, NSEC_PER_SEC / 20);
		enemy_close(&enemies[0]);
	}
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
static void
stops_reading(void)
{
	open_first();
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
leaves_descriptors(void)
{
	struct open_body body = {.id = enemy_service, .version = PROTOCOL_VERSION};
	int registry = enemy_registry();

	open_first();
	for (unsigned slot = 0; slot < 64; slot++)
		map_type_0(&enemies[0], slot);
	for (unsigned i = 0; i < 20; i++)
		enemy_send(registry, PACKET_OPEN, &body, sizeof(body), NULL, 0);
}

static void
asks_and_does_not_read(void)
{
	struct describe_body body = {.id = enemy_service};
	int registry = enemy_registry();

	for (unsigned i = 0; i < 100000; i++)
		if (enemy_send(registry, PACKET_DESCRIBE, &body, sizeof(body), NULL, 0) != 0)
			break;
}

static void
rings_without_end(void)
{
	uint64_t end = clock_now() + NSEC_PER_SEC / 2;

	open_first();
	while (clock_now() < end)
		doorbell_ring(enemies[0].doorbell);
}

static void
full_blocking_eventfd(void)
{
	const uint64_t most = UINT64_C(0xfffffffffffffffe);

	open_first();
	NEED(enemy_is_served(&enemies[0]));
	/* Full, or as full as it gets beside what is in it; then a ring would wait for ever. */
	(void)!write(enemies[0].doorbell, &most, sizeof(most));
	NEED(fcntl(enemies[0].doorbell, F_SETFL, 0) == 0);
	NEED(fcntl(enemies[0].bell, F_SETFL, 0) == 0);
}

/* --- limits --- */

static void
opens_to_the_limit(void)
{
	unsigned count = 0;
	IOReturn status;

	while ((status = enemy_open(&enemies[count])) == kIOReturnSuccess)
		NEED(++count < 300);
	NEED(status == kIOReturnNoResources && count >= 200);
	/* Others are to be served again while it still has a few. */
	while (count > 8)
		enemy_close(&enemies[--count]);
}

static void
connects_to_the_limit(void)
{
	for (unsigned count = 0; count < 900; count++)
		enemy_registry();
}

static void
make_watches(int registry, unsigned first, unsigned count)
{
	struct watch_body body = {.entry = enemy_service};

	for (unsigned i = 0; i < count; i++) {
		body.watch = first + i;
		if (enemy_send(registry, PACKET_WATCH, &body, sizeof(body), NULL, 0) ==
		    kIOReturnOffline)
			return;
	}
}

/* More than a user may have, and reads no answer. */
static void
watches_to_the_limit(void)
{
	for (unsigned i = 0; i < 8; i++)
		make_watches(enemy_registry(), 1, DEXT_LIMIT_WATCHES + 10);
}

static void
opens_and_closes(void)
{
	for (unsigned i = 0; i < 300; i++) {
		struct call_request *request;

		open_first();
		request = enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_ECHO);
		request->scalar_in_count = request->scalar_out_count = 1;
		enemy_submit(&enemies[0], 0);
		enemy_close(&enemies[0]);
	}
}

/* It plugs in and pulls out, and what it watches is told to a process that does not run. */
static void
is_stopped_while_events_wait(void)
{
	static const char matching[] = "<plist><dict><key>IOProviderClass</key>"
				       "<string>IOUSBHostDevice</string></dict></plist>";
	struct watch_body body = {.watch = 1};
	int watching = enemy_registry(), plugging = enemy_registry();

	memcpy(bytes, &body, sizeof(body));
	memcpy(bytes + sizeof(body), matching, sizeof(matching) - 1);
	NEED(enemy_send(watching, PACKET_WATCH, bytes, sizeof(body) + sizeof(matching) - 1, NULL,
			0) == 0);
	for (unsigned i = 0; i < 50; i++) {
		struct id_body device;

		NEED(enemy_send(plugging, PACKET_PLUG, "sink", 4, NULL, 0) == 0);
		NEED(enemy_receive(plugging, &packet) && packet.header->status == 0);
		memcpy(&device, packet.body, sizeof(device));
		NEED(enemy_send(plugging, PACKET_UNPLUG, &device, sizeof(device), NULL, 0) == 0);
		NEED(enemy_receive(plugging, &packet) && packet.header->status == 0);
	}
	make_watches(watching, 2, 1000);
	printf("ready\n");
	fflush(stdout);
	raise(SIGSTOP);
}

/* More than an app's calls, and what the driver keeps of them, may be. */
static void
keeps_to_the_limit(void)
{
	const uint64_t most = DEXT_LIMIT_PEER_BYTES;

	open_first();
	NEED(hand_over(&enemies[0], make_memory(most / 2, F_SEAL_SHRINK), most / 2) ==
	     kIOReturnSuccess);
	NEED(hand_over(&enemies[0], make_memory(most, F_SEAL_SHRINK), most) ==
	     kIOReturnNoResources);
	NEED(enemy_is_served(&enemies[0]));
}

/* --- processes --- */

/* Its children have everything that it has, and outlive it: they end with the standard input. */
static void
leaves_child(void)
{
	open_first();
	if (fork() != 0)
		return;
	if (fork() == 0) {
		fcntl(enemies[0].socket, F_SETFD, 0);
		fcntl(enemies[0].doorbell, F_SETFD, 0);
		execl("/bin/cat", "cat", (char *)NULL);
		_exit(127);
	}
	while (read(STDIN_FILENO, bytes, 1) > 0)
		;
	_exit(0);
}

static void
dies_with_child(void)
{
	leaves_child();
	printf("ready\n");
	fflush(stdout);
	_exit(0);
}

static void
is_stopped(void)
{
	open_first();
	map_type_0(&enemies[0], 0);
	printf("ready\n");
	fflush(stdout);
	raise(SIGSTOP);
}

/* Whatever it has of the driver's that is not its own to write: the call page's size and seals. */
static void
writes_and_cuts(void)
{
	struct memory_body body;
	int fd;

	open_first();
	map_type_0(&enemies[0], 0);
	NEED(enemy_receive(enemies[0].socket, &packet) && packet.header->type == PACKET_MEMORY);
	memcpy(&body, packet.body, sizeof(body));
	fd = packet.fds[0];
	NEED(ftruncate(fd, 0) < 0 && ftruncate(fd, 1 << 30) < 0);
	NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0);
	NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	packet_close_fds(&packet);
	NEED(enemy_is_served(&enemies[0]));
}

static const struct {
	const char *name;
	void (*run)(void);
} attacks[] = {
	{"each message truncated", truncated},
	{"each message oversized", oversized},
	{"each message repeated", repeated},
	{"messages out of order", out_of_order},
	{"too few descriptors", fewer_fds},
	{"too many descriptors", more_fds},
	{"descriptors of the wrong kind", wrong_kinds},
	{"a huge sparse file", sparse_file},
	{"truncates what it handed over", truncates},
	{"changes shared memory between check and use", changes_memory},
	{"forges indices", forges_indices},
	{"stops reading completions", stops_reading},
	{"leaves messages with descriptors unread", leaves_descriptors},
	{"asks the registry and does not read", asks_and_does_not_read},
	{"rings without end", rings_without_end},
	{"makes its eventfd blocking and full", full_blocking_eventfd},
	{"opens to the limit", opens_to_the_limit},
	{"connects to the registry without end", connects_to_the_limit},
	{"watches to the limit", watches_to_the_limit},
	{"opens and closes without end", opens_and_closes},
	{"is stopped while events wait", is_stopped_while_events_wait},
	{"hands memory over to the limit", keeps_to_the_limit},
	{"cuts and seals mapped memory", writes_and_cuts},
	{"forks and execs with the connection open", leaves_child},
	{"dies and leaves a child with the connection", dies_with_child},
	{"is stopped", is_stopped},
};

int
main(int argc, char **argv)
{
	if (argc < 3) {
		for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
			puts(attacks[i].name);
		return argc == 1 ? 0 : 2;
	}
	signal(SIGPIPE, SIG_IGN);
	enemy_service = strtoull(argv[2], NULL, 0);
	for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(attacks[i].name, argv[1]) != 0)
			continue;
		attacks[i].run();
		printf("ready\n");
		fflush(stdout);
		while (read(STDIN_FILENO, bytes, 1) > 0)
			;
		/* What it leaks is the attack: no sanitizer is to look for that, and wait. */
		_exit(0);
	}
	return 2;
}
