/* SPDX-License-Identifier: Apache-2.0 */
/* What the callbacks of collections of objects are, for apps that call them. */
#ifndef BASE_CF_CALLBACKS_H
#define BASE_CF_CALLBACKS_H

#include <CoreFoundation/CFBase.h>

static inline const void *
callback_retain(CFAllocatorRef allocator, const void *value)
{
	return CFRetain(value);
}

static inline void
callback_release(CFAllocatorRef allocator, const void *value)
{
	CFRelease(value);
}

#endif
