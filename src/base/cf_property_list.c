/* SPDX-License-Identifier: Apache-2.0 */
/* CFPropertyList over plist.c. */
#include <CoreFoundation/CFPropertyList.h>
#include <DriverKit/OSCollections.h>

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "os_array.h"
#include "os_data.h"
#include "os_dictionary.h"
#include "os_string.h"
#include "plist.h"

CFDataRef
CFPropertyListCreateData(CFAllocatorRef allocator, CFPropertyListRef list,
			 CFPropertyListFormat format, CFOptionFlags options, CFErrorRef *error)
{
	bool binary = format == kCFPropertyListBinaryFormat_v1_0;
	CFDataRef data = NULL;
	IOReturn status;
	size_t length;
	void *bytes;

	if (error != NULL)
		*error = NULL;
	if (list == NULL || options != 0 || (!binary && format != kCFPropertyListXMLFormat_v1_0)) {
		log_error("CFPropertyListCreateData: %s",
			  list == NULL	 ? "list is NULL"
			  : options != 0 ? "options is not 0"
					 : "format is neither XML nor binary");
		return NULL;
	}
	status = binary ? plist_encode(list, &bytes, &length)
			: plist_encode_xml(list, &bytes, &length);
	if (status != kIOReturnSuccess)
		return NULL;
	data = (CFDataRef)OSDataCreate(bytes, length);
	free(bytes);
	return data;
}

/* What the options say can be changed. The object is fresh from its decoder, which bounds its
 * depth. */
static void
set_mutability(OSObject *object, CFOptionFlags options)
{
	bool containers = options != kCFPropertyListImmutable;
	bool leaves = options & kCFPropertyListMutableContainersAndLeaves;

	if (OSDynamicCast(OSString, object) != NULL) {
		OSObjectIVars(OSString, object)->mutable = leaves;
	} else if (OSDynamicCast(OSData, object) != NULL) {
		OSObjectIVars(OSData, object)->fixed = !leaves;
	} else if (OSDynamicCast(OSArray, object) != NULL) {
		struct OSArray_IVars *ivars = OSObjectIVars(OSArray, object);

		ivars->fixed = !containers;
		for (uint32_t i = 0; i < ivars->count; i++)
			set_mutability(ivars->values[i], options);
	} else if (OSDynamicCast(OSDictionary, object) != NULL) {
		struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, object);

		ivars->fixed = !containers;
		for (uint32_t i = 0; i < ivars->count; i++)
			set_mutability(ivars->entries[i].value, options);
	}
}

CFPropertyListRef
CFPropertyListCreateWithData(CFAllocatorRef allocator, CFDataRef data, CFOptionFlags options,
			     CFPropertyListFormat *format, CFErrorRef *error)
{
	const OSData *self = OSDynamicCast(OSData, data);
	const char *bytes = OSDataGetBytesPtr(self);
	size_t length = OSDataGetLength(self);
	OSObject *object = NULL;

	if (error != NULL)
		*error = NULL;
	if (length == 0 || options > kCFPropertyListMutableContainersAndLeaves) {
		log_error("CFPropertyListCreateWithData: %s",
			  length == 0 ? "data is empty or no CFData" : "options are not known");
		return NULL;
	}
	if (plist_decode(bytes, length, &object) != kIOReturnSuccess)
		return NULL;
	set_mutability(object, options);
	if (format != NULL)
		*format = length >= 6 && memcmp(bytes, "bplist", 6) == 0
				  ? kCFPropertyListBinaryFormat_v1_0
				  : kCFPropertyListXMLFormat_v1_0;
	return object;
}
