/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app of the whole scenario: streams a file through four buffers that a driver in another
 * process allocated. No byte of the file is copied on its way from fread to the USB stack.
 *
 *	dext run examples/buffer_ring/buffer_ring.dext --virtual sink -- \
 *		examples/buffer_ring/buffer_ring FILE
 *
 * Only names that exist on macOS are used; there the same source finds the same driver.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring.h"

static io_connect_t connection;
static unsigned char *buffers[RING_BUFFERS];
static FILE *file;
static unsigned in_flight;
static unsigned long long completed_bytes;
static kern_return_t failure;

static void
check(const char *what, kern_return_t result)
{
	if (result == KERN_SUCCESS)
		return;
	mach_error(what, result);
	exit(1);
}

/* Steps 5 to 7: fill buffer i in place, and ask the driver to send it. */
static int
fill_and_send(uint64_t i)
{
	uint64_t length = fread(buffers[i], 1, RING_BUFFER_SIZE, file);
	uint64_t input[2] = {i, length};

	if (length == 0)
		return 0; /* the end of the file */
	/* Returns at once; until the callback names buffer i it belongs to the driver. */
	check("kRingSend", IOConnectCallScalarMethod(connection, kRingSend, input, 2, NULL, NULL));
	in_flight++;
	return 1;
}

/* Step 8: the driver called AsyncCompletion. Buffer i is ours again. */
static void
completion(void *refcon, IOReturn result, void *arg0, void *arg1)
{
	uint64_t i = (uint64_t)arg0;

	(void)refcon;
	in_flight--;
	completed_bytes += (unsigned long long)arg1;
	if (result != kIOReturnSuccess)
		failure = result;
	else
		fill_and_send(i);
	if (in_flight == 0)
		CFRunLoopStop(CFRunLoopGetCurrent());
}

/*
 * Step 9: the driver said that we may only read this memory, and the kernel sees to it. A child
 * tries to write, because whoever tries is killed.
 */
static void
try_to_write(volatile uint64_t *read_only)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		uint64_t value = *read_only; /* allowed */

		signal(SIGSEGV, SIG_DFL); /* also if a debugging tool wants it */
		signal(SIGBUS, SIG_DFL);
		*read_only = value + 1;
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
		fprintf(stderr, "A write to the read-only memory was not stopped.\n");
		exit(1);
	}
	printf("9  a child that wrote to the read-only memory died: %s\n",
	       strsignal(WTERMSIG(status)));
}

static mach_vm_address_t
map(uint32_t type, mach_vm_size_t expected)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	check("IOConnectMapMemory64", IOConnectMapMemory64(connection, type, mach_task_self(),
							   &address, &size, kIOMapAnywhere));
	if (size != expected) {
		fprintf(stderr, "Memory type %u has %llu bytes.\n", type, (unsigned long long)size);
		exit(1);
	}
	return address;
}

int
main(int argc, char **argv)
{
	mach_vm_address_t settings_address = 0, statistics_address;
	const struct ring_status *statistics;
	struct ring_settings *settings;
	struct ring_status *status;
	size_t status_size = RING_SHARED_SIZE;
	uint64_t reference[kIOAsyncCalloutCount] = {0};
	IONotificationPortRef port;
	io_service_t service;
	void *memory = NULL;

	file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	if (file == NULL) {
		fprintf(stderr, "usage: buffer_ring FILE (which must be readable)\n");
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0); /* each line at once, also into a pipe */

	/* Step 1: find the driver by the name of its class, and open it. */
	service = IOServiceGetMatchingService(kIOMainPortDefault,
					      IOServiceNameMatching(RING_SERVICE));
	if (service == IO_OBJECT_NULL) {
		fprintf(stderr, "The driver " RING_SERVICE " is not running.\n");
		return 1;
	}
	check("IOServiceOpen", IOServiceOpen(service, mach_task_self(), 0, &connection));
	IOObjectRelease(service);
	printf("1  found and opened " RING_SERVICE "\n");

	/*
	 * Step 2: memory of our own that the driver uses. It keeps what we pass, so from now on
	 * both see each other's writes: its counters appear in `status` by themselves, and it obeys
	 * what we write to `settings`. Memory of mach_vm_allocate is shared from its first moment;
	 * other memory is moved under the driver's eyes during the call.
	 */
	if (posix_memalign(&memory, (size_t)getpagesize(), RING_SHARED_SIZE) != 0)
		return 1;
	status = memory;
	check("kRingShareStatus", IOConnectCallStructMethod(connection, kRingShareStatus, NULL, 0,
							    status, &status_size));
	check("mach_vm_allocate", mach_vm_allocate(mach_task_self(), &settings_address,
						   RING_SHARED_SIZE, VM_FLAGS_ANYWHERE));
	settings = (struct ring_settings *)settings_address;
	settings->longest = RING_BUFFER_SIZE;
	check("kRingShareSettings",
	      IOConnectCallStructMethod(connection, kRingShareSettings, settings, RING_SHARED_SIZE,
					NULL, NULL));
	printf("2  two structures of %d bytes are shared with the driver\n", RING_SHARED_SIZE);

	/* Step 3: the driver's buffers. */
	for (uint32_t i = 0; i < RING_BUFFERS; i++)
		buffers[i] = (unsigned char *)map(i, RING_BUFFER_SIZE);
	printf("3  %d buffers of %d bytes are mapped\n", RING_BUFFERS, RING_BUFFER_SIZE);

	/* Step 4: whom to call when a buffer is free, and on which thread: this one's run loop. */
	port = IONotificationPortCreate(kIOMainPortDefault);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
			   kCFRunLoopDefaultMode);
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)completion;
	reference[kIOAsyncCalloutRefconIndex] = 0;
	check("kRingRegister",
	      IOConnectCallAsyncScalarMethod(connection, kRingRegister,
					     IONotificationPortGetMachPort(port), reference,
					     kIOAsyncCalloutCount, NULL, 0, NULL, NULL));
	printf("4  the callback is registered\n");

	/* Steps 5 to 8: keep all buffers busy; the callback sends the next ones. */
	for (uint64_t i = 0; i < RING_BUFFERS; i++)
		if (!fill_and_send(i))
			break;
	printf("5  %u buffers are filled and on their way\n", in_flight);
	if (in_flight != 0)
		CFRunLoopRun();
	check("a transfer", failure);
	printf("8  sent %llu bytes; the driver counted %llu bytes in %llu buffers\n",
	       completed_bytes, (unsigned long long)status->bytes_sent,
	       (unsigned long long)status->buffers_sent);

	/* Step 9: memory that we may read, and not write. */
	statistics_address = map(kRingStatistics, sizeof(*statistics));
	statistics = (const struct ring_status *)statistics_address;
	if (statistics->bytes_sent != completed_bytes) {
		fprintf(stderr, "The driver counted %llu bytes.\n",
			(unsigned long long)statistics->bytes_sent);
		return 1;
	}
	try_to_write((volatile uint64_t *)statistics_address);

	/* Step 10: give everything back. Closing would do all of it, and so would dying. */
	for (uint32_t i = 0; i < RING_BUFFERS; i++)
		check("IOConnectUnmapMemory64",
		      IOConnectUnmapMemory64(connection, i, mach_task_self(),
					     (mach_vm_address_t)buffers[i]));
	check("IOServiceClose", IOServiceClose(connection));
	IONotificationPortDestroy(port);
	mach_vm_deallocate(mach_task_self(), settings_address, RING_SHARED_SIZE);
	free(memory);
	fclose(file);
	printf("10 unmapped and closed\n");
	return 0;
}
