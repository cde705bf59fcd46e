/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry against hostile apps: the input is a row of packets, sent over two sockets. One
 * registry with a virtual device serves all inputs; after each one nothing of its sockets is left,
 * and what it plugged in is unplugged again.
 */
#include "objects.h"
#include "registry_scene.h"

#include "plist.h"

#define PLUGS_MAX 8u

static uint64_t known[3]; /* ids: of the device, its interface, and one of nobody */

/* What the input has plugged in. */
static struct {
	uint64_t ids[2 * PLUGS_MAX];
	unsigned asked, count;
} plugs;

static void
learn_ids(void)
{
	static const char *const classes[] = {"IOUSBHostDevice", "IOUSBHostInterface"};
	int fd = connect_registry();

	for (unsigned i = 0; i < 2; i++) {
		OSDictionary *matching = OSDictionaryCreate(1);
		void *bytes = NULL;
		size_t length = 0;

		OSDictionarySetStringValue(matching, "IOProviderClass", classes[i]);
		FUZZ_CHECK(plist_encode(matching, &bytes, &length) == kIOReturnSuccess);
		FUZZ_CHECK(ask(fd, PACKET_LOOKUP, bytes, length) == kIOReturnSuccess);
		FUZZ_CHECK(packet.body_length >= sizeof(known[i]));
		memcpy(&known[i], packet.body, sizeof(known[i]));
		free(bytes);
		OSRelease(matching);
	}
	known[2] = 12345;
	close(fd);
}

/* --- what is sent --- */

static uint64_t
pick_id(struct fuzz *fuzz)
{
	uint8_t which = fuzz_u8(fuzz);

	if (which >= 200 && which < 232 && plugs.count > 0)
		return plugs.ids[which % plugs.count];
	return which < 200 ? known[which % 3] : which;
}

static size_t
put_dictionary(struct fuzz *fuzz, uint8_t *body)
{
	unsigned budget = 40;
	OSDictionary *dictionary = fuzz_dictionary(fuzz, 0, &budget);
	void *bytes = NULL;
	size_t length = 0;

	if (plist_encode(dictionary, &bytes, &length) != kIOReturnSuccess || length > 20000)
		length = 0;
	memcpy(body, bytes != NULL ? bytes : "", length);
	free(bytes);
	OSRelease(dictionary);
	return length;
}

static size_t
put_spec(struct fuzz *fuzz, uint8_t *body)
{
	static const char *const specs[] = {"sink", "source:speed=full", "loopback:serial=x", "?"};
	const char *spec = specs[fuzz_u8(fuzz) % 4];

	/* Those that are plugged in have to be found and unplugged again. */
	if (plugs.asked++ >= PLUGS_MAX)
		spec = "?";
	memcpy(body, spec, strlen(spec));
	return strlen(spec);
}

/* The body of a right request; what the rest of the input changes of it is up to that. */
static size_t
put_body(struct fuzz *fuzz, uint16_t type, uint8_t *body)
{
	uint64_t id = pick_id(fuzz), watch[2];
	uint32_t words[4];

	memcpy(body, &id, sizeof(id));
	switch (type) {
	case PACKET_LOOKUP:
		return put_dictionary(fuzz, body);
	case PACKET_OPEN:
		words[0] = fuzz_u8(fuzz);
		words[1] = PROTOCOL_VERSION;
		words[2] = words[3] = 0;
		memcpy(body + sizeof(id), words, sizeof(words));
		return sizeof(id) + sizeof(words);
	case PACKET_ENTRIES:
	case PACKET_DESCRIBE:
		words[0] = fuzz_u8(fuzz) % 4;
		words[1] = type == PACKET_DESCRIBE ? 0 : fuzz_u8(fuzz) % 6;
		memcpy(body + sizeof(id), words, 2 * sizeof(words[0]));
		return sizeof(id) + 2 * sizeof(words[0]);
	case PACKET_PLUG:
		return put_spec(fuzz, body);
	case PACKET_SET_PROPERTIES:
		return sizeof(id) + put_dictionary(fuzz, body + sizeof(id));
	case PACKET_WATCH:
		watch[0] = fuzz_u8(fuzz) % 16;
		watch[1] = fuzz_u8(fuzz) & 1 ? id : 0;
		memcpy(body, watch, sizeof(watch));
		return sizeof(watch) +
		       (watch[1] == 0 ? put_dictionary(fuzz, body + sizeof(watch)) : 0);
	case PACKET_LOG: /* as the rest: none of what it could be about is there */
		memset(body + sizeof(id), 0, sizeof(struct log_body) - sizeof(id));
		body[2 * sizeof(id)] = fuzz_u8(fuzz) % 3;
		return sizeof(struct log_body);
	case PACKET_TRACE:
		memset(body + sizeof(id), 0, sizeof(struct trace_body) - sizeof(id));
		return sizeof(struct trace_body);
	case PACKET_UNWATCH:
		id = fuzz_u8(fuzz) % 16;
		memcpy(body, &id, sizeof(id));
		return sizeof(id);
	default:
		return sizeof(id);
	}
}

