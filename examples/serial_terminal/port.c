/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port: one connection, the driver's ring mapped for reading, its send buffers mapped for
 * writing. Completions come on the run loop's thread; another one may fill buffers meanwhile.
 */
#include "port.h"

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static io_connect_t connection = IO_OBJECT_NULL;
static IONotificationPortRef notifications;
static const uint8_t *ring;
static uint8_t *buffers[FTDI_SEND_BUFFERS];
static uint64_t taken; /* position up to which bytes were written */

/* Which buffers are in use, and whether the port works. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool in_use[FTDI_SEND_BUFFERS];
static bool failed;

static void
fail(const char *what, IOReturn result)
{
	bool first;

	pthread_mutex_lock(&lock);
	first = !failed;
	failed = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	if (first && result == kIOReturnNoDevice)
		fprintf(stderr, "serial_terminal: the adapter was pulled out\n");
	else if (first)
		mach_error(what, result);
}

static bool
write_all(const uint8_t *bytes, uint64_t length)
{
	while (length > 0) {
		ssize_t count = write(STDOUT_FILENO, bytes, (size_t)length);

		if (count < 0)
			return false;
		bytes += count;
		length -= (uint64_t)count;
	}
	return true;
}

/* Bytes in the ring: at most two pieces. Gives their room back. */
static void
print_received(uint64_t received)
{
	uint64_t there;
	uint32_t count = 1;
	kern_return_t result;

	while (taken < received) {
		uint64_t at = taken % FTDI_RING_BYTES, length = received - taken;

		if (length > FTDI_RING_BYTES - at)
			length = FTDI_RING_BYTES - at;
		if (!write_all(ring + at, length)) {
			fail("writing", kIOReturnIOError);
			return;
		}
		taken += length;
	}
	result = IOConnectCallScalarMethod(connection, FTDI_TAKE, &taken, 1, &there, &count);
	if (result != KERN_SUCCESS)
		fail("FTDI_TAKE", result);
}

static void
print_events(uint64_t events)
{
	if ((events & FTDI_EVENT_OVERRUN) != 0)
		fprintf(stderr, "[bytes were lost in the adapter]\n");
	if ((events & FTDI_EVENT_PARITY) != 0)
		fprintf(stderr, "[parity error]\n");
	if ((events & FTDI_EVENT_FRAMING) != 0)
		fprintf(stderr, "[framing error: is the baud rate right?]\n");
	if ((events & FTDI_EVENT_BREAK) != 0)
		fprintf(stderr, "[break]\n");
}

static void
on_received(void *context, IOReturn result, void **arguments, uint32_t count)
{
	if (result != kIOReturnSuccess) {
		fail("receiving", result);
		return;
	}
	print_events((uintptr_t)arguments[FTDI_LISTEN_EVENTS]);
	print_received((uintptr_t)arguments[FTDI_LISTEN_RECEIVED]);
}

static void
on_sent(void *context, IOReturn result, void *bytes)
{
	pthread_mutex_lock(&lock);
	*(bool *)context = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	if (result != kIOReturnSuccess)
		fail("sending", result);
}

static kern_return_t
call_async(uint32_t selector, void *function, void *context, const uint64_t *input, uint32_t count)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0};

	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)function;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)context;
	return IOConnectCallAsyncScalarMethod(
		connection, selector, IONotificationPortGetMachPort(notifications), reference,
		kIOAsyncCalloutCount, input, count, NULL, NULL);
}

static kern_return_t
map(uint32_t type, void *ret_address)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	kern_return_t result = IOConnectMapMemory64(connection, type, mach_task_self(), &address,
						    &size, kIOMapAnywhere);

	if (result == KERN_SUCCESS)
		*(uintptr_t *)ret_address = (uintptr_t)address;
	return result;
}

static kern_return_t
set_line(const struct line *line)
{
	uint64_t input[] = {line->baud, line->data_bits, line->parity, line->stop, line->flow};
	uint64_t actual;
	uint32_t count = 1;

	return IOConnectCallScalarMethod(connection, FTDI_SET_LINE, input, 5, &actual, &count);
}

static kern_return_t
set_up(const struct line *line)
{
	kern_return_t result = set_line(line);

	if (result == KERN_SUCCESS)
		result = map(FTDI_MEMORY_RECEIVE, &ring);
	for (uint32_t i = 0; i < FTDI_SEND_BUFFERS && result == KERN_SUCCESS; i++)
		result = map(FTDI_MEMORY_SEND + i, &buffers[i]);
	if (result == KERN_SUCCESS)
		result = call_async(FTDI_LISTEN, on_received, NULL, NULL, 0);
	return result;
}

bool
port_open(const struct line *line)
{
	io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault,
							   IOServiceNameMatching(FTDI_SERVICE));
	kern_return_t result;

	if (service == IO_OBJECT_NULL) {
		fprintf(stderr, "serial_terminal: there is no FTDI adapter, or no driver of it\n");
		return false;
	}
	result = IOServiceOpen(service, mach_task_self(), 0, &connection);
	IOObjectRelease(service);
	if (result != KERN_SUCCESS) {
		mach_error("IOServiceOpen", result);
		return false;
	}
	notifications = IONotificationPortCreate(kIOMainPortDefault);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(notifications),
			   kCFRunLoopDefaultMode);
	result = set_up(line);
	if (result == KERN_SUCCESS)
		return true;
	if (result == kIOReturnUnsupported)
		fprintf(stderr, "serial_terminal: the adapter does not do %llu baud\n",
			(unsigned long long)line->baud);
	else
		mach_error("setting the port up", result);
	port_close();
	return false;
}

void
port_close(void)
{
	IOServiceClose(connection);
	IONotificationPortDestroy(notifications);
}

uint8_t *
port_get_buffer(void)
{
	uint8_t *found = NULL;

	pthread_mutex_lock(&lock);
	while (found == NULL && !failed) {
		for (unsigned i = 0; i < FTDI_SEND_BUFFERS && found == NULL; i++) {
			if (in_use[i])
				continue;
			in_use[i] = true;
			found = buffers[i];
		}
		if (found == NULL)
			pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void
port_send(uint8_t *buffer, uint64_t length)
{
	uint64_t i = 0;
	kern_return_t result = KERN_SUCCESS;

	while (buffers[i] != buffer)
		i++;
	if (length != 0)
		result = call_async(FTDI_SEND, on_sent, &in_use[i], (uint64_t[]){i, length}, 2);
	if (result != KERN_SUCCESS)
		fail("FTDI_SEND", result);
	if (result != KERN_SUCCESS || length == 0)
		on_sent(&in_use[i], kIOReturnSuccess, NULL);
}

bool
port_is_idle(void)
{
	bool idle = true;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < FTDI_SEND_BUFFERS; i++)
		idle &= !in_use[i];
	pthread_mutex_unlock(&lock);
	return idle;
}

bool
port_is_empty(void)
{
	uint64_t status[FTDI_STATUS_COUNT];
	uint32_t count = FTDI_STATUS_COUNT;

	return IOConnectCallScalarMethod(connection, FTDI_GET_STATUS, NULL, 0, status, &count) !=
		       KERN_SUCCESS ||
	       status[FTDI_STATUS_EMPTY] != 0;
}

bool
port_has_failed(void)
{
	bool result;

	pthread_mutex_lock(&lock);
	result = failed;
	pthread_mutex_unlock(&lock);
	return result;
}

uint64_t
port_received(void)
{
	return taken;
}
