/* SPDX-License-Identifier: Apache-2.0 */
/* sd-bus peer to peer, no bus daemon: a method call with 16 words each way, as an array. */
#include "peers.h"

#ifdef HAVE_SDBUS
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

static int
echo(sd_bus_message *message, void *context, sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	const void *words;
	size_t length;
	int res = sd_bus_message_read_array(message, 't', &words, &length);

	if (res >= 0)
		res = sd_bus_message_new_method_return(message, &reply);
	if (res >= 0)
		res = sd_bus_message_append_array(reply, 't', words, length);
	if (res >= 0)
		res = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return res;
}

static const sd_bus_vtable methods[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Echo", "at", "at", echo, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void
serve(int fd)
{
	sd_id128_t id;
	sd_bus *bus = NULL;

	sd_id128_randomize(&id);
	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
	    sd_bus_set_server(bus, 1, id) < 0 || sd_bus_set_anonymous(bus, 1) < 0 ||
	    sd_bus_set_trusted(bus, 1) < 0 ||
	    sd_bus_add_object_vtable(bus, NULL, "/bench", "org.opendext.Bench", methods, NULL) <
		    0 ||
	    sd_bus_start(bus) < 0)
		_exit(1);
	for (;;) {
		int res = sd_bus_process(bus, NULL);

		if (res < 0 || (res == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
			_exit(0);
	}
}

static uint64_t
once(void *state)
{
	uint64_t words[16] = {1, 2, 3};
	sd_bus_message *call = NULL, *reply = NULL;
	const void *got;
	size_t length;

	if (sd_bus_message_new_method_call(state, &call, NULL, "/bench", "org.opendext.Bench",
					   "Echo") < 0 ||
	    sd_bus_message_append_array(call, 't', words, sizeof(words)) < 0 ||
	    sd_bus_call(state, call, 0, NULL, &reply) < 0 ||
	    sd_bus_message_read_array(reply, 't', &got, &length) < 0)
		_exit(1);
	sd_bus_message_unref(call);
	sd_bus_message_unref(reply);
	return 0;
}

static bool
open_bus(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	sd_bus *bus = NULL;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0) {
		close(ends[0]);
		serve(ends[1]);
	}
	close(ends[1]);
	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, ends[0], ends[0]) < 0 ||
	    sd_bus_set_anonymous(bus, 1) < 0 || sd_bus_start(bus) < 0)
		return false;
	*ret_state = bus;
	return *ret_server > 0;
}
#else
static uint64_t
once(void *state)
{
	return 0;
}

static bool
open_bus(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return false;
}
#endif

const struct contestant sdbus_call = {
	.name = "sd-bus peer to peer",
	.open = open_bus,
	.once = once,
	.batch = 8,
};
