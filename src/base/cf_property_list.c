/* SPDX-License-Identifier: Apache-2.0 */
/* CFPropertyList over plist.c. */
#include <CoreFoundation/CFPropertyList.h>
#include <DriverKit/OSCollections.h>

#include <stdlib.h>
#include <string.h>

#include "log.h"
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
	if (length == 0 || (options & ~(CFOptionFlags)kCFPropertyListMutableContainers) != 0) {
		log_error("CFPropertyListCreateWithData: %s",
			  length == 0 ? "data is empty or no CFData" : "options are not known");
		return NULL;
	}
	if (plist_decode(bytes, length, &object) != kIOReturnSuccess)
		return NULL;
	if (format != NULL)
		*format = length >= 6 && memcmp(bytes, "bplist", 6) == 0
				  ? kCFPropertyListBinaryFormat_v1_0
				  : kCFPropertyListXMLFormat_v1_0;
	return object;
}
