/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups and opens against a registry made of bytes: found, gone, restarted, wrong. */
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "packets.h"
#include "plist.h"

#include <IOKit/IOKitLib.h>

/* What the registry answers next. */
enum answer {
	ANSWER_RIGHT,
	ANSWER_NOTHING_FOUND,
	ANSWER_ERROR,
	ANSWER_ANOTHER_TYPE,
	ANSWER_ANOTHER_SEQUENCE,
	ANSWER_ODD_LENGTH,
	ANSWER_NO_PLIST,
	ANSWER_HANG_UP,
	ANSWER_HANG_UP_ONCE,
	ANSWER_FULL, /* hangs up on everybody, newcomers are told why */
};

struct registry {
	char directory[32];
	struct sockaddr_un address;
	int listener;
	pthread_t thread;
	_Atomic int answer;
	_Atomic unsigned requests;
	_Atomic unsigned connections;
};

static void
listen_at(struct registry *registry)
{
	registry->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(registry->listener, (struct sockaddr *)&registry->address,
			      sizeof(registry->address)),
			 0);
	ck_assert_int_eq(listen(registry->listener, 5), 0);
}

static void *
properties(size_t *ret_length)
{
	OSDictionary *dictionary = OSDictionaryCreate(1);
	void *bytes = NULL;

	OSDictionarySetStringValue(dictionary, "Name", "Tester");
	OSDictionarySetStringValue(dictionary, "Class", "IOUserService");
	OSDictionarySetUInt64Value(dictionary, "Busy", 1);
	plist_encode(dictionary, &bytes, ret_length);
	OSRelease(dictionary);
	return bytes;
}

/* False: hang up. */
static bool
reply(struct registry *registry, int fd, const struct packet *packet)
{
	struct packet_header header = *packet->header;
	const uint64_t ids[2] = {0x1234, 0x5678};
	enum answer answer = atomic_load(&registry->answer);
	void *bytes = NULL, *free_bytes = NULL;
	size_t length = 0;

	if (answer == ANSWER_HANG_UP_ONCE)
		atomic_store(&registry->answer, ANSWER_RIGHT);
	if (answer == ANSWER_HANG_UP || answer == ANSWER_HANG_UP_ONCE || answer == ANSWER_FULL)
		return false;
	header.status = 0;
	if (header.type == PACKET_LOOKUP || header.type == PACKET_ENTRIES) {
		bytes = (void *)(uintptr_t)ids;
		length = sizeof(ids);
	} else if (header.type == PACKET_WATCH) {
		/* Of an entry: that entry, and nothing ever happens to it. */
		bytes = (void *)(uintptr_t)(packet->body + sizeof(uint64_t));
		length = sizeof(uint64_t);
	} else if (header.type == PACKET_PROPERTIES || header.type == PACKET_DESCRIBE) {
		bytes = free_bytes = properties(&length);
	}
	if (answer == ANSWER_NO_PLIST)
		length = 3;
	if (answer == ANSWER_NOTHING_FOUND)
		length = 0;
	if (answer == ANSWER_ODD_LENGTH)
		length--;
	if (answer == ANSWER_ANOTHER_TYPE)
		header.type = PACKET_READY;
	if (answer == ANSWER_ANOTHER_SEQUENCE)
		header.sequence++;
	if (answer == ANSWER_ERROR) {
		header.status = kIOReturnNotFound;
		length = 0;
	}
	packet_send(fd, &header, bytes, length, NULL, 0, true);
	free(free_bytes);
	return true;
}

struct serving {
	struct registry *registry;
	int fd;
};

static void *
serve_one(void *argument)
{
	struct serving *serving = argument;
	struct packet *packet = calloc(1, sizeof(*packet));

	while (packet_receive(serving->fd, packet, true) == kIOReturnSuccess) {
		atomic_fetch_add(&serving->registry->requests, 1);
		if (packets_check(packet, PACKET_TO_REGISTRY) != kIOReturnSuccess ||
		    !reply(serving->registry, serving->fd, packet))
			break;
	}
	close(serving->fd);
	free(packet);
	free(serving);
	return NULL;
}

static void
refuse_take(int fd)
{
	struct packet_header header = {.type = PACKET_LOOKUP, .status = kIOReturnNoResources};
	struct packet *packet = calloc(1, sizeof(*packet));

	packet_send(fd, &header, NULL, 0, NULL, 0, true);
	shutdown(fd, SHUT_RD);
	while (packet_receive(fd, packet, false) == kIOReturnSuccess)
		;
	close(fd);
	free(packet);
}

