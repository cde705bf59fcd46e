/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOPCIDevice: the session, the BARs, and where an access goes.
 *
 * Accesses take no lock: a driver polls registers. What they look at is constant but for two flags;
 * the BARs are mapped when the device is opened for the first time, before `is_open` is stored, and
 * stay so until the object is freed, so that a thread that is late meets a mapping.
 */
#include "pci_device.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "descriptor.h"
#include "log.h"
#include "object.h"

#define CONFIGURATION_MAX 4096u

struct IOPCIDevice_IVars {
	struct pci_bar bars[PCI_BARS]; /* [const] by memory index */
	unsigned count;		       /* [const] */
	int configuration;	       /* [const] a file, for reading */
	struct pci_place place;	       /* [const] */
	pthread_mutex_t lock;
	const IOService *client;   /* [lock] that has the session; not retained, only compared */
	char *addresses[PCI_BARS]; /* written once, before `is_open` */
	atomic_bool is_open;
	atomic_bool gone;
};

static bool init(OSObject *object);
static void finish(OSObject *object);

static const OSObjectMethods device_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = finish,
};

const OSMetaClass gIOPCIDeviceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOPCIDevice",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct IOPCIDevice_IVars),
	.object = &device_methods,
};

static struct IOPCIDevice_IVars *
ivars(IOPCIDevice *device)
{
	return OSObjectIVars(IOPCIDevice, device);
}

static bool
init(OSObject *object)
{
	struct IOPCIDevice_IVars *device = ivars((IOPCIDevice *)object);

	if (!IOService_init_Impl((IOService *)object))
		return false;
	device->configuration = -1;
	pthread_mutex_init(&device->lock, NULL);
	return true;
}

static void
finish(OSObject *object)
{
	struct IOPCIDevice_IVars *device = ivars((IOPCIDevice *)object);

	for (unsigned i = 0; i < device->count; i++)
		OSRelease(device->bars[i].memory);
	fd_close(&device->configuration);
	pthread_mutex_destroy(&device->lock);
	IOService_free_Impl((IOService *)object);
}

IOReturn
pci_device_create_take(const struct pci_bar *bars, unsigned count, int configuration,
		       const struct pci_place *place, IOPCIDevice **ret_device)
{
	IOPCIDevice *object = object_create(IOPCIDevice);
	struct IOPCIDevice_IVars *device;

	if (object == NULL) {
		for (unsigned i = 0; i < count; i++)
			OSRelease(bars[i].memory);
		fd_close(&configuration);
		return kIOReturnNoMemory;
	}
	device = ivars(object);
	for (unsigned i = 0; i < count; i++)
		device->bars[i] = bars[i];
	device->count = count;
	device->configuration = configuration;
	device->place = *place;
	*ret_device = object;
	return kIOReturnSuccess;
}

bool
pci_device_set_gone(IOPCIDevice *device)
{
	return !atomic_exchange(&ivars(device)->gone, true);
}

static IOReturn
refuse(const char *what)
{
	log_error("IOPCIDevice: %s", what);
	return kIOReturnBadArgument;
}

/* --- session --- */

static IOReturn
map_locked(struct IOPCIDevice_IVars *device)
{
	for (unsigned i = 0; i < device->count; i++) {
		if (device->bars[i].memory == NULL || device->addresses[i] != NULL)
			continue;
		device->addresses[i] = memory_address(device->bars[i].memory);
		if (device->addresses[i] == NULL) {
			log_error("IOPCIDevice: Open: BAR %u cannot be mapped",
				  device->bars[i].number);
			return kIOReturnNoResources;
		}
	}
	return kIOReturnSuccess;
}

kern_return_t
IOPCIDevice_Open(IOPCIDevice *object, IOService *forClient, uint32_t options)
{
	struct IOPCIDevice_IVars *device;
	IOReturn res;

	if (object == NULL || forClient == NULL)
		return refuse("Open: forClient is NULL");
	if (options != 0)
		return refuse("Open: options must be 0");
	device = ivars(object);
	pthread_mutex_lock(&device->lock);
	if (atomic_load(&device->gone))
		res = kIOReturnNoDevice;
	else if (device->client != NULL)
		res = kIOReturnExclusiveAccess;
	else
		res = map_locked(device);
	if (res == kIOReturnSuccess) {
		device->client = forClient;
		/* Pairs with the load in pci_device_reach: `addresses` are there. */
		atomic_store_explicit(&device->is_open, true, memory_order_release);
	}
	pthread_mutex_unlock(&device->lock);
	return res;
}

void
IOPCIDevice_Close(IOPCIDevice *object, IOService *forClient, uint32_t options)
{
	struct IOPCIDevice_IVars *device;
	bool was_open;

	if (object == NULL || forClient == NULL || options != 0) {
		refuse("Close: forClient is NULL, or options not 0");
		return;
	}
	device = ivars(object);
	pthread_mutex_lock(&device->lock);
	was_open = device->client == forClient;
	if (was_open) {
		device->client = NULL;
		atomic_store_explicit(&device->is_open, false, memory_order_relaxed);
	}
	pthread_mutex_unlock(&device->lock);
	if (!was_open)
		refuse("Close: forClient has no session");
}

