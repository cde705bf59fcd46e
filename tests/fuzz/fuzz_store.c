/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry against what comes back from the descriptor store: names and descriptors of every
 * kind, records of any bytes and with any facts, and then the answers of the hosts that it has
 * adopted. A registry for each input takes what there is, starts, and ends; nothing is left.
 *
 * Descriptors come from number 3 on, as systemd hands them over, so the first ones are kept free
 * for them. The processes are this one and one that has ended; nobody is killed.
 */
#include "bundle_files.h"
#include "hostless.h"
#include "objects.h"
#include "still_loop.h"

#include "packets.h"
#include "record.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define FIRST	    3 /* ENVIRONMENT_FIRST_FD */
#define PLACES	    24u
#define NAMES_MAX   2048u
#define STEPS_MAX   32u
#define RESOURCES   UINT64_C(0x50) /* ids: of the first device, the others, services */
#define DEVICES_AT  UINT64_C(0x60)
#define SERVICES_AT UINT64_C(0x1000)

static const char info[] =
	BUNDLE_INFO("<key>One</key><dict><key>IOProviderClass</key><string>IOUSBHostDevice</string>"
		    "<key>IOUserClass</key><string>Driver</string></dict>");

static char directory[] = "/tmp/opendext-fuzz-XXXXXX";
static uint64_t print; /* of the bundle as it is */
static int ended = -1; /* the pidfd of a process that has */
static struct loop *loop;

/* One input's. */
static struct {
	struct fuzz fuzz;
	struct registry *registry;
	struct store *store;
	int ends[PLACES]; /* of the sockets and pipes that came back */
	unsigned end_count;
	unsigned count; /* of the numbers that came back */
	unsigned steps;
	bool within; /* a step: the registry waits for a process that was killed, and does not end
		      */
} scene;

int __wrap_pidfd_send_signal(int pidfd, int number, siginfo_t *about, unsigned flags);

int
__wrap_pidfd_send_signal(int pidfd, int number, siginfo_t *about, unsigned flags)
{
	return 0;
}

/* Nothing that the process opens may come to lie there. */
static void
reserve(int fd)
{
	FUZZ_CHECK(fd == STDIN_FILENO || dup2(STDIN_FILENO, fd) == fd);
}

__attribute__((constructor)) static void
reserve_all(void)
{
	for (unsigned i = 0; i < PLACES; i++)
		reserve(FIRST + (int)i);
}

/* --- records --- */

static const char *const keys[] = {
	"Type",	    "Session",	  "IDs",	"Spec",	       "Address",
	"Location", "Speed",	  "Vendor",	"Process",     "User",
	"Launched", "Print",	  "Start",	"ID",	       "PersonalityName",
	"Bundle",   "BundlePath", "Executable", "Personality", "ProviderID"};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static void
set_ids(OSDictionary *facts, uint64_t first, unsigned count)
{
	OSArray *ids = OSArrayCreate(4);

	for (unsigned i = 0; i < count; i++) {
		OSNumber *id = OSNumberCreate(first + i, 64);

		OSArrayAppendValue(ids, id);
		OSRelease(id);
	}
	OSDictionarySetValue(facts, "IDs", ids);
	OSRelease(ids);
}

/* Of one of the devices below, or of nothing. */
static uint64_t
pick_device(uint8_t which)
{
	return which % 8 == 7 ? RESOURCES : DEVICES_AT + which % 8 * 4u;
}

static void
add_start(struct fuzz *fuzz, OSDictionary *facts)
{
	OSDictionary *start = OSDictionaryCreate(8), *personality = OSDictionaryCreate(4);

	OSDictionarySetStringValue(personality, "IOProviderClass", "IOUSBHostDevice");
	OSDictionarySetStringValue(personality, "IOUserClass", "Driver");
	OSDictionarySetStringValue(start, "Bundle", "org.example.fuzz");
	OSDictionarySetStringValue(start, "BundlePath", bundle.path);
	OSDictionarySetStringValue(start, "Executable", bundle.program);
	OSDictionarySetValue(start, "Personality", personality);
	OSDictionarySetUInt64Value(start, "ProviderID", pick_device(fuzz_u8(fuzz)));
	OSDictionarySetValue(facts, "Start", start);
	OSRelease(personality);
	OSRelease(start);
}

