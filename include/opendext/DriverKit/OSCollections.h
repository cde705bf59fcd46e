/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collections: OSString, OSNumber, OSBoolean, OSData, OSArray, OSDictionary.
 *
 * Create returns an object that the caller releases, NULL without memory. A collection retains what
 * is put into it; what is looked up in it is borrowed and stays valid while the collection holds
 * it. Strings are UTF-8. A collection may be read from several threads; whoever changes it does so
 * alone.
 */
#ifndef OPENDEXT_DRIVERKIT_OSCOLLECTIONS_H
#define OPENDEXT_DRIVERKIT_OSCOLLECTIONS_H

#include <DriverKit/OSObject.h>

DEXT_BEGIN_DECLS

typedef struct OSString OSString;
typedef struct OSNumber OSNumber;
typedef struct OSBoolean OSBoolean;
typedef struct OSData OSData;
typedef struct OSArray OSArray;
typedef struct OSDictionary OSDictionary;

extern const OSMetaClass gOSStringMetaClass;
extern const OSMetaClass gOSNumberMetaClass;
extern const OSMetaClass gOSBooleanMetaClass;
extern const OSMetaClass gOSDataMetaClass;
extern const OSMetaClass gOSArrayMetaClass;
extern const OSMetaClass gOSDictionaryMetaClass;

/* Same class and same value, deep for collections. Both NULL is equal. */
bool OSObjectIsEqual(const void *one, const void *other);

/* Copies `length` bytes, or up to the NUL. */
OSString *OSStringCreate(const char *cstring, size_t length);
OSString *OSStringCreateWithCString(const char *cstring);
/* NUL terminated, lives as long as the string. */
const char *OSStringGetCStringPtr(const OSString *string);
size_t OSStringGetLength(const OSString *string); /* bytes without the NUL */
bool OSStringIsEqualToCString(const OSString *string, const char *cstring);

/* `bits` (1 to 64) is how many low bits of the value count. */
OSNumber *OSNumberCreate(uint64_t value, uint32_t bits);
OSNumber *OSNumberCreateWithUInt64Value(uint64_t value);
uint64_t OSNumberGetUInt64Value(const OSNumber *number);
uint32_t OSNumberGetBits(const OSNumber *number);

extern OSBoolean *const kOSBooleanTrue;
extern OSBoolean *const kOSBooleanFalse;
/* Whether it is kOSBooleanTrue. */
bool OSBooleanGetValue(const OSBoolean *boolean);

/*
 * The bytes are copied, and borrowed when they are asked for: until the next change. false: no
 * memory.
 */
OSData *OSDataCreate(const void *bytes, size_t length); /* copies */
const void *OSDataGetBytesPtr(const OSData *data);
size_t OSDataGetLength(const OSData *data);
bool OSDataAppendBytes(OSData *data, const void *bytes, size_t length);

/* `capacity` is only a hint. What is in it is borrowed; AppendValue retains. false: no memory. */
OSArray *OSArrayCreate(uint32_t capacity);
uint32_t OSArrayGetCount(const OSArray *array);
OSObject *OSArrayGetValue(const OSArray *array, uint32_t index); /* NULL past the end */
bool OSArrayAppendValue(OSArray *array, const void *object);

/*
 * `capacity` is only a hint. Keys are copied. What is in it is borrowed, NULL where there is none;
 * SetValue retains, and lets go of what was there under the key. false: no memory.
 */
OSDictionary *OSDictionaryCreate(uint32_t capacity);
uint32_t OSDictionaryGetCount(const OSDictionary *dictionary);
OSObject *OSDictionaryGetValue(const OSDictionary *dictionary, const char *key);
bool OSDictionarySetValue(OSDictionary *dictionary, const char *key, const void *object);
bool OSDictionarySetUInt64Value(OSDictionary *dictionary, const char *key, uint64_t value);
bool OSDictionarySetStringValue(OSDictionary *dictionary, const char *key, const char *value);
void OSDictionaryRemoveValue(OSDictionary *dictionary, const char *key);
/* The value as a number; false and untouched where there is none of that type. */
bool OSDictionaryGetUInt64Value(const OSDictionary *dictionary, const char *key, uint64_t *value);
/* The value as a C string, borrowed; NULL where there is none of that type. */
const char *OSDictionaryGetStringValue(const OSDictionary *dictionary, const char *key);
/* Calls function for each pair, in the order of insertion, until it returns true. */
bool OSDictionaryApply_f(const OSDictionary *dictionary, void *context,
			 bool (*function)(void *context, const char *key, OSObject *value));

DEXT_END_DECLS

#endif
