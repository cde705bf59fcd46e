/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that make io_iterator_t and go through them. */
#include "errno_kept.h"
#include "iterator.h"
#include "log.h"
#include "object_table.h"
#include "registry_entry.h"
#include "status.h"

#include <IOKit/IOKitLib.h>

/* The name takes the iterator's reference. */
static IOReturn
give_take(struct iterator *iterator, io_iterator_t *ret_name)
{
	IOReturn status = object_add_iterator_take(iterator, ret_name);

	if (status != kIOReturnSuccess)
		iterator_release(iterator);
	return status;
}

kern_return_t
IOServiceGetMatchingServices(mach_port_t main_port, CFDictionaryRef matching,
			     io_iterator_t *existing)
{
	ERRNO_KEPT;
	OSDictionary *dictionary = OSDynamicCast(OSDictionary, (void *)(uintptr_t)matching);
	IOReturn status = kIOReturnBadArgument;
	struct iterator *iterator;

	(void)main_port;
	if (dictionary == NULL || existing == NULL)
		log_error("IOServiceGetMatchingServices: %s",
			  existing == NULL ? "existing is NULL" : "matching is no dictionary");
	else
		status = iterator_create_matching(dictionary, &iterator);
	if (status == kIOReturnSuccess)
		status = give_take(iterator, existing);
	OSRelease((void *)(uintptr_t)matching);
	return status;
}

IOReturn
entry_iterate(uint64_t id, enum plane plane, enum entry_relation relation, io_iterator_t *ret_name)
{
	struct iterator *iterator;
	IOReturn status = iterator_create(id, plane, relation, &iterator);

	return status == kIOReturnSuccess ? give_take(iterator, ret_name) : status;
}

static struct iterator *
get(const char *function, io_iterator_t name)
{
	struct iterator *iterator = object_copy_iterator(name);

	if (iterator == NULL)
		log_error("%s: 0x%x is no iterator", function, name);
	return iterator;
}

io_object_t
IOIteratorNext(io_iterator_t name)
{
	ERRNO_KEPT;
	struct iterator *iterator = name != IO_OBJECT_NULL ? get("IOIteratorNext", name) : NULL;
	io_object_t object = IO_OBJECT_NULL;
	uint64_t id;

	if (iterator == NULL)
		return IO_OBJECT_NULL;
	if (iterator_next(iterator, &id) && object_add_service(id, &object) != kIOReturnSuccess)
		object = IO_OBJECT_NULL;
	iterator_release(iterator);
	return object;
}

void
IOIteratorReset(io_iterator_t name)
{
	ERRNO_KEPT;
	struct iterator *iterator = get("IOIteratorReset", name);
	IOReturn status;

	if (iterator == NULL)
		return;
	status = iterator_reset(iterator);
	if (status != kIOReturnSuccess)
		log_error("IOIteratorReset: it stays where it was: %s", status_string(status));
	iterator_release(iterator);
}

boolean_t
IOIteratorIsValid(io_iterator_t name)
{
	ERRNO_KEPT;
	struct iterator *iterator = object_copy_iterator(name);

	if (iterator == NULL)
		return FALSE;
	iterator_release(iterator);
	return TRUE; /* neither kind is made invalid by what comes and goes */
}

kern_return_t
IORegistryIteratorEnterEntry(io_iterator_t name)
{
	ERRNO_KEPT;
	struct iterator *iterator = get("IORegistryIteratorEnterEntry", name);
	IOReturn status;

	if (iterator == NULL)
		return object_refusal(name);
	status = iterator_enter(iterator);
	iterator_release(iterator);
	return status;
}

kern_return_t
IORegistryIteratorExitEntry(io_iterator_t name)
{
	ERRNO_KEPT;
	struct iterator *iterator = get("IORegistryIteratorExitEntry", name);
	IOReturn status;

	if (iterator == NULL)
		return object_refusal(name);
	status = iterator_exit(iterator);
	iterator_release(iterator);
	return status;
}
