/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Property lists, by libplist: Info.plist files, and dictionaries on the wire (as binary property
 * lists). Input may be hostile: nesting deeper than 32, more than 65,536 nodes, and what has no OS
 * class are refused.
 */
#ifndef BASE_PLIST_H
#define BASE_PLIST_H

#include <DriverKit/OSCollections.h>

/* XML or binary. kIOReturnBadArgument: not a property list. The result is the caller's. */
IOReturn plist_decode(const void *bytes, size_t length, OSObject **ret_object);
/*
 * The same of what any user may send: within DEXT_LIMIT_MATCHING_NODES and _BYTES, because a list
 * may name one object often and is that much larger here than its bytes.
 */
IOReturn plist_decode_matching(const void *bytes, size_t length, OSObject **ret_object);
/* Binary. The caller frees *ret_bytes. */
IOReturn plist_encode(const void *object, void **ret_bytes, size_t *ret_length);
IOReturn plist_encode_xml(const void *object, void **ret_bytes, size_t *ret_length);

#endif
