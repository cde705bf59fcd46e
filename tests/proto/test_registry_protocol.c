/* SPDX-License-Identifier: Apache-2.0 */
/* Raw bytes against the registry's socket: PROTOCOL.md, "App and registry". */
#define UNIT_TIMEOUT_SEC 60
#include "registry_fixture.h"
#include "unit.h"

#include "bounds.h"
#include "registry_names.h"
#include "registry_private.h"
#include "said.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t
look_up(int fd, const char *class_name)
{
	OSDictionary *matching = OSDictionaryCreate(1);

	OSDictionarySetStringValue(matching, "IOProviderClass", class_name);
	return look_up_take(fd, matching);
}

static uint64_t
look_up_number(int fd, const char *key, uint64_t value)
{
	OSDictionary *matching = OSDictionaryCreate(1);

	OSDictionarySetUInt64Value(matching, key, value);
	return look_up_take(fd, matching);
}

START_TEST(answers)
{
	struct id_body wanted;
	struct open_body open = {.version = PROTOCOL_VERSION};
	OSObject *properties = NULL;
	uint64_t number = 0;
	int fd;

	set_up();
	fd = connect_registry();
	ck_assert_uint_eq(look_up(fd, "Nothing"), 0);
	wanted.id = look_up(fd, "IOUSBHostInterface");
	ck_assert_uint_ne(wanted.id, 0);
	ck_assert_int_eq(ask(fd, PACKET_PROPERTIES, &wanted, sizeof(wanted)), kIOReturnSuccess);
	ck_assert_int_eq(plist_decode(packet.body, packet.body_length, &properties),
			 kIOReturnSuccess);
	ck_assert(OSDictionaryGetUInt64Value((OSDictionary *)properties, "idVendor", &number));
	ck_assert_uint_eq(number, 0x1209);
	ck_assert(
		OSDictionaryGetUInt64Value((OSDictionary *)properties, "bInterfaceClass", &number));
	ck_assert_uint_eq(number, 0xff);
	ck_assert_str_eq(OSDictionaryGetStringValue((OSDictionary *)properties, "dext_device"),
			 "virtual:sink");
	OSRelease(properties);
	open.id = wanted.id;
	ck_assert_int_eq(ask(fd, PACKET_OPEN, &open, sizeof(open)), kIOReturnUnsupported);
	ck_assert_uint_eq(packet.body_length, 0);
	ck_assert_uint_eq(packet.fd_count, 0);
	wanted.id++;
	open.id++;
	ck_assert_int_eq(ask(fd, PACKET_PROPERTIES, &wanted, sizeof(wanted)), kIOReturnNotFound);
	ck_assert_int_eq(ask(fd, PACKET_OPEN, &open, sizeof(open)), kIOReturnNotFound);
	ck_assert_int_eq(ask(fd, PACKET_LOOKUP, "nonsense", 8), kIOReturnBadArgument);
	close(fd);
	tear_down();
}
END_TEST

static uint64_t
ids_in_reply(unsigned index)
{
	uint64_t id = 0;

	ck_assert_uint_ge(packet.body_length, (index + 1) * sizeof(id));
	memcpy(&id, packet.body + index * sizeof(id), sizeof(id));
	return id;
}

static IOReturn
ask_entries(int fd, uint64_t id, enum plane plane, enum entry_relation relation)
{
	const struct entries_body body = {.id = id, .plane = plane, .relation = relation};

	return ask(fd, PACKET_ENTRIES, &body, sizeof(body));
}

/* The caller releases it. */
static OSDictionary *
ask_description(int fd, uint64_t id, enum plane plane)
{
	const struct describe_body body = {.id = id, .plane = plane};
	OSObject *object = NULL;

	ck_assert_int_eq(ask(fd, PACKET_DESCRIBE, &body, sizeof(body)), kIOReturnSuccess);
	ck_assert_int_eq(plist_decode(packet.body, packet.body_length, &object), kIOReturnSuccess);
	return OSDynamicCast(OSDictionary, object);
}