/* Something in it, or in what it says of START, is other than it was. */
static void
change(struct fuzz *fuzz, OSDictionary *facts)
{
	OSDictionary *start = OSDynamicCast(OSDictionary, OSDictionaryGetValue(facts, "Start"));
	uint8_t how = fuzz_u8(fuzz);
	OSDictionary *changed = how & 0x80 && start != NULL ? start : facts;
	unsigned budget = 20;
	OSObject *value;

	if (how & 0x40) {
		OSDictionaryRemoveValue(changed, keys[how % 64 % KEYS]);
		return;
	}
	value = fuzz_object(fuzz, 0, &budget);
	OSDictionarySetValue(changed, keys[how % 64 % KEYS], value);
	OSRelease(value);
}

static OSDictionary *
make_facts(struct fuzz *fuzz)
{
	OSDictionary *facts = OSDictionaryCreate(8);
	uint8_t how = fuzz_u8(fuzz), which = fuzz_u8(fuzz);

	switch (how % 6) {
	case 0:
		OSDictionarySetUInt64Value(facts, "ID", which);
		break;
	case 1:
		OSDictionarySetUInt64Value(facts, "Type", DEVICE_RESOURCES);
		set_ids(facts, RESOURCES, which % 4);
		break;
	case 2:
	case 3:
		OSDictionarySetUInt64Value(facts, "Type",
					   how % 6 == 2 ? DEVICE_VIRTUAL : DEVICE_USB);
		OSDictionarySetStringValue(facts, "Spec", which & 0x80 ? "loopback" : "sink");
		OSDictionarySetUInt64Value(facts, "Address", which % 4);
		OSDictionarySetUInt64Value(facts, "Session", which);
		set_ids(facts, pick_device(which), which >> 4 & 7);
		break;
	default:
		OSDictionarySetUInt64Value(facts, "Process", (uint64_t)getpid());
		OSDictionarySetUInt64Value(facts, "User", 0);
		OSDictionarySetUInt64Value(facts, "Launched", which);
		OSDictionarySetUInt64Value(facts, "Print", print + (which & 1));
		OSDictionarySetStringValue(facts, "PersonalityName", which & 2 ? "Two" : "One");
		add_start(fuzz, facts);
		break;
	}
	for (unsigned changes = how / 64; changes > 0; changes--)
		change(fuzz, facts);
	return facts;
}

static int
make_record(struct fuzz *fuzz)
{
	OSDictionary *facts = make_facts(fuzz);
	struct record_service services[2] = {{SERVICES_AT, 5}, {SERVICES_AT + 1, 6}};
	uint8_t how = fuzz_u8(fuzz);
	OSArray *list = OSArrayCreate(1);
	int fd = -1;

	/* Nobody writes a record of anything but a dictionary. */
	if (record_create(how & 0x10 ? (const OSDictionary *)list : facts, &fd) ==
	    kIOReturnSuccess) {
		record_set_services(fd, services, how % 4 % 3);
		record_set_detached(fd, how >> 6);
		FUZZ_CHECK(record_detached(fd) == how >> 6);
	}
	OSRelease(list);
	OSRelease(facts);
	return fd;
}

