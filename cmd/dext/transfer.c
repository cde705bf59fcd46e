/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session: service, connection, mapped buffers, completions, signals.
 *
 * An ordinary app over the public headers; nothing here knows how calls or memory travel. Once the
 * connection is open a signal only writes to a descriptor in the same poll as the completions, so
 * that Ctrl-C never hits between a buffer's submission and its account. A second Ctrl-C ends the
 * program at once, also while it waits for a driver that does not answer.
 */
#include "transfer.h"

#include "dext.h"
#include "progress.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <mach/mach.h>

#define STEP_MSEC     100	 /* between looks at the progress bar, and at signals */
#define GIVE_UP_NSEC  2000000000 /* for an abort that the device does not answer */
#define NOTICE_NSEC   1000000000 /* for a hub, to tell that a device has gone */
#define MIN_SIZE      1024u	 /* a buffer must hold a packet, and a request's data */
#define REFERENCE_LEN kIOAsyncCalloutCount

uint64_t
transfer_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int
transfer_fail(struct transfer *transfer, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(transfer->error, sizeof(transfer->error), format, arguments);
	va_end(arguments);
	progress_clear();
	fprintf(stderr, "dext %s: %s\n", transfer->options.command, transfer->error);
	return code;
}

static bool wait_by_poll(struct transfer *transfer, int fd, short events);

/* refcon: a flag. */
static void
on_end(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	bool *ended = refcon;

	if (type == kIOMessageServiceIsTerminated)
		*ended = true;
}

/*
 * A device that is pulled out fails to answer, some time before its hub notices. Then its node goes
 * from the registry, which a device with a bad cable stays in.
 */
static bool
is_pulled_out(struct transfer *transfer)
{
	uint64_t begun = transfer_now(), end = begun + NOTICE_NSEC;
	io_object_t interest = MACH_PORT_NULL;
	kern_return_t status;

	if (transfer->port == NULL || transfer->provider == MACH_PORT_NULL)
		return false;
	status = IOServiceAddInterestNotification(transfer->port, transfer->provider,
						  kIOGeneralInterest, on_end,
						  &transfer->provider_gone, &interest);
	transfer->provider_gone |= status == kIOReturnNotFound;
	while (status == kIOReturnSuccess && !transfer->provider_gone && !transfer->unplugged &&
	       !transfer->interrupted && transfer_now() < end)
		wait_by_poll(transfer, -1, 0);
	if (interest != MACH_PORT_NULL)
		IOObjectRelease(interest);
	transfer->started += transfer_now() - begun; /* no part of the figures */
	return transfer->provider_gone || transfer->unplugged;
}

/*
 * A driver ends with its device; its last completions, still in the ring or the port, may say so.
 * If they were made before its hub noticed, they do not.
 */
static bool
was_unplugged(struct transfer *transfer)
{
	transfer_take_ring(transfer);
	while (transfer->port != NULL && dext_notification_port_dispatch(transfer->port) != 0)
		;
	return transfer->unplugged;
}

static IOReturn
find_cause(struct transfer *transfer, IOReturn status)
{
	switch (status) {
	case kIOReturnOffline:
	case MACH_SEND_INVALID_DEST:
		return was_unplugged(transfer) || is_pulled_out(transfer) ? kIOReturnNoDevice
									  : status;
	case kIOReturnNotResponding:
	case kIOReturnIOError:
	case kIOReturnAborted: /* what was behind one that was not answered */
		return is_pulled_out(transfer) ? kIOReturnNoDevice : status;
	default:
		return status;
	}
}