/* --- BARs --- */

kern_return_t
IOPCIDevice_CopyDeviceMemoryWithIndex(IOPCIDevice *object, uint64_t memoryIndex,
				      IOMemoryDescriptor **memory, IOService *forClient)
{
	struct IOPCIDevice_IVars *device;
	const struct pci_bar *bar;
	bool is_client;

	if (object == NULL || memory == NULL || forClient == NULL)
		return refuse("CopyDeviceMemoryWithIndex: an argument is NULL");
	device = ivars(object);
	pthread_mutex_lock(&device->lock);
	is_client = device->client == forClient;
	pthread_mutex_unlock(&device->lock);
	if (!is_client)
		return kIOReturnNotOpen;
	if (atomic_load(&device->gone))
		return kIOReturnNoDevice;
	if (memoryIndex >= device->count)
		return kIOReturnNotFound;
	bar = &device->bars[memoryIndex];
	if (bar->memory == NULL) {
		log_error("IOPCIDevice: CopyDeviceMemoryWithIndex: BAR %u is %s", bar->number,
			  bar->type == kPCIBARTypeIO
				  ? "of I/O ports"
				  : "no whole pages: the rest of its page may be another device's");
		return kIOReturnUnsupported;
	}
	OSRetain(bar->memory);
	*memory = bar->memory;
	return kIOReturnSuccess;
}

kern_return_t
IOPCIDevice_GetBARInfo(IOPCIDevice *object, uint8_t barIndex, uint8_t *memoryIndex,
		       uint64_t *barSize, uint8_t *barType)
{
	const struct IOPCIDevice_IVars *device;

	if (object == NULL || memoryIndex == NULL || barSize == NULL || barType == NULL)
		return refuse("GetBARInfo: an argument is NULL");
	device = ivars(object);
	for (unsigned i = 0; i < device->count; i++) {
		if (device->bars[i].number != barIndex)
			continue;
		*memoryIndex = (uint8_t)i;
		*barSize = device->bars[i].size;
		*barType = device->bars[i].type;
		return kIOReturnSuccess;
	}
	return kIOReturnNotFound;
}

kern_return_t
IOPCIDevice_GetBusDeviceFunction(IOPCIDevice *object, uint8_t *busNumber, uint8_t *deviceNumber,
				 uint8_t *functionNumber)
{
	const struct pci_place *place;

	if (object == NULL || busNumber == NULL || deviceNumber == NULL || functionNumber == NULL)
		return refuse("GetBusDeviceFunction: an argument is NULL");
	place = &ivars(object)->place;
	*busNumber = place->bus;
	*deviceNumber = place->device;
	*functionNumber = place->function;
	return kIOReturnSuccess;
}

/* --- for access.c --- */

static const char *
wrong(const struct IOPCIDevice_IVars *device, uint64_t offset, unsigned width, uint64_t size)
{
	/* Pairs with the store in Open. */
	if (!atomic_load_explicit(&device->is_open, memory_order_acquire))
		return "the device is not open";
	if (offset % width != 0)
		return "an access is at a multiple of its width";
	if (size < width || offset > size - width)
		return "it is outside of the memory";
	return NULL;
}

volatile void *
pci_device_reach(IOPCIDevice *object, uint8_t memory_index, uint64_t offset, unsigned width,
		 const char *call)
{
	struct IOPCIDevice_IVars *device = ivars(object);
	const struct pci_bar *bar;
	const char *what;

	if (atomic_load_explicit(&device->gone, memory_order_relaxed))
		return NULL;
	bar = memory_index < device->count ? &device->bars[memory_index] : NULL;
	what = bar == NULL || bar->memory == NULL ? "no such memory, or none that can be used"
						  : wrong(device, offset, width, bar->size);
	if (what == NULL)
		return device->addresses[memory_index] + offset;
	log_error("IOPCIDevice: %s at 0x%" PRIx64 " of memory %u: %s", call, offset, memory_index,
		  what);
	return NULL;
}

uint32_t
pci_device_read_configuration(IOPCIDevice *object, uint64_t offset, unsigned width,
			      const char *call)
{
	struct IOPCIDevice_IVars *device = ivars(object);
	const char *what = wrong(device, offset, width, CONFIGURATION_MAX);
	uint8_t bytes[4];
	uint32_t value = 0;

	if (atomic_load_explicit(&device->gone, memory_order_relaxed))
		return UINT32_MAX;
	if (what == NULL &&
	    pread(device->configuration, bytes, width, (off_t)offset) != (ssize_t)width)
		what = "the kernel shows 64 bytes of it";
	if (what != NULL) {
		log_error("IOPCIDevice: %s at 0x%" PRIx64 ": %s", call, offset, what);
		return UINT32_MAX;
	}
	for (unsigned i = 0; i < width; i++)
		value |= (uint32_t)bytes[i] << (8 * i);
	return value;
}