START_TEST(entries_are_related_and_described)
{
	OSDictionary *description;
	uint64_t interface, device, root;
	const struct describe_body unknown = {.id = 1};
	int fd;

	set_up();
	fd = connect_registry();
	interface = look_up(fd, "IOUSBHostInterface");
	device = look_up(fd, "IOUSBDevice");
	ck_assert_int_eq(ask_entries(fd, interface, PLANE_SERVICE, ENTRY_ABOVE), 0);
	ck_assert_uint_eq(packet.body_length, 16);
	ck_assert_uint_eq(ids_in_reply(0), device);
	root = ids_in_reply(1);
	ck_assert_int_eq(ask_entries(fd, root, PLANE_USB, ENTRY_BELOW), 0);
	ck_assert_uint_eq(packet.body_length, 8);
	ck_assert_uint_eq(ids_in_reply(0), device);
	ck_assert_int_eq(ask_entries(fd, interface, PLANE_USB, ENTRY_PARENTS), 0);
	ck_assert_uint_eq(packet.body_length, 0);
	ck_assert_int_eq(ask_entries(fd, 1, PLANE_SERVICE, ENTRY_CHILDREN), kIOReturnNotFound);
	ck_assert_int_eq(ask(fd, PACKET_DESCRIBE, &unknown, sizeof(unknown)), kIOReturnNotFound);

	description = ask_description(fd, interface, PLANE_SERVICE);
	ck_assert_str_eq(OSDictionaryGetStringValue(description, "Class"), "IOUSBHostInterface");
	ck_assert_str_eq(OSDictionaryGetStringValue(description, "Path"),
			 "IOService:/OpenDext sink@80100000/IOUSBHostInterface@0");
	ck_assert_str_eq(OSDictionaryGetStringValue(description, "Location"), "0");
	ck_assert_ptr_nonnull(OSDictionaryGetValue(description, "Busy"));
	OSRelease(description);
	description = ask_description(fd, interface, PLANE_NONE);
	ck_assert_ptr_null(OSDictionaryGetValue(description, "Path"));
	OSRelease(description);
	description = ask_description(fd, interface, PLANE_USB);
	ck_assert_ptr_null(OSDictionaryGetValue(description, "Path"));
	OSRelease(description);
	/* The root is no service. */
	ck_assert_uint_eq(look_up_number(fd, "IORegistryEntryID", root), 0);
	ck_assert_uint_eq(look_up_number(fd, "IORegistryEntryID", device), device);
	close(fd);
	tear_down();
}
END_TEST

/* What no app may send; its connection ends, and nobody else's. */
static const struct {
	const char *what;
	struct packet_header header;
	size_t body;
	uint8_t fill;
	bool with_fd;
	int32_t length_error; /* added to the length field */
} broken[] = {
	{"unknown type", {.type = 0x0777}, 8, 0, false, 0},
	{"a reply's status", {.type = PACKET_PROPERTIES, .status = 5}, 8, 1, false, 0},
	{"short id", {.type = PACKET_PROPERTIES}, 7, 1, false, 0},
	{"long id", {.type = PACKET_PROPERTIES}, 9, 1, false, 0},
	{"flags", {.type = PACKET_OPEN}, sizeof(struct open_body), 0xff, false, 0},
	{"short open", {.type = PACKET_OPEN}, 8, 0, false, 0},
	{"an unknown plane", {.type = PACKET_ENTRIES}, sizeof(struct entries_body), 7, false, 0},
	{"no plane", {.type = PACKET_ENTRIES}, sizeof(struct entries_body), 0, false, 0},
	{"entries of half a body", {.type = PACKET_ENTRIES}, 8, 1, false, 0},
	{"padding", {.type = PACKET_DESCRIBE}, sizeof(struct describe_body), 1, false, 0},
	{"describe and more",
	 {.type = PACKET_DESCRIBE},
	 sizeof(struct describe_body) + 1,
	 0,
	 false,
	 0},
	{"a descriptor", {.type = PACKET_PROPERTIES}, 8, 1, true, 0},
	{"no matching dictionary", {.type = PACKET_LOOKUP}, 0, 0, false, 0},
	{"an empty spec", {.type = PACKET_PLUG}, 0, 'a', false, 0},
	{"a spec that is no text", {.type = PACKET_PLUG}, 8, 0x07, false, 0},
	{"a spec of other letters", {.type = PACKET_PLUG}, 8, 0xe4, false, 0},
	{"a spec that is too long", {.type = PACKET_PLUG}, DEXT_SPEC_MAX + 1, 'a', false, 0},
	{"a spec and a descriptor", {.type = PACKET_PLUG}, 8, 'a', true, 0},
	{"unplug of nothing", {.type = PACKET_UNPLUG}, 8, 0, false, 0},
	{"unplug of half an id", {.type = PACKET_UNPLUG}, 4, 1, false, 0},
	{"a host's news", {.type = PACKET_HOST_GONE}, 0, 0, false, 0},
	{"a host's packet", {.type = PACKET_HOST_UNPUBLISH}, 8, 1, false, 0},
	{"a packet for a host", {.type = PACKET_HOST_STOP}, 0, 0, false, 0},
	{"length too large", {.type = PACKET_PROPERTIES}, 8, 1, false, 1},
	{"length too small", {.type = PACKET_PROPERTIES}, 8, 1, false, -1},
};