int
transfer_fail_status(struct transfer *transfer, IOReturn status, const char *what)
{
	const char *next = "OPENDEXT_LOG=info shows more";
	int code = DEXT_EXIT_ERROR;
	char unplugged[128];

	status = find_cause(transfer, status);
	switch (status) {
	case kIOReturnNotPermitted:
	case kIOReturnNotPrivileged:
		next = "this user may not; the registry's log names the rule";
		code = DEXT_EXIT_REFUSED;
		break;
	case kIOReturnExclusiveAccess:
		next = "another app has the device exclusively; try again when it has ended";
		code = DEXT_EXIT_REFUSED;
		break;
	case kIOReturnNotFound:
		next = "the service has gone, or the device has no such endpoint; `dext list` "
		       "shows what is there";
		code = DEXT_EXIT_NOT_FOUND;
		break;
	case kIOReturnNoResources:
	case kIOReturnNoMemory:
		next = "use fewer or smaller buffers (--buffers, --size)";
		break;
	case kIOReturnNoDevice:
		snprintf(unplugged, sizeof(unplugged),
			 "the device was unplugged after %llu bytes were %s; plug it in again and "
			 "repeat the command",
			 (unsigned long long)transfer->bytes,
			 transfer->direction == DEXT_BULKSTREAM_IN ? "received" : "sent");
		next = unplugged;
		code = DEXT_EXIT_DEVICE;
		break;
	case kIOReturnOffline:
	case MACH_SEND_INVALID_DEST:
		next = "the driver has ended; its log says why. Repeat the command once `dext "
		       "list` shows the service again";
		code = DEXT_EXIT_DEVICE;
		break;
	case kUSBHostReturnPipeStalled:
		next = "the device refuses the data; check what it expects, or reset it";
		code = DEXT_EXIT_DEVICE;
		break;
	case kIOReturnAborted: /* not by us: its driver is being stopped */
	case kIOReturnTimeout:
	case kIOReturnNotResponding:
	case kIOReturnIOError:
	case kIOReturnOverrun:
		next = "check the cable and the device";
		code = DEXT_EXIT_DEVICE;
		break;
	default:
		break;
	}
	return transfer_fail(transfer, code, "%s: %s (0x%08x): %s.", what,
			     mach_error_string(status), (unsigned)status, next);
}

static void
on_completion(void *refcon, IOReturn result, void **args, uint32_t count)
{
	struct transfer *transfer = refcon;
	struct transfer_result done;

	if (count != DEXT_BULKSTREAM_ARGUMENTS)
		return;
	done.buffer = (uint32_t)(uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_BUFFER];
	done.status = result;
	done.bytes = (uint32_t)(uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_BYTES];
	transfer_completed(transfer, &done);
}

static int
configure(struct transfer *transfer)
{
	struct transfer_options *options = &transfer->options;
	bool in = transfer->direction == DEXT_BULKSTREAM_IN;
	uint32_t size = (options->size + MIN_SIZE - 1) / MIN_SIZE * MIN_SIZE;
	uint64_t input[6] = {DEXT_BULKSTREAM_ANY,
			     0,
			     in ? DEXT_BULKSTREAM_NONE : DEXT_BULKSTREAM_ANY,
			     in ? DEXT_BULKSTREAM_ANY : DEXT_BULKSTREAM_NONE,
			     options->buffers,
			     size};
	uint64_t output[5] = {0};
	uint32_t count = 5;
	kern_return_t status;

	status = IOConnectCallScalarMethod(transfer->connection, DEXT_BULKSTREAM_CONFIGURE, input,
					   6, output, &count);
	if (status == kIOReturnBadArgument)
		return transfer_fail(transfer, DEXT_EXIT_DEVICE,
				     "the device behind %s has no bulk %s endpoint: choose another "
				     "service (--service) or device.",
				     options->service, in ? "IN" : "OUT");
	if (status != kIOReturnSuccess)
		return transfer_fail_status(transfer, status, "the driver refused the buffers");
	transfer->size = size;
	transfer->packet_size = (uint32_t)output[transfer->direction];
	transfer->has_ring = output[4] != 0; /* a driver of before the ring leaves it out */
	return DEXT_EXIT_OK;
}

static int
map(struct transfer *transfer)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	kern_return_t status = kIOReturnSuccess;

	transfer->buffers = calloc(transfer->options.buffers, sizeof(*transfer->buffers));
	if (transfer->buffers == NULL)
		return transfer_fail(transfer, DEXT_EXIT_ERROR, "out of memory.");
	for (uint32_t i = 0; i < transfer->options.buffers && status == kIOReturnSuccess; i++) {
		status = IOConnectMapMemory64(transfer->connection, i, mach_task_self(), &address,
					      &size, kIOMapAnywhere);
		transfer->buffers[i] = (uint8_t *)(uintptr_t)address;
	}
	if (status != kIOReturnSuccess)
		return transfer_fail(
			transfer, DEXT_EXIT_ERROR,
			"the buffers cannot be mapped (0x%08x): use fewer or smaller "
			"ones (--buffers, --size), or see the log (OPENDEXT_LOG=info).",
			(unsigned)status);
	status = IOConnectMapMemory64(transfer->connection, DEXT_BULKSTREAM_MEMORY_TOTALS,
				      mach_task_self(), &address, &size, kIOMapAnywhere);
	if (status == kIOReturnSuccess && size >= sizeof(*transfer->totals))
		transfer->totals = (const void *)(uintptr_t)address;
	return DEXT_EXIT_OK;
}

