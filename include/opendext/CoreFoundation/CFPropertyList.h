/* SPDX-License-Identifier: Apache-2.0 */
/* Property lists, XML and binary. */
#ifndef OPENDEXT_COREFOUNDATION_CFPROPERTYLIST_H
#define OPENDEXT_COREFOUNDATION_CFPROPERTYLIST_H

#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFData.h>

DEXT_BEGIN_DECLS

/* There are no error objects here: what failed is in the log, and *error is NULL. */
typedef struct __CFError *CFErrorRef;

typedef CFIndex CFPropertyListFormat;
enum {
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
 * too large, or format is another one or options not 0. Fractions of seconds are cut off. error
 * may be NULL.
 */
CFDataRef CFPropertyListCreateData(CFAllocatorRef allocator, CFPropertyListRef list,
				   CFPropertyListFormat format, CFOptionFlags options,
				   CFErrorRef *error);
/* options says what in the result can be changed. format and error may be NULL. */
CFPropertyListRef CFPropertyListCreateWithData(CFAllocatorRef allocator, CFDataRef data,
					       CFOptionFlags options, CFPropertyListFormat *format,
					       CFErrorRef *error);

DEXT_END_DECLS

#endif