static void
send_broken(int fd, unsigned index)
{
	uint8_t bytes[sizeof(struct packet_header) + DEXT_SPEC_MAX + 1];
	struct packet_header header = broken[index].header;
	int sent = open("/dev/null", O_RDONLY | O_CLOEXEC);

	memset(bytes, broken[index].fill, sizeof(bytes));
	if (broken[index].length_error == 0) {
		ck_assert_int_eq(packet_send(fd, &header, bytes, broken[index].body, &sent,
					     broken[index].with_fd ? 1 : 0, true),
				 kIOReturnSuccess);
	} else {
		header.length = (uint32_t)((int32_t)(sizeof(header) + broken[index].body) +
					   broken[index].length_error);
		memcpy(bytes, &header, sizeof(header));
		ck_assert_int_gt(send(fd, bytes, sizeof(header) + broken[index].body, 0), 0);
	}
	close(sent);
}

START_TEST(ends_whoever_breaks_the_rules)
{
	int fd, other;

	set_up();
	other = connect_registry();
	fd = connect_registry();
	send_broken(fd, (unsigned)_i);
	ck_assert_msg(packet_receive(fd, &packet, true) == kIOReturnOffline, "%s", broken[_i].what);
	ck_assert_uint_ne(look_up(other, "IOUSBHostDevice"), 0);
	close(fd);
	close(other);
	tear_down();
}
END_TEST

START_TEST(a_fragment_ends_it_too)
{
	int fd, other;

	set_up();
	other = connect_registry();
	fd = connect_registry();
	ck_assert_int_eq(send(fd, "abc", 3, 0), 3);
	ck_assert_int_eq(packet_receive(fd, &packet, true), kIOReturnOffline);
	ck_assert_uint_ne(look_up(other, "IOUSBHostDevice"), 0);
	close(fd);
	close(other);
	tear_down();
}
END_TEST

static IOReturn
ask_plug(int fd, const char *spec, uint64_t *ret_id)
{
	IOReturn status = ask(fd, PACKET_PLUG, spec, strlen(spec));

	if (status == kIOReturnSuccess)
		*ret_id = ids_in_reply(0);
	return status;
}

static IOReturn
ask_unplug(int fd, uint64_t id)
{
	const struct id_body body = {.id = id};

	return ask(fd, PACKET_UNPLUG, &body, sizeof(body));
}

static void
check_reason(const char *text)
{
	ck_assert_msg(memmem(packet.body, packet.body_length, text, strlen(text)) != NULL,
		      "no '%s' in '%.*s'", text, (int)packet.body_length, packet.body);
}

