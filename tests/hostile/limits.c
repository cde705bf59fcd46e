/* SPDX-License-Identifier: Apache-2.0 */
/* As much of everything as it can get. */
#include "attacks.h"
#include "echo.h"

#include <signal.h>

void
opens_to_the_limit(void)
{
	unsigned count = 0;
	IOReturn status;

	while ((status = enemy_open(&enemies[count])) == kIOReturnSuccess)
		NEED(++count < ENEMIES);
	/* Of a user who is one of several, fewer. */
	NEED(status == kIOReturnNoResources && count >= DEXT_LIMIT_CONNECTIONS_USER - 8);
	/* Others are to be served again while it still has a few. */
	while (count > 8)
		enemy_close(&enemies[--count]);
}

void
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

/* Every buffer that one app may have, and one more. */
void
maps_to_the_limit(void)
{
	unsigned count = 0;
	IOReturn status;
	int fd;

	enemy_open_first();
	while ((status = enemy_map(&enemies[0], ECHO_TYPE_NEW, &fd)) == kIOReturnSuccess) {
		close(fd);
		count++;
	}
	NEED(status == kIOReturnNoResources && count == DEXT_LIMIT_BUFFERS_CLIENT);
	NEED(enemy_is_served(&enemies[0]));
}

/* More than a user may have, and reads no answer. */
void
watches_to_the_limit(void)
{
	for (unsigned i = 0; i < 8; i++)
		make_watches(enemy_registry(), 1, DEXT_LIMIT_WATCHES + 10);
}

/* Every place that it gets of those who see what the host records. */
void
looks_on_to_the_limit(void)
{
	const struct trace_body body = {.driver = 1};
	int registry = enemy_registry();
	unsigned count = 0;
	IOReturn status;

	do {
		int socket;

		NEED(enemy_send(registry, PACKET_TRACE, &body, sizeof(body), NULL, 0) == 0);
		NEED(enemy_receive(registry, &packet) && packet.header->status == 0);
		socket = packet_take_fd(&packet, 0);
		NEED(enemy_receive(socket, &packet));
		packet_close_fds(&packet);
		status = packet.header->status;
	} while (status == kIOReturnSuccess && ++count <= DEXT_LIMIT_TRACES);
	NEED(status == kIOReturnNoResources);
	NEED(count == DEXT_LIMIT_TRACES || count == DEXT_LIMIT_TRACES_USER);
}

void
opens_and_closes(void)
{
	for (unsigned i = 0; i < 300; i++) {
		struct call_request *request;

		enemy_open_first();
		request = enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_ECHO);
		request->scalar_in_count = request->scalar_out_count = 1;
		enemy_submit(&enemies[0], 0);
		enemy_close(&enemies[0]);
	}
}

/* It plugs in and pulls out, and what it watches is told to a process that does not run. */
void
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
void
keeps_to_the_limit(void)
{
	const uint64_t most = DEXT_LIMIT_PEER_BYTES;

	enemy_open_first();
	NEED(enemy_hand_over(&enemies[0], enemy_memory(most / 2, F_SEAL_SHRINK), most / 2) ==
	     kIOReturnSuccess);
	NEED(enemy_hand_over(&enemies[0], enemy_memory(most, F_SEAL_SHRINK), most) ==
	     kIOReturnNoResources);
	NEED(enemy_is_served(&enemies[0]));
}
