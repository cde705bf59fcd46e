/* SPDX-License-Identifier: Apache-2.0 */
/* Property lists, XML and binary. */
#ifndef OPENDEXT_COREFOUNDATION_CFPROPERTYLIST_H
#define OPENDEXT_COREFOUNDATION_CFPROPERTYLIST_H

#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFData.h>
#include <CoreFoundation/CFError.h>
#include <CoreFoundation/CFString.h>

DEXT_BEGIN_DECLS

typedef CFIndex CFPropertyListFormat;
enum {
	kCFPropertyListOpenStepFormat = 1, /* refused */
	kCFPropertyListXMLFormat_v1_0 = 100,
	kCFPropertyListBinaryFormat_v1_0 = 200,
};
typedef CFOptionFlags CFPropertyListMutabilityOptions;
enum {
	kCFPropertyListImmutable = 0,
	kCFPropertyListMutableContainers = 1,
	kCFPropertyListMutableContainersAndLeaves = 2, /* strings and data too; not keys */
};

/*
 * The object as a property list; the caller releases it. NULL: it holds what no property list can
 * (other classes, keys that are no strings, dates further than 68 years from 2001), is too deep or
 * too large, or format is another one or options not 0. Fractions of seconds are cut off. *error
 * is an error to release where NULL is returned, else NULL; error may be NULL. The log says more.
 */
CFDataRef CFPropertyListCreateData(CFAllocatorRef allocator, CFPropertyListRef list,
				   CFPropertyListFormat format, CFOptionFlags options,
				   CFErrorRef *error);
/* options says what in the result can be changed. format and error may be NULL. */
CFPropertyListRef CFPropertyListCreateWithData(CFAllocatorRef allocator, CFDataRef data,
					       CFOptionFlags options, CFPropertyListFormat *format,
					       CFErrorRef *error);

/* The old names of the two, for XML. *error_string is what to release. */
CFDataRef CFPropertyListCreateXMLData(CFAllocatorRef allocator, CFPropertyListRef list);
CFPropertyListRef CFPropertyListCreateFromXMLData(CFAllocatorRef allocator, CFDataRef data,
						  CFOptionFlags options, CFStringRef *error_string);
/* A copy of all that is in it, in which options says what can be changed. NULL as above. */
CFPropertyListRef CFPropertyListCreateDeepCopy(CFAllocatorRef allocator, CFPropertyListRef list,
					       CFOptionFlags options);
/* Whether CFPropertyListCreateData could make one of it. */
Boolean CFPropertyListIsValid(CFPropertyListRef list, CFPropertyListFormat format);

DEXT_END_DECLS

#endif
