/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: virtual ones that are plugged in, and those of the stand-ins (places.c). */
#include "attempt.h"
#include "command.h"
#include "drivers/worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mach/mach.h>

#define SERIAL "faults"

/* --- the worker --- */

static bool
work(io_connect_t connect)
{
	for (uint32_t method = 0; method < WORKER_RESET; method++) {
		char name[32];

		snprintf(name, sizeof(name), "method %u of the worker", method);
		if (!attempt_tried(name,
				   IOConnectCallScalarMethod(connect, method, NULL, 0, NULL, NULL)))
			return false;
	}
	return true;
}

static bool
map_all(io_connect_t connect)
{
	for (uint32_t type = 0; type < WORKER_MEMORY; type++) {
		mach_vm_address_t address = 0;
		mach_vm_size_t size = 0;
		const volatile uint8_t *bytes;

		TRY(IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size,
					 kIOMapAnywhere));
		bytes = (const volatile uint8_t *)(uintptr_t)address;
		CHECK(bytes[0] == WORKER_BYTE && bytes[size / 2] == WORKER_BYTE);
	}
	TRY(IOConnectCallScalarMethod(connect, WORKER_REMAP, NULL, 0, NULL, NULL));
	return true;
}

static bool
work_and_map(io_connect_t connect)
{
	return work(connect) && map_all(connect);
}

static bool
use_worker(void)
{
	return attempt_with(WORKER_SERVICE, work_and_map);
}

/* --- virtual --- */

static bool
run_dext(const char *command, const char *argument)
{
	int status = -1;
	pid_t pid = command_start((const char *[]){getenv("FAULTS_DEXT"), command, argument, NULL},
				  false, NULL);

	while (waitpid(pid, &status, 0) < 0)
		;
	return attempt_had(command, status == 0);
}

/* `use` while it is plugged in. */
static bool
plug(const char *spec, bool (*use)(void))
{
	bool well;

	if (!run_dext("plug", spec))
		return false;
	well = use();
	/* Once more if a fault was in the way. */
	return (run_dext("unplug", SERIAL) || run_dext("unplug", SERIAL)) && well;
}

static bool
open_worker(void)
{
	return attempt_with(WORKER_SERVICE, NULL);
}

static bool
plugged(void)
{
	return plug("loopback,serial=" SERIAL, use_worker) &&
	       plug("source,speed=super,serial=" SERIAL, open_worker) &&
	       plug("ftdi,serial=" SERIAL, open_worker);
}

/* Somebody writes down what is transferred, until he has enough. */
static bool
use_until_captured(void)
{
	char path[512];
	const char *const capture[] = {
		getenv("FAULTS_DEXT"), "capture", "-w", path, "--count", "8", NULL};
	uint64_t began = attempt_msec();
	int status = -1;
	bool well = true;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/../capture", getenv("FAULTS_BUNDLES"));
	if (!open_worker())
		return false;
	pid = command_start(capture, false, NULL);
	while (well && waitpid(pid, &status, WNOHANG) == 0)
		well = use_worker() && attempt_had("the capture's end", attempt_waits(began));
	if (!well) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	unlink(path);
	return well && attempt_had("a capture", status == 0);
}

static bool
captured(void)
{
	return plug("loopback,serial=" SERIAL, use_until_captured);
}

static bool
plugged_once(void)
{
	return plug("loopback,serial=" SERIAL, use_worker);
}

/* --- of the stand-ins --- */

/* What the kernel says when a device has come; there is no other than before. */
static bool
announce(void)
{
	static const char event[] = "add@/devices/stand-in\0DEVTYPE=usb_device";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/uevents",
		 getenv("FAULTS_PLACES"));
	sendto(fd, event, sizeof(event), 0, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return true;
}

/* The service goes with the device, and another one comes with it. */
static bool
reset(struct link *link)
{
	uint64_t id = 0;

	TRY(IORegistryEntryGetRegistryEntryID(link->service, &id));
	TRY(IOConnectCallScalarMethod(link->connect, WORKER_RESET, NULL, 0, NULL, NULL));
	return attempt_had("the service's end", attempt_gone(id));
}

static bool
real(void)
{
	struct link link = {0};
	bool well = announce() && link_open(&link, WORKER_SERVICE) && work(link.connect) &&
		    reset(&link);

	link_close(&link);
	return well;
}

static bool
call(io_connect_t connect, uint32_t method)
{
	TRY(IOConnectCallScalarMethod(connect, method, NULL, 0, NULL, NULL));
	return true;
}

/* It is there again at once, as far as the registry can see. */
static bool
pulled(void)
{
	struct link link = {0};
	uint64_t id = 0;
	bool well = announce() && link_open(&link, WORKER_SERVICE) &&
		    attempt_tried("IORegistryEntryGetRegistryEntryID",
				  IORegistryEntryGetRegistryEntryID(link.service, &id)) &&
		    call(link.connect, WORKER_PULL) &&
		    attempt_had("the service's end", attempt_gone(id));

	link_close(&link);
	return well;
}

/* The registry ends a host that is not through: nothing of it stays. */
static bool
leave(io_connect_t connect)
{
	return call(connect, WORKER_LEAVE);
}

static bool
left(void)
{
	return attempt_with(WORKER_SERVICE, leave);
}

/* The device and its driver go on while another registry comes. */
static bool
real_kept(void)
{
	struct link link = {0};
	bool well = link_open(&link, WORKER_SERVICE) && work(link.connect);

	if (well) {
		attempt_restart();
		well = work(link.connect);
	}
	link_close(&link);
	return well && use_worker();
}

static bool
map_bar(io_connect_t connect)
{
	for (uint32_t type = 0; type < 2; type++) {
		mach_vm_address_t address = 0;
		mach_vm_size_t size = 0;

		TRY(IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size,
					 kIOMapAnywhere));
		CHECK(memcmp((const char *)(uintptr_t)address, "from the device", 15) == 0);
		TRY(IOConnectUnmapMemory64(connect, type, mach_task_self(), address));
	}
	return true;
}

static bool
pci(void)
{
	return attempt_with("PCIMemory", map_bar);
}

const struct scenario scenarios_devices[] = {
	{"plugged", plugged, "virtual"},
	{"real", real, "usb"},
	{"pci", pci, "pci"},
	{"pci_file", pci, "pci_file"},
	{"real_kept", real_kept, "usb_kept"},
	{"captured", captured, "virtual"},
	{"plugged_older", plugged_once, "older"},
	{"pulled", pulled, "usb"},
	{"left", left, "usb_once"},
	{NULL},
};