/* What the handler knows. */
static int interrupt_fd = -1;
static volatile sig_atomic_t interrupts;

static void
interrupt(int number)
{
	const uint64_t one = 1;
	int saved = errno;

	if (interrupts != 0 || write(interrupt_fd, &one, sizeof(one)) < 0)
		_exit(DEXT_EXIT_INTERRUPTED);
	interrupts = 1;
	errno = saved;
}

static int
watch_signals(struct transfer *transfer)
{
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};

	transfer->signals = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (transfer->signals < 0)
		return transfer_fail(transfer, DEXT_EXIT_ERROR, "eventfd: %s.", strerror(errno));
	interrupt_fd = transfer->signals;
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	return DEXT_EXIT_OK;
}

static int
listen(struct transfer *transfer)
{
	uint64_t reference[REFERENCE_LEN] = {0};
	kern_return_t status;

	transfer->port = IONotificationPortCreate(kIOMainPortDefault);
	if (transfer->port == NULL)
		return transfer_fail(transfer, DEXT_EXIT_ERROR, "out of memory or descriptors.");
	status = IOServiceAddInterestNotification(transfer->port, transfer->service,
						  kIOGeneralInterest, on_end,
						  &transfer->ended_driver, &transfer->interest);
	if (status != kIOReturnSuccess)
		return transfer_fail_status(transfer, status, "the service cannot be watched");
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)on_completion;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)transfer;
	status = IOConnectCallAsyncScalarMethod(transfer->connection, DEXT_BULKSTREAM_REGISTER,
						IONotificationPortGetMachPort(transfer->port),
						reference, REFERENCE_LEN, NULL, 0, NULL, NULL);
	if (status != kIOReturnSuccess)
		return transfer_fail_status(transfer, status, "the driver refused the callback");
	return watch_signals(transfer);
}

/* A service by its name, or by its id, as `dext list` shows it: that tells two of one name apart.
 */
static CFMutableDictionaryRef
matching(const char *service)
{
	char *end;
	uint64_t id;

	if (strncmp(service, "0x", 2) != 0)
		return IOServiceNameMatching(service);
	id = strtoull(service, &end, 16);
	return *end == '\0' ? IORegistryEntryIDMatching(id) : IOServiceNameMatching(service);
}

static int
find_service(struct transfer *transfer)
{
	const char *name = transfer->options.service;
	io_iterator_t found = MACH_PORT_NULL;
	kern_return_t status =
		IOServiceGetMatchingServices(kIOMainPortDefault, matching(name), &found);

	if (status == kIOReturnNoResources)
		return transfer_fail(transfer, DEXT_EXIT_ERROR,
				     "the registry has as many connections as it takes "
				     "(DEXT_LIMIT_REGISTRY_CLIENTS); end programs that hold some.");
	if (status == kIOReturnSuccess) {
		transfer->service = IOIteratorNext(found);
		IOObjectRelease(found);
	}
	if (transfer->service != MACH_PORT_NULL)
		return DEXT_EXIT_OK;
	return transfer_fail(transfer, DEXT_EXIT_NOT_FOUND,
			     "there is no service %s: no driver of that name runs, or no registry "
			     "does. `dext list` shows the services; `dext run BUNDLE --virtual "
			     "sink -- COMMAND` starts one.",
			     name);
}

int
transfer_open(struct transfer *transfer)
{
	kern_return_t status;
	int code;

	transfer->signals = -1;
	transfer->pattern = true;
	transfer->hash = XXH3_createState();
	if (transfer->hash == NULL)
		return transfer_fail(transfer, DEXT_EXIT_ERROR, "out of memory.");
	XXH3_64bits_reset(transfer->hash);
	code = find_service(transfer);
	if (code != DEXT_EXIT_OK)
		return code;
	status = IOServiceOpen(transfer->service, mach_task_self(), DEXT_BULKSTREAM_SHARED,
			       &transfer->connection);
	if (status != kIOReturnSuccess)
		return transfer_fail_status(transfer, status, "the service cannot be opened");
	if (IORegistryEntryGetParentEntry(transfer->service, kIOServicePlane,
					  &transfer->provider) != kIOReturnSuccess)
		transfer->provider = MACH_PORT_NULL;
	code = configure(transfer);
	if (code == DEXT_EXIT_OK)
		code = map(transfer);
	if (code == DEXT_EXIT_OK)
		code = listen(transfer);
	if (code == DEXT_EXIT_OK)
		code = transfer_make_ring(transfer);
	if (code == DEXT_EXIT_OK)
		transfer_ask_device(transfer);
	transfer->started = transfer_now();
	return code;
}

