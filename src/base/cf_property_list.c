/* SPDX-License-Identifier: Apache-2.0 */
/* CFPropertyList over plist.c. */
#include <CoreFoundation/CFPropertyList.h>
#include <DriverKit/OSCollections.h>

#include <stdlib.h>
#include <string.h>

#include "cf_error.h"
#include "log.h"
#include "os_array.h"
#include "os_data.h"
#include "os_dictionary.h"
#include "os_string.h"
#include "plist.h"

/* As macOS has them. */
enum {
	READ_ERROR = 3840,
	WRITE_ERROR = 3851,
};

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
		error_set(error, kCFErrorDomainCocoa, WRITE_ERROR,
			  CFSTR("That is no property list to write, or no format."));
		return NULL;
	}
	status = binary ? plist_encode(list, &bytes, &length)
			: plist_encode_xml(list, &bytes, &length);
	if (status != kIOReturnSuccess) {
		error_set(error, kCFErrorDomainCocoa, WRITE_ERROR,
			  CFSTR("The object cannot be written as a property list."));
		return NULL;
	}
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
		error_set(error, kCFErrorDomainCocoa, READ_ERROR,
			  CFSTR("There is no data to read a property list from."));
		return NULL;
	}
	if (plist_decode(bytes, length, &object) != kIOReturnSuccess) {
		error_set(error, kCFErrorDomainCocoa, READ_ERROR,
			  CFSTR("The data is no property list that can be read."));
		return NULL;
	}
	set_mutability(object, options);
	if (format != NULL)
		*format = length >= 6 && memcmp(bytes, "bplist", 6) == 0
				  ? kCFPropertyListBinaryFormat_v1_0
				  : kCFPropertyListXMLFormat_v1_0;
	return object;
}

CFDataRef
CFPropertyListCreateXMLData(CFAllocatorRef allocator, CFPropertyListRef list)
{
	return CFPropertyListCreateData(allocator, list, kCFPropertyListXMLFormat_v1_0, 0, NULL);
}

CFPropertyListRef
CFPropertyListCreateFromXMLData(CFAllocatorRef allocator, CFDataRef data, CFOptionFlags options,
				CFStringRef *error_string)
{
	CFErrorRef error = NULL;
	CFPropertyListRef list =
		CFPropertyListCreateWithData(allocator, data, options, NULL, &error);

	if (error_string != NULL)
		*error_string = error == NULL ? NULL : CFErrorCopyDescription(error);
	CFRelease(error);
	return list;
}

/* By way of its bytes: what comes back is of our own making, and bounded. */
CFPropertyListRef
CFPropertyListCreateDeepCopy(CFAllocatorRef allocator, CFPropertyListRef list,
			     CFOptionFlags options)
{
	CFDataRef data = CFPropertyListCreateData(allocator, list, kCFPropertyListBinaryFormat_v1_0,
						  0, NULL);
	CFPropertyListRef copy =
		data == NULL ? NULL
			     : CFPropertyListCreateWithData(allocator, data, options, NULL, NULL);

	CFRelease(data);
	return copy;
}

Boolean
CFPropertyListIsValid(CFPropertyListRef list, CFPropertyListFormat format)
{
	CFDataRef data = CFPropertyListCreateData(NULL, list, format, 0, NULL);

	CFRelease(data);
	return data != NULL;
}