/* No driver matches here: plugging alone. */
START_TEST(plugs_up_to_the_limit)
{
	uint64_t ids[DEXT_LIMIT_DEVICES], id = 0;
	int fd;

	set_up(); /* with one device */
	fd = connect_registry();
	for (unsigned i = 1; i < DEXT_LIMIT_DEVICES; i++)
		ck_assert_int_eq(ask_plug(fd, "sink", &ids[i]), kIOReturnSuccess);
	said_listen();
	ck_assert_int_eq(ask_plug(fd, "sink", &id), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_DEVICES");
	check_reason("DEXT_LIMIT_DEVICES");
	ck_assert_int_eq(ask_unplug(fd, ids[7]), kIOReturnSuccess);
	ck_assert_uint_eq(look_up_number(fd, "IORegistryEntryID", ids[7]), 0);
	ck_assert_int_eq(ask_plug(fd, "sink", &id), kIOReturnSuccess);
	ck_assert_int_eq(ask_plug(fd, "sink", &id), kIOReturnNoResources);
	ck_assert_int_eq(ask_unplug(fd, ids[7]), kIOReturnNotFound);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(refuses_what_cannot_be_plugged)
{
	char longest[DEXT_SPEC_MAX + 1];
	uint64_t id = 0;
	int fd;

	set_up();
	fd = connect_registry();
	ck_assert_int_eq(ask_plug(fd, "floppy", &id), kIOReturnBadArgument);
	check_reason("no model 'floppy'");
	memset(longest, 'x', DEXT_SPEC_MAX);
	longest[DEXT_SPEC_MAX] = '\0';
	ck_assert_int_eq(ask_plug(fd, longest, &id), kIOReturnBadArgument);
	check_reason("no model 'xxx");
	ck_assert_int_eq(ask_unplug(fd, look_up(fd, "IOUserResources")), kIOReturnUnsupported);
	ck_assert_int_eq(ask_unplug(fd, look_up(fd, "IOUSBHostInterface")), kIOReturnNotFound);
	check_reason("is no device's id");
	close(fd);
	tear_down();
}
END_TEST

START_TEST(who_unplugs_and_goes_changes_nothing)
{
	struct packet_header header = {.type = PACKET_UNPLUG, .sequence = 1};
	struct id_body body;
	int fd, other;

	set_up();
	other = connect_registry();
	for (unsigned i = 0; i < 200; i++) {
		ck_assert_int_eq(ask_plug(other, "sink", &body.id), kIOReturnSuccess);
		fd = connect_registry();
		ck_assert_int_eq(packet_send(fd, &header, &body, sizeof(body), NULL, 0, true),
				 kIOReturnSuccess);
		close(fd);
		while (look_up_number(other, "IORegistryEntryID", body.id) != 0)
			;
	}
	close(other);
	tear_down();
}
END_TEST

START_TEST(does_not_wait_for_who_does_not_read)
{
	struct packet_header header = {.type = PACKET_PROPERTIES, .sequence = 1};
	struct id_body body = {.id = 1};
	IOReturn status = kIOReturnSuccess;
	unsigned sent = 0;
	int fd, other;

	set_up();
	other = connect_registry();
	fd = connect_registry();
	body.id = look_up(other, "IOUSBHostDevice");
	while (status == kIOReturnSuccess && sent++ < 100000)
		status = packet_send(fd, &header, &body, sizeof(body), NULL, 0, true);
	ck_assert_int_eq(status, kIOReturnOffline);
	ck_assert_uint_ne(look_up(other, "IOUSBHostDevice"), 0);
	close(fd);
	close(other);
	tear_down();
}
END_TEST

START_TEST(serves_up_to_the_limit)
{
	static int fds[DEXT_LIMIT_REGISTRY_CLIENTS];
	struct rlimit files;
	int past;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_msg(files.rlim_max > 4 * DEXT_LIMIT_REGISTRY_CLIENTS,
		      "ulimit -Hn is too small for this test");
	set_up();
	for (unsigned i = 0; i < DEXT_LIMIT_REGISTRY_CLIENTS; i++)
		fds[i] = connect_registry();
	ck_assert_uint_ne(look_up(fds[DEXT_LIMIT_REGISTRY_CLIENTS - 1], "IOUSBHostDevice"), 0);
	/* It is told why, also if it has asked already. */
	for (unsigned asked = 0; asked < 2; asked++) {
		struct packet_header header = {.type = PACKET_PROPERTIES, .sequence = 1};
		struct id_body body = {.id = 1};

		said_listen();
		past = connect_registry();
		if (asked)
			packet_send(past, &header, &body, sizeof(body), NULL, 0, true);
		ck_assert_int_eq(packet_receive(past, &packet, true), kIOReturnSuccess);
		said_expect("DEXT_LIMIT_REGISTRY_CLIENTS");
		ck_assert_int_eq(packet.header->status, kIOReturnNoResources);
		ck_assert_uint_eq(packet.header->sequence, 0);
		ck_assert_int_eq(packet_receive(past, &packet, true), kIOReturnOffline);
		close(past);
	}
	/* One goes, one comes; that it has gone is seen by the registry sooner or later. */
	close(fds[0]);
	for (bool served = false; !served;) {
		struct packet_header header = {.type = PACKET_PROPERTIES, .sequence = 1};
		struct id_body body = {.id = 1};

		past = connect_registry();
		served = packet_send(past, &header, &body, sizeof(body), NULL, 0, true) ==
				 kIOReturnSuccess &&
			 packet_receive(past, &packet, true) == kIOReturnSuccess &&
			 packet.header->sequence == 1;
		close(past);
	}
	for (unsigned i = 1; i < DEXT_LIMIT_REGISTRY_CLIENTS; i++)
		close(fds[i]);
	tear_down();
}
END_TEST

START_TEST(serves_a_user_up_to_a_share)
{
	static int fds[DEXT_LIMIT_REGISTRY_CLIENTS_USER];
	char path[128];
	int past;

	set_up();
	registry->shared = true; /* nobody is connected yet */
	for (unsigned i = 0; i < DEXT_LIMIT_REGISTRY_CLIENTS_USER; i++)
		fds[i] = connect_registry();
	ck_assert_uint_ne(look_up(fds[DEXT_LIMIT_REGISTRY_CLIENTS_USER - 1], "IOUSBHostDevice"), 0);
	said_listen();
	past = connect_registry();
	ck_assert_int_eq(packet_receive(past, &packet, true), kIOReturnSuccess);
	said_expect("DEXT_LIMIT_REGISTRY_CLIENTS_USER");
	ck_assert_int_eq(packet.header->status, kIOReturnNoResources);
	close(past);
	/* Another user's is let in: only root can be one. */
	if (geteuid() == 0) {
		snprintf(path, sizeof(path), "%s/%s", directory, REGISTRY_SOCKET_NAME);
		ck_assert_int_eq(chmod(directory, 0755), 0);
		ck_assert_int_eq(chmod(path, 0666), 0);
		ck_assert_int_eq(syscall(SYS_setresuid, -1, 65534, -1), 0);
		past = connect_registry();
		ck_assert_int_eq(syscall(SYS_setresuid, -1, 0, -1), 0);
		ck_assert_uint_ne(look_up(past, "IOUSBHostDevice"), 0);
		close(past);
	}
	for (unsigned i = 0; i < DEXT_LIMIT_REGISTRY_CLIENTS_USER; i++)
		close(fds[i]);
	tear_down();
}
END_TEST

UNIT_LOOP_MAIN("registry_protocol", {answers, 1}, {entries_are_related_and_described, 1},
	       {ends_whoever_breaks_the_rules, sizeof(broken) / sizeof(broken[0])},
	       {a_fragment_ends_it_too, 1}, {plugs_up_to_the_limit, 1},
	       {refuses_what_cannot_be_plugged, 1}, {who_unplugs_and_goes_changes_nothing, 1},
	       {does_not_wait_for_who_does_not_read, 1}, {serves_up_to_the_limit, 1},
	       {serves_a_user_up_to_a_share, 1})