static int
make_bytes(struct fuzz *fuzz)
{
	int fd = memfd_create("record", MFD_CLOEXEC);
	size_t length = 0;
	uint8_t *bytes = fuzz_copy(fuzz, fuzz_u8(fuzz), &length);
	uint16_t at = fuzz_u16(fuzz);

	/* With what a record begins with, and perhaps far enough for what it says. */
	FUZZ_CHECK(fd >= 0 && write(fd, &(uint32_t){RECORD_VERSION}, 4) == 4);
	FUZZ_CHECK(pwrite(fd, bytes, length, at % 4096u) == (ssize_t)length);
	FUZZ_CHECK(!(at & 0x8000) || ftruncate(fd, 65536) == 0);
	free(bytes);
	return fd;
}

/* --- what comes back --- */

static int
make_pair(int kind)
{
	int ends[2];

	FUZZ_CHECK((kind == 0 ? pipe2(ends, O_CLOEXEC | O_NONBLOCK)
			      : socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, ends)) == 0);
	scene.ends[scene.end_count++] = ends[1];
	return ends[0];
}

static int
make_descriptor(struct fuzz *fuzz)
{
	uint8_t kind = fuzz_u8(fuzz);

	switch (kind % 10) {
	case 0:
	case 1:
		return make_record(fuzz);
	case 2:
		return make_pair(SOCK_SEQPACKET);
	case 3:
		return pidfd_open(getpid(), 0);
	case 4:
		return make_pair(0);
	case 5:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 6:
		return fcntl(ended, F_DUPFD_CLOEXEC, 0);
	case 7:
		return make_bytes(fuzz);
	case 8:
		return make_pair(SOCK_STREAM);
	default:
		return kind & 0x10 ? open(directory, O_RDONLY | O_CLOEXEC)
				   : eventfd(0, EFD_CLOEXEC);
	}
}

/* One thing's name, which each of its descriptors has. */
static void
make_name(struct fuzz *fuzz, char name[80])
{
	static const char *const begins[] = {"root", "device-", "host-", "host-", "device-", ""};
	uint8_t which = fuzz_u8(fuzz);

	if (which < 250)
		snprintf(name, 80, "%s%.0u", begins[which % 6], which / 6 + 1);
	else
		snprintf(name, 80, "%0*u", (which - 249) * 13, which);
	if (which % 6 == 0)
		name[4] = '\0';
}

