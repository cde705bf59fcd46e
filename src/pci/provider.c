/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the IOPCIDevice that a host's START describes, from the files that came with it: the
 * configuration space, and for each BAR that says "Files" two of its memory, the second for reading
 * alone (PROTOCOL.md 3).
 *
 * A host is told that its device has gone; it does not see it by itself.
 */
#include "pci_provider.h"

#include "device_memory.h"
#include "log.h"
#include "pci_device.h"

/* How START describes a BAR. */
static IOReturn
describe(const OSObject *object, struct pci_bar *bar, bool *ret_files)
{
	const OSDictionary *described = OSDynamicCast(OSDictionary, object);
	uint64_t number, type, files;

	if (described == NULL || !OSDictionaryGetUInt64Value(described, "Number", &number) ||
	    !OSDictionaryGetUInt64Value(described, "Type", &type) ||
	    !OSDictionaryGetUInt64Value(described, "Size", &bar->size) ||
	    !OSDictionaryGetUInt64Value(described, "Files", &files) || number >= PCI_BARS ||
	    type > UINT8_MAX)
		return kIOReturnBadArgument;
	bar->number = (uint8_t)number;
	bar->type = (uint8_t)type;
	*ret_files = files != 0;
	return kIOReturnSuccess;
}

/* Appends a BAR; its files are the next ones. */
static IOReturn
add(const OSObject *object, struct fd_list *files, unsigned *at, struct pci_bar *bar)
{
	bool has_files = false;
	IOReturn res = describe(object, bar, &has_files);

	if (res != kIOReturnSuccess || !has_files)
		return res;
	if (*at + 2 > files->count)
		return kIOReturnBadArgument;
	res = memory_create_for_device_take(fd_list_take(files, *at), fd_list_take(files, *at + 1),
					    bar->size, &bar->memory);
	*at += 2;
	return res;
}

static IOReturn
make(OSDictionary *described, struct fd_list *files, IOPCIDevice **ret_device)
{
	const OSArray *list = OSDynamicCast(OSArray, OSDictionaryGetValue(described, "BARs"));
	OSDictionary *properties =
		OSDynamicCast(OSDictionary, OSDictionaryGetValue(described, "Properties"));
	struct pci_bar bars[PCI_BARS] = {0};
	struct pci_place place;
	unsigned count = 0, at = 1;
	IOReturn res = kIOReturnSuccess;
	uint64_t where;

	if (list == NULL || OSArrayGetCount(list) > PCI_BARS || properties == NULL ||
	    !OSDictionaryGetUInt64Value(described, "Place", &where) || files->count == 0)
		return kIOReturnBadArgument;
	place = (struct pci_place){(uint8_t)(where >> 8), (uint8_t)(where >> 3 & 0x1f),
				   (uint8_t)(where & 7)};
	for (; count < OSArrayGetCount(list) && res == kIOReturnSuccess; count++)
		res = add(OSArrayGetValue(list, count), files, &at, &bars[count]);
	if (res != kIOReturnSuccess) {
		while (count > 0)
			OSRelease(bars[--count].memory);
		return res;
	}
	res = pci_device_create_take(bars, count, fd_list_take(files, 0), &place, ret_device);
	if (res != kIOReturnSuccess)
		return res;
	return IOService_SetProperties_Impl((IOService *)*ret_device, properties);
}

static IOReturn
create(OSDictionary *start, struct fd_list *files, struct loop *loop, IOService **ret_provider)
{
	OSDictionary *device = OSDynamicCast(OSDictionary, OSDictionaryGetValue(start, "Device"));
	IOPCIDevice *made = NULL;
	IOReturn res = kIOReturnBadArgument;

	if (device != NULL)
		res = make(device, files, &made);
	if (res != kIOReturnSuccess) {
		OSRelease(made);
		log_error("pci: START's Device does not describe a PCI device and its files");
		return res;
	}
	*ret_provider = (IOService *)made;
	return kIOReturnSuccess;
}

static void
unplug(IOService *provider)
{
	if (pci_device_set_gone(OSRequiredCast(IOPCIDevice, provider)))
		host_provider_gone(provider);
}

static void
close_provider(IOService *provider)
{
	/* Its memory and files go with the object. */
}

const struct host_provider pci_host_provider = {
	.create = create,
	.close = close_provider,
	.unplug = unplug,
};
