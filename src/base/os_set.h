/* SPDX-License-Identifier: Apache-2.0 */
/* OSSet: objects, each value once. So far only the app's CFSet, under another name. */
#ifndef BASE_OS_SET_H
#define BASE_OS_SET_H

#include <DriverKit/OSCollections.h>

typedef struct OSSet OSSet;
extern const OSMetaClass gOSSetMetaClass;

struct OSSet_IVars {
	OSDictionary *members; /* [const] each key's value is the member; the keys only find it */
};

OSSet *set_create(void);
/* Borrowed. */
OSDictionary *set_members(const OSSet *set);

#endif
