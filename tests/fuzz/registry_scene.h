/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry for the targets that attack one. One serves all inputs.
 *
 * What attacks is on the registry's own thread, and lets the loop take a step whenever it waits:
 * two threads that hand each packet over make a tenth of the executions.
 */
#ifndef TESTS_FUZZ_REGISTRY_SCENE_H
#define TESTS_FUZZ_REGISTRY_SCENE_H

#include "fuzz.h"

#include "loop.h"
#include "packets.h"
#include "registry.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[] = "/tmp/opendext-fuzz-XXXXXX";
static struct loop *loop;
static struct registry *registry;
static struct packet packet;

/* What the loop's thread is to run. */
static struct {
	void (*attack)(const uint8_t *data, size_t size);
	const uint8_t *data;
	size_t size;
	bool here; /* of the loop's thread */
	sem_t done;
} job;

static inline void *
run_loop(void *context)
{
	FUZZ_CHECK(loop_run(loop, 1) == kIOReturnSuccess);
	return NULL;
}

/* Not before the task is out of the loop's list: it is posted again for the next input. */
static inline void
take_over(struct loop_task *task)
{
	job.here = true;
}

static inline void
hand_over(const uint8_t *data, size_t size)
{
	static struct loop_task task = {.run = take_over};

	job.data = data;
	job.size = size;
	loop_post(loop, &task);
	while (sem_wait(&job.done) < 0)
		; /* a fuzzer has its alarms */
}

/* Between two events of the loop. */
static inline void
work(struct loop *unused)
{
	if (!job.here)
		return;
	job.here = false;
	job.attack(job.data, job.size);
	sem_post(&job.done);
}

static inline void
no_wait(void)
{
}

static inline void
remove_directory(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", directory, REGISTRY_SOCKET_NAME);
	unlink(path);
	rmdir(directory);
}

/* To be filled (bundles, devices) and then started. */
static inline void
make_registry(struct registry_options *options, void (*attack)(const uint8_t *data, size_t size))
{
	FUZZ_CHECK(mkdtemp(directory) != NULL);
	atexit(remove_directory);
	options->runtime_dir = directory;
	job.attack = attack;
	FUZZ_CHECK(loop_create(&loop) == kIOReturnSuccess && sem_init(&job.done, 0, 0) == 0);
	loop_set_spin(loop, work, no_wait, NULL);
	FUZZ_CHECK(registry_create(loop, options, &registry) == kIOReturnSuccess);
}

static inline void
start_registry(void)
{
	char error[REGISTRY_ERROR_MAX] = "";
	pthread_t thread;

	FUZZ_CHECK(registry_start(registry, error) == kIOReturnSuccess);
	FUZZ_CHECK(pthread_create(&thread, NULL, run_loop, NULL) == 0);
	pthread_detach(thread);
}

/* --- an app --- */

static inline int
connect_registry(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory,
		 REGISTRY_SOCKET_NAME);
	FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* The registry does what it has to, until this socket has something. */
static inline IOReturn
receive_one(int fd)
{
	IOReturn status;

	while ((status = packet_receive(fd, &packet, false)) == kIOReturnNotReady)
		FUZZ_CHECK(loop_look(loop));
	return status;
}

static inline IOReturn
ask(int fd, uint16_t type, const void *body, size_t length)
{
	struct packet_header header = {.type = type, .sequence = 77};

	FUZZ_CHECK(packet_send(fd, &header, body, length, NULL, 0, true) == kIOReturnSuccess);
	FUZZ_CHECK(receive_one(fd) == kIOReturnSuccess);
	FUZZ_CHECK(packet.header->type == type && packet.header->sequence == 77);
	return packet.header->status;
}

#endif