static void *
serve(void *argument)
{
	struct registry *registry = argument;
	pthread_t thread;
	int fd;

	while ((fd = accept4(registry->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct serving *serving;

		if (atomic_load(&registry->answer) == ANSWER_FULL) {
			refuse_take(fd);
			continue;
		}
		serving = calloc(1, sizeof(*serving));
		*serving = (struct serving){registry, fd};
		atomic_fetch_add(&registry->connections, 1);
		pthread_create(&thread, NULL, serve_one, serving);
		pthread_detach(thread);
	}
	return NULL;
}

static void
start(struct registry *registry)
{
	memset(registry, 0, sizeof(*registry));
	strcpy(registry->directory, "/tmp/opendext-reg-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(registry->directory));
	registry->address.sun_family = AF_UNIX;
	snprintf(registry->address.sun_path, sizeof(registry->address.sun_path), "%s/registry",
		 registry->directory);
	setenv("OPENDEXT_RUNTIME_DIR", registry->directory, 1);
	listen_at(registry);
	ck_assert_int_eq(pthread_create(&registry->thread, NULL, serve, registry), 0);
}

static void
stop(struct registry *registry)
{
	shutdown(registry->listener, SHUT_RDWR);
	pthread_join(registry->thread, NULL);
	close(registry->listener);
	unlink(registry->address.sun_path);
	rmdir(registry->directory);
}

static io_service_t
look(void)
{
	return IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("Tester"));
}

START_TEST(a_service_is_found_and_known)
{
	struct registry registry;
	io_service_t service, again;
	io_name_t name;
	uint64_t id = 0;

	start(&registry);
	errno = 66;
	service = look();
	ck_assert_int_eq(errno, 66);
	ck_assert_uint_ne(service, 0);
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &id), 0);
	ck_assert_uint_eq(id, 0x1234);
	ck_assert_int_eq(IORegistryEntryGetName(service, name), 0);
	ck_assert_str_eq(name, "Tester");
	again = IOServiceGetMatchingService(kIOMainPortDefault, IORegistryEntryIDMatching(0x1234));
	ck_assert(IOObjectIsEqualTo(service, again));
	ck_assert_int_eq(IOObjectRelease(service), 0);
	ck_assert_int_eq(IOObjectRelease(again), 0);
	ck_assert_int_eq(IOObjectRelease(again), KERN_INVALID_NAME);
	/* All over one socket. */
	ck_assert_uint_eq(atomic_load(&registry.connections), 1);
	stop(&registry);
}
END_TEST

START_TEST(an_entry_is_iterated_and_described)
{
	struct registry registry;
	mach_timespec_t wait = {0, 30000000};
	io_iterator_t iterator = 0;
	io_service_t service, child;
	uint32_t busy = 0;
	io_name_t name;

	start(&registry);
	service = look();
	ck_assert_int_eq(IOObjectGetClass(service, name), 0);
	ck_assert_str_eq(name, "IOUserService");
	ck_assert_int_eq(IOServiceGetBusyState(service, &busy), 0);
	ck_assert_uint_eq(busy, 1);
	ck_assert_int_eq(IOServiceWaitQuiet(service, &wait), kIOReturnTimeout);
	wait.tv_nsec = 1000000000;
	ck_assert_int_eq(IOServiceWaitQuiet(service, &wait), kIOReturnBadArgument);
	ck_assert_int_eq(IORegistryEntryGetChildIterator(service, kIOUSBPlane, &iterator), 0);
	ck_assert_uint_eq(IOIteratorNext(iterator), service);
	child = IOIteratorNext(iterator);
	ck_assert_uint_ne(child, 0);
	ck_assert_uint_eq(IOIteratorNext(iterator), 0);
	ck_assert_uint_eq(IOObjectGetUserRetainCount(service), 2);
	/* An iterator is no entry, an entry no iterator. */
	ck_assert_int_eq(IORegistryEntryGetName(iterator, name), kIOReturnBadArgument);
	ck_assert_uint_eq(IOIteratorNext(service), 0);
	ck_assert_int_eq(IOObjectRetain(iterator), 0);
	ck_assert_int_eq(IOObjectRelease(iterator), 0);
	ck_assert(IOIteratorIsValid(iterator));
	ck_assert_int_eq(IOObjectRelease(iterator), 0);
	ck_assert(!IOIteratorIsValid(iterator));
	/* A path that names no plane at all, and one without an answer. */
	ck_assert_int_eq(IORegistryEntryGetPath(service, "IOService", NULL), kIOReturnBadArgument);
	atomic_store(&registry.answer, ANSWER_NOTHING_FOUND);
	ck_assert_uint_eq(IORegistryEntryFromPath(0, "IOService:/"), 0);
	stop(&registry);
}
END_TEST

START_TEST(nothing_is_found)
{
	struct registry registry;

	start(&registry);
	atomic_store(&registry.answer, ANSWER_NOTHING_FOUND);
	ck_assert_uint_eq(look(), 0);
	ck_assert_uint_eq(IOServiceGetMatchingService(0, NULL), 0);
	stop(&registry);
}
END_TEST