void
transfer_close(struct transfer *transfer)
{
	dext_ring_release(transfer->ring);
	if (transfer->connection != MACH_PORT_NULL)
		IOServiceClose(transfer->connection);
	if (transfer->interest != MACH_PORT_NULL)
		IOObjectRelease(transfer->interest);
	if (transfer->provider != MACH_PORT_NULL)
		IOObjectRelease(transfer->provider);
	if (transfer->service != MACH_PORT_NULL)
		IOObjectRelease(transfer->service);
	IONotificationPortDestroy(transfer->port);
	if (transfer->signals >= 0)
		close(transfer->signals);
	free(transfer->buffers);
	XXH3_freeState(transfer->hash);
}

static void
read_signals(struct transfer *transfer)
{
	uint64_t count;

	if (read(transfer->signals, &count, sizeof(count)) == (ssize_t)sizeof(count))
		transfer->interrupted = true;
}

/* Not before there is something to come: from its first use on the driver tells by it, too. */
static int
ring_descriptor(const struct transfer *transfer)
{
	return transfer->in_ring != 0 ? dext_ring_get_descriptor(transfer->ring) : -1;
}

/* Takes what is there; whether to wait for more, which the ring's descriptor tells then. */
static bool
must_wait(struct transfer *transfer)
{
	if (transfer->in_ring == 0)
		return true;
	if (transfer_take_ring(transfer))
		return false;
	/* Not armed and nothing there: the connection has ended, and the port will say so. */
	return dext_ring_arm(transfer->ring, DEXT_RING_ENTRIES) || !transfer_take_ring(transfer);
}

/* The port, signals, and whatever else is to wait for. */
static bool
wait_by_poll(struct transfer *transfer, int fd, short events)
{
	struct pollfd polled[4] = {
		{.fd = IONotificationPortGetFileDescriptor(transfer->port), .events = POLLIN},
		{.fd = transfer->signals, .events = POLLIN},
		{.fd = fd, .events = events},
		{.fd = ring_descriptor(transfer), .events = POLLIN},
	};
	int count = poll(polled, 4, must_wait(transfer) ? STEP_MSEC : 0);

	if (count > 0 && polled[1].revents != 0)
		read_signals(transfer);
	dext_notification_port_dispatch(transfer->port);
	transfer_take_ring(transfer);
	return count > 0 && polled[2].revents != 0;
}

/*
 * Only for what the ring brings: without a system call if that comes soon, and else woken when half
 * of what is underway has come. A signal interrupts the sleep, and is seen at the end of a step.
 * False: it will not bring it.
 */
static bool
wait_by_ring(struct transfer *transfer)
{
	IOReturn status = kIOReturnSuccess;

	if (!transfer_take_ring(transfer)) {
		status = dext_ring_wait_batch(transfer->ring, DEXT_RING_ENTRIES,
					      (transfer->in_ring + 1) / 2,
					      STEP_MSEC * UINT64_C(1000000));
		transfer_take_ring(transfer);
	}
	transfer->interrupted |= interrupts != 0;
	return status == kIOReturnSuccess || status == kIOReturnTimeout;
}

int
transfer_wait(struct transfer *transfer, int fd, short events, bool *ret_ready)
{
	*ret_ready = false;
	if (fd >= 0 || transfer->in_ring == 0 || !wait_by_ring(transfer))
		*ret_ready = wait_by_poll(transfer, fd, events);
	if (transfer->ended_driver && transfer->in_flight != 0)
		return transfer_fail_status(transfer, kIOReturnOffline, "the connection broke");
	progress_show(transfer);
	return DEXT_EXIT_OK;
}

void
transfer_abort(struct transfer *transfer)
{
	uint64_t direction = transfer->direction;
	uint64_t end = transfer_now() + GIVE_UP_NSEC;
	bool ready;

	if (transfer->in_flight == 0)
		return;
	/* A driver that has gone has been complained about, and answers nothing. */
	if (IOConnectCallScalarMethod(transfer->connection, DEXT_BULKSTREAM_ABORT, &direction, 1,
				      NULL, NULL) == MACH_SEND_INVALID_DEST)
		return;
	while (transfer->in_flight != 0 && transfer_now() < end)
		if (transfer_wait(transfer, -1, 0, &ready) != DEXT_EXIT_OK)
			return;
}