static bool
take_answer(int fd)
{
	if (receive_one(fd) != kIOReturnSuccess)
		return false;
	FUZZ_CHECK(packets_check(&packet, PACKET_REGISTRY_REPLY) == kIOReturnSuccess);
	if (packet.header->type == PACKET_PLUG && packet.header->status == 0) {
		FUZZ_CHECK(plugs.count < sizeof(plugs.ids) / sizeof(plugs.ids[0]));
		memcpy(&plugs.ids[plugs.count++], packet.body, sizeof(plugs.ids[0]));
	}
	packet_close_fds(&packet);
	return true;
}

static void
send_one(int fd, struct fuzz *fuzz)
{
	static const uint16_t types[] = {
		PACKET_LOOKUP, PACKET_PROPERTIES, PACKET_OPEN,	PACKET_ENTRIES,
		PACKET_PLUG,   PACKET_UNPLUG,	  PACKET_WATCH, PACKET_UNWATCH,
		PACKET_WATCH,  PACKET_DESCRIBE,	  PACKET_EVENT, PACKET_SET_PROPERTIES,
		PACKET_DRIVER, PACKET_LOG,	  PACKET_TRACE, PACKET_EVENT + 0x70,
	};
	static uint8_t body[65536];
	uint8_t what = fuzz_u8(fuzz), how = fuzz_u8(fuzz);
	struct packet_header header = {.type = types[what % 16], .sequence = what};
	int some = STDERR_FILENO;
	size_t length;

	memset(body, 0, 64);
	if (how < 240) {
		length = put_body(fuzz, header.type, body);
	} else { /* any bytes, but no specs that nobody knows of */
		if (header.type == PACKET_PLUG)
			header.type = PACKET_LOOKUP;
		length = fuzz_u8(fuzz);
		fuzz_fill(fuzz, body, length);
	}
	/* The device of all inputs stays. */
	if (header.type == PACKET_UNPLUG && memcmp(body, &known[0], sizeof(known[0])) == 0)
		body[0] ^= 0xff;
	if (how >= 200 && how < 216)
		length = length > 0 ? length - 1 : 0;
	header.status = how >= 216 && how < 224 ? -1 : 0;
	packet_send(fd, &header, body, length, &some, how >= 224 && how < 228 ? 1 : 0, false);
	/* What it says next may be about the device, or is to find it gone. */
	while ((header.type == PACKET_PLUG || header.type == PACKET_UNPLUG) && take_answer(fd) &&
	       packet.header->type != header.type)
		;
}

static void
attack(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	int fds[2], fd;

	if (known[0] == 0)
		learn_ids();
	memset(&plugs, 0, sizeof(plugs));
	fds[0] = connect_registry();
	fds[1] = connect_registry();
	for (unsigned i = 0; i < 32 && fuzz_left(&fuzz) > 0; i++)
		send_one(fds[i & 1], &fuzz);
	for (unsigned i = 0; i < 2; i++) {
		shutdown(fds[i], SHUT_WR);
		while (take_answer(fds[i]))
			;
		close(fds[i]);
	}
	fd = connect_registry();
	for (unsigned i = 0; i < plugs.count; i++)
		ask(fd, PACKET_UNPLUG, &plugs.ids[i], sizeof(plugs.ids[i]));
	/* It still answers. */
	FUZZ_CHECK(ask(fd, PACKET_PROPERTIES, &known[0], sizeof(known[0])) == kIOReturnSuccess);
	close(fd);
}

static void
start(void)
{
	struct registry_options options = {
		.plugging = true,
		.host_program = "/nonexistent/dext-host",
	};
	char error[REGISTRY_ERROR_MAX] = "";

	make_registry(&options, attack);
	FUZZ_CHECK(registry_add_virtual(registry, "sink", error) == kIOReturnSuccess);
	start_registry();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (registry == NULL)
		start();
	hand_over(data, size);
	return 0;
}
