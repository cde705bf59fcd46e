/* SPDX-License-Identifier: Apache-2.0 */
/* A host that does its worst on its control socket. Its process is an eventfd here. */
#include "registry_fixture.h"

#include "bounds.h"
#include "registry_private.h"
#include "said.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

static char bundle[] = "/tmp/opendext-bundle-XXXXXX";
static char info_path[64], program[64];
static int control = -1, ended = -1;

static const char info[] =
	"<plist><dict><key>CFBundleIdentifier</key><string>org.example.hostile</string>"
	"<key>CFBundleExecutable</key><string>driver</string>"
	"<key>CFBundlePackageType</key><string>DEXT</string>"
	"<key>IOKitPersonalities</key><dict><key>One</key><dict>"
	"<key>IOProviderClass</key><string>IOUSBHostDevice</string>"
	"<key>IOUserClass</key><string>Driver</string></dict></dict></dict></plist>";

static void
write_file(const char *path, const void *bytes, size_t length)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
	close(fd);
}

static void
make_bundle(void)
{
	ck_assert_ptr_nonnull(mkdtemp(bundle));
	snprintf(info_path, sizeof(info_path), "%s/Info.plist", bundle);
	snprintf(program, sizeof(program), "%s/driver.so", bundle);
	write_file(info_path, info, sizeof(info) - 1);
	write_file(program, "", 0);
}

static int
start_host(void *unused, int socket)
{
	control = socket;
	ended = eventfd(0, EFD_CLOEXEC);
	return fcntl(ended, F_DUPFD_CLOEXEC, 0);
}

/* The registry, whose host's Start has returned; a socket to it. */
static int
start(void)
{
	static const struct registry_inside inside = {.start = start_host};
	struct packet_header header = {.type = PACKET_HOST_STARTED};
	int fd;

	make_bundle();
	set_up_with(&inside, bundle);
	fd = connect_registry();
	look_up_take(fd, OSDictionaryCreate(0)); /* all hosts were started */
	ck_assert_int_ge(control, 0);
	ck_assert_int_eq(packet_send(control, &header, NULL, 0, NULL, 0, true), kIOReturnSuccess);
	return fd;
}

static void
end_process(void)
{
	const uint64_t status = 1;

	ck_assert_int_eq(write(ended, &status, sizeof(status)), (ssize_t)sizeof(status));
}

static void
finish(int fd)
{
	close(fd);
	close(control);
	close(ended);
	tear_down();
	unlink(info_path);
	unlink(program);
	rmdir(bundle);
}

/*
 * Somebody who was handed the socket, whom the process's end does not end, and who is always faster
 * than the registry: each packet that it has read is followed by another.
 */
IOReturn __real_packet_receive(int socket, struct packet *packet, bool wait);
IOReturn __wrap_packet_receive(int socket, struct packet *packet, bool wait);

static void
send_another(void)
{
	struct packet_header header = {.type = PACKET_HOST_UNPUBLISH};
	const struct id_body body = {.id = 5};

	packet_send(control, &header, &body, sizeof(body), NULL, 0, false);
}

IOReturn
__wrap_packet_receive(int socket, struct packet *received, bool wait)
{
	IOReturn status = __real_packet_receive(socket, received, wait);

	if (status == kIOReturnSuccess && received->header->type == PACKET_HOST_UNPUBLISH)
		send_another();
	return status;
}

START_TEST(one_who_sends_on_after_its_end_holds_nobody_up)
{
	int fd = start();

	send_another();
	end_process();
	/* More often than the loop has other things to do before it comes to that. */
	for (unsigned i = 0; i < 20; i++)
		look_up_take(fd, OSDictionaryCreate(0));
	finish(fd);
}
END_TEST

static void
publish(uint64_t id, uint64_t provider)
{
	struct packet_header header = {.type = PACKET_HOST_PUBLISH};
	const struct publish_body body = {.id = id, .provider = provider};
	uint8_t bytes[256];
	OSDictionary *nothing = OSDictionaryCreate(0);
	void *plist = NULL;
	size_t length = 0;

	ck_assert_int_eq(plist_encode(nothing, &plist, &length), kIOReturnSuccess);
	OSRelease(nothing);
	ck_assert_uint_le(sizeof(body) + length, sizeof(bytes));
	memcpy(bytes, &body, sizeof(body));
	memcpy(bytes + sizeof(body), plist, length);
	free(plist);
	ck_assert_int_eq(packet_send(control, &header, bytes, sizeof(body) + length, NULL, 0, true),
			 kIOReturnSuccess);
}

static bool
is_published(int fd, uint64_t id)
{
	const struct id_body body = {.id = id};

	return ask(fd, PACKET_PROPERTIES, &body, sizeof(body)) == kIOReturnSuccess;
}

void __wrap_host_kill(const struct host *host);

/* Its process is this one. */
void
__wrap_host_kill(const struct host *host)
{
	end_process();
}

/* What a driver's own host refuses it. */
START_TEST(one_who_publishes_past_the_limit_is_ended)
{
	const uint64_t first = UINT64_C(1) << 40, last = first + DEXT_LIMIT_SERVICES_HOST - 1;
	OSDictionary *matching = OSDictionaryCreate(1);
	uint64_t provider;
	int fd = start();

	OSDictionarySetStringValue(matching, "IOProviderClass", "IOUSBHostDevice");
	provider = look_up_take(fd, matching);
	for (uint64_t id = first; id <= last; id++)
		publish(id, provider);
	while (!is_published(fd, last))
		poll(NULL, 0, 1);
	ck_assert(is_published(fd, first));
	said_listen();
	publish(last + 1, provider);
	said_expect("DEXT_LIMIT_SERVICES_HOST");
	while (is_published(fd, first))
		poll(NULL, 0, 1);
	ck_assert(!is_published(fd, last + 1));
	finish(fd);
}
END_TEST

UNIT_MAIN("registry_hosts", one_who_sends_on_after_its_end_holds_nobody_up,
	  one_who_publishes_past_the_limit_is_ended)
