/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSString: bytes that never change after creation, so any thread may read them; only an app's
 * CFMutableString, which is one as well, does change (cf_string_edit.c). They end at the
 * first NUL; whether they are UTF-8 is for whoever shows them.
 */
#include "os_string.h"

#include "object.h"

#include <stdlib.h>
#include <string.h>

static void
OSString_free(OSObject *self)
{
	free(OSObjectIVars(OSString, self)->bytes);
	OSObject_free_Impl(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = OSString_free,
};

const OSMetaClass gOSStringMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSString",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct OSString_IVars),
	.object = &object_methods,
};

OSString *
OSStringCreate(const char *cstring, size_t length)
{
	struct OSString_IVars *ivars;
	OSString *string;

	if (cstring == NULL)
		return NULL;
	string = object_create(OSString);
	if (string == NULL)
		return NULL;
	ivars = OSObjectIVars(OSString, string);
	ivars->bytes = strndup(cstring, length);
	if (ivars->bytes == NULL) {
		OSRelease(string);
		return NULL;
	}
	ivars->length = strlen(ivars->bytes);
	return string;
}

OSString *
OSStringCreateWithCString(const char *cstring)
{
	return cstring == NULL ? NULL : OSStringCreate(cstring, strlen(cstring));
}

const char *
OSStringGetCStringPtr(const OSString *string)
{
	return string == NULL ? NULL : OSObjectIVars(OSString, string)->bytes;
}

size_t
OSStringGetLength(const OSString *string)
{
	return string == NULL ? 0 : OSObjectIVars(OSString, string)->length;
}

bool
OSStringIsEqualToCString(const OSString *string, const char *cstring)
{
	return string != NULL && cstring != NULL &&
	       strcmp(OSObjectIVars(OSString, string)->bytes, cstring) == 0;
}