static void
fill_store(struct fuzz *fuzz)
{
	char names[NAMES_MAX] = "", name[80], number[16];
	unsigned count = 0, things = fuzz_u8(fuzz) % 8;

	for (; things > 0; things--) {
		make_name(fuzz, name);
		for (unsigned more = fuzz_u8(fuzz) % 6; more > 0 && count < PLACES; more--) {
			int fd = make_descriptor(fuzz);

			if (fd < 0)
				continue;
			FUZZ_CHECK(dup2(fd, FIRST + (int)count) >= 0);
			close(fd);
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
				 count > 0 ? ":" : "", name);
			count++;
		}
	}
	if (fuzz_u8(fuzz) & 1 && count < PLACES) /* a number of none */
		close(FIRST + (int)count++);
	scene.count = count;
	snprintf(number, sizeof(number), "%u", count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

/* --- one input --- */

static void
begin(void)
{
	char error[REGISTRY_ERROR_MAX] = "";
	IOReturn status;

	fill_store(&scene.fuzz);
	status = store_open(fuzz_u8(&scene.fuzz) & 1 ? PLACES : 0, &scene.store);
	FUZZ_CHECK(status == kIOReturnSuccess || status == kIOReturnNotReady);
	scene.registry =
		make_hostless(loop, directory, status == kIOReturnSuccess ? scene.store : NULL);
	FUZZ_CHECK(registry_add_bundle(scene.registry, bundle.path, error) == kIOReturnSuccess);
	print = scene.registry->bundles->print;
	if (fuzz_u8(&scene.fuzz) % 8 == 1) /* by now it is another one */
		scene.registry->bundles->print++;
	status = registry_adopt(scene.registry);
	FUZZ_CHECK(status == kIOReturnSuccess);
	registry_start(scene.registry, error);
}

static void
answer(struct fuzz *fuzz, int end)
{
	static const char list[] = "<plist><dict><key>a</key><true/></dict></plist>";
	uint8_t what = fuzz_u8(fuzz), how = fuzz_u8(fuzz);
	struct packet_header header = {.status = how & 0x80 ? -1 : 0};
	struct {
		struct publish_body head;
		char list[sizeof(list) - 1];
	} body = {.head = {SERVICES_AT + how % 4, pick_device(how >> 4)}};
	struct listing_body listing = {.flags = how & 3};

	memcpy(body.list, list, sizeof(body.list));
	switch (what % 4) {
	case 0:
		header.type = PACKET_HOST_LISTING;
		packet_send(end, &header, &listing, sizeof(listing), NULL, 0, false);
		break;
	case 1:
		header.type = PACKET_HOST_LISTED;
		packet_send(end, &header, NULL, 0, NULL, 0, false);
		break;
	case 2:
		header.type = PACKET_HOST_PUBLISH;
		packet_send(end, &header, &body, sizeof(body.head) + sizeof(body.list), NULL, 0,
			    false);
		break;
	default:
		header.type = PACKET_HOST_STARTED;
		packet_send(end, &header, NULL, 0, NULL, 0, false);
		break;
	}
}

static void
step(struct fuzz *fuzz)
{
	uint8_t what = fuzz_u8(fuzz);
	int *end = scene.end_count > 0 ? &scene.ends[(what >> 4) % scene.end_count] : NULL;

	if (what % 8 == 0)
		still_ring_timer();
	else if (end != NULL && what % 8 == 1)
		fd_close(end);
	else if (end != NULL && *end >= 0)
		answer(fuzz, *end);
}

static void
finish(void)
{
	registry_destroy(scene.registry);
	store_close(scene.store);
	for (unsigned i = 0; i < scene.end_count; i++)
		fd_close(&scene.ends[i]);
	scene.registry = NULL;
	scene.store = NULL;
	still_loop.over = true;
}

/* Whatever the records say, an id is one entry's. */
static void
check_tree(void)
{
	const struct tree *tree = &scene.registry->tree;

	for (const struct entry *entry = tree->first; entry != NULL; entry = entry->next)
		FUZZ_CHECK(entry->id != 0 && tree_find(tree, entry->id) == entry);
}

static void
still_peer(void)
{
	if (scene.within)
		return;
	scene.within = true;
	if (scene.registry != NULL)
		check_tree();
	if (scene.registry == NULL)
		begin();
	else if (fuzz_left(&scene.fuzz) > 0 && scene.steps++ < STEPS_MAX)
		step(&scene.fuzz);
	else
		finish();
	scene.within = false;
}

/* --- once --- */

static void
remove_directory(void)
{
	rmdir(directory);
}

static void
make_process(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	FUZZ_CHECK(child > 0);
	ended = pidfd_open(child, 0);
	FUZZ_CHECK(ended >= 0 && waitpid(child, NULL, 0) == child);
}

static void
run(const uint8_t *data, size_t size)
{
	scene.fuzz = (struct fuzz){data, data + size};
	scene.end_count = scene.steps = 0;
	still_loop_run(loop);
	for (unsigned i = 0; i < scene.count; i++)
		FUZZ_CHECK(fcntl(FIRST + (int)i, F_GETFD) < 0);
	for (unsigned i = 0; i < PLACES; i++)
		reserve(FIRST + (int)i);
}

static void
start(void)
{
	char number[16];

	make_process();
	FUZZ_CHECK(mkdtemp(directory) != NULL);
	atexit(remove_directory);
	make_bundle(directory, info);
	FUZZ_CHECK(loop_create(&loop) == kIOReturnSuccess);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	run((const uint8_t *)"", 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (loop == NULL)
		start();
	fuzz_keeping_fds(run, data, size);
	return 0;
}