START_TEST(wrong_answers_are_errors)
{
	static const enum answer wrong[] = {
		ANSWER_ERROR,
		ANSWER_ANOTHER_TYPE,
		ANSWER_ANOTHER_SEQUENCE,
		ANSWER_ODD_LENGTH,
	};
	struct registry registry;
	io_service_t service;
	io_name_t name;

	start(&registry);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		atomic_store(&registry.answer, wrong[i]);
		ck_assert_uint_eq(look(), 0);
	}
	/* And after each the next look-up works. */
	atomic_store(&registry.answer, ANSWER_RIGHT);
	service = look();
	ck_assert_uint_ne(service, 0);
	atomic_store(&registry.answer, ANSWER_NO_PLIST);
	ck_assert_int_ne(IORegistryEntryGetName(service, name), 0);
	atomic_store(&registry.answer, ANSWER_ERROR);
	ck_assert_int_eq(IORegistryEntryGetName(service, name), kIOReturnNotFound);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		io_iterator_t iterator = 0;

		atomic_store(&registry.answer, wrong[i]);
		ck_assert_int_ne(
			IORegistryEntryGetChildIterator(service, kIOServicePlane, &iterator), 0);
		ck_assert_uint_eq(iterator, 0);
	}
	stop(&registry);
}
END_TEST

START_TEST(a_full_registry_is_no_absent_one)
{
	struct registry registry;
	io_service_t service;
	io_connect_t connect = 0;
	io_name_t name;

	start(&registry);
	service = look();
	ck_assert_uint_ne(service, 0);
	atomic_store(&registry.answer, ANSWER_FULL);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(IORegistryEntryGetName(service, name), kIOReturnNoResources);
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &connect),
			 kIOReturnNoResources);
	atomic_store(&registry.answer, ANSWER_RIGHT);
	ck_assert_int_eq(IORegistryEntryGetName(service, name), kIOReturnSuccess);
	stop(&registry);
}
END_TEST

START_TEST(an_open_without_a_descriptor_is_an_error)
{
	struct registry registry;
	io_service_t service;
	io_connect_t connect = 0;

	start(&registry);
	service = look();
	ck_assert_int_ne(IOServiceOpen(service, mach_task_self(), 0, &connect), 0);
	ck_assert_uint_eq(connect, 0);
	ck_assert_int_eq(IOServiceOpen(service, 0x77, 0, &connect), kIOReturnBadArgument);
	ck_assert_int_eq(IOServiceOpen(0x77, mach_task_self(), 0, &connect),
			 MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, NULL), kIOReturnBadArgument);
	stop(&registry);
}
END_TEST

START_TEST(a_registry_that_is_restarted_is_found_again)
{
	struct registry registry;
	io_service_t service;

	start(&registry);
	service = look();
	ck_assert_uint_ne(service, 0);
	/* In the middle of a request, and before one. */
	atomic_store(&registry.answer, ANSWER_HANG_UP_ONCE);
	ck_assert_uint_eq(look(), service);
	ck_assert_uint_eq(atomic_load(&registry.connections), 2);
	stop(&registry);
}
END_TEST

static void *
bring_back(void *argument)
{
	struct registry *registry = argument;

	poll(NULL, 0, 100); /* it takes a while to start */
	listen_at(registry);
	return serve(registry);
}

START_TEST(a_registry_that_is_away_is_waited_for)
{
	struct registry registry;

	start(&registry);
	ck_assert_uint_ne(look(), 0);
	/* The thread that accepts ends, then the one connection. */
	unlink(registry.address.sun_path);
	shutdown(registry.listener, SHUT_RDWR);
	pthread_join(registry.thread, NULL);
	close(registry.listener);
	atomic_store(&registry.answer, ANSWER_HANG_UP_ONCE);
	ck_assert_int_eq(pthread_create(&registry.thread, NULL, bring_back, &registry), 0);
	ck_assert_uint_ne(look(), 0);
	stop(&registry);
}
END_TEST

START_TEST(no_registry_is_said_at_once)
{
	char directory[] = "/tmp/opendext-reg-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(directory));
	setenv("OPENDEXT_RUNTIME_DIR", directory, 1);
	ck_assert_uint_eq(look(), 0);
	rmdir(directory);
}
END_TEST

static void
look_in_child(void *context)
{
	if (look() == 0)
		_exit(1);
}

START_TEST(a_forked_child_connects_by_itself)
{
	struct registry registry;
	int status = -1;
	pid_t pid;

	start(&registry);
	ck_assert_uint_ne(look(), 0);
	pid = fork();
	if (pid == 0) {
		look_in_child(NULL);
		_exit(0);
	}
	ck_assert_uint_ne(look(), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(atomic_load(&registry.connections), 2);
	stop(&registry);
}
END_TEST

UNIT_MAIN("client registry", a_service_is_found_and_known, an_entry_is_iterated_and_described,
	  nothing_is_found, wrong_answers_are_errors, a_full_registry_is_no_absent_one,
	  an_open_without_a_descriptor_is_an_error, a_registry_that_is_restarted_is_found_again,
	  a_registry_that_is_away_is_waited_for, no_registry_is_said_at_once,
	  a_forked_child_connects_by_itself)
