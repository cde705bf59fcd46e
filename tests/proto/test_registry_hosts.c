/* SPDX-License-Identifier: Apache-2.0 */
/* A host that does its worst on its control socket. Its process is an eventfd here. */
#include "registry_fixture.h"

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
	static const struct registry_inside inside = {.start = start_host};
	struct packet_header header = {.type = PACKET_HOST_STARTED};
	const uint64_t status = 1;
	int fd;

	make_bundle();
	set_up_with(&inside, bundle);
	fd = connect_registry();
	look_up_take(fd, OSDictionaryCreate(0)); /* all hosts were started */
	ck_assert_int_ge(control, 0);
	ck_assert_int_eq(packet_send(control, &header, NULL, 0, NULL, 0, true), kIOReturnSuccess);
	send_another();
	ck_assert_int_eq(write(ended, &status, sizeof(status)), (ssize_t)sizeof(status));
	/* More often than the loop has other things to do before it comes to that. */
	for (unsigned i = 0; i < 20; i++)
		look_up_take(fd, OSDictionaryCreate(0));
	close(fd);
	close(control);
	close(ended);
	tear_down();
	unlink(info_path);
	unlink(program);
	rmdir(bundle);
}
END_TEST

UNIT_MAIN("registry_hosts", one_who_sends_on_after_its_end_holds_nobody_up)
