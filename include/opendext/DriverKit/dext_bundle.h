/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one symbol that a bundle's shared object exports, and through which the host finds its
 * classes:
 *
 *	DEXT_BUNDLE(OSTypeID(MyDriver), OSTypeID(MyUserClient))
 *
 * Names in Info.plist (IOUserClass) and in the dictionaries of IOService_Create are looked up among
 * them.
 *
 * Of Info.plist's keys in a personality these are OpenDext's own: DextMethodMilliseconds, after
 * which a method that has not returned is named in the log with its stack; 5000 if it is not there,
 * 0: never. And DextLimitConnections, DextLimitBuffersClient and so on, which docs/limits.md lists:
 * what the driver's apps may have at most.
 */
#ifndef OPENDEXT_DRIVERKIT_DEXT_BUNDLE_H
#define OPENDEXT_DRIVERKIT_DEXT_BUNDLE_H

#include <DriverKit/OSObject.h>

#define DEXT_BUNDLE_ABI 1

DEXT_BEGIN_DECLS

typedef struct dext_bundle_info {
	size_t size;  /* sizeof(struct dext_bundle_info) */
	uint32_t abi; /* DEXT_BUNDLE_ABI */
	uint32_t class_count;
	const OSMetaClass *const *classes;
} dext_bundle_info;

extern const dext_bundle_info dext_bundle;

DEXT_END_DECLS

#define DEXT_BUNDLE(...)                                                       \
	static const OSMetaClass *const dext_bundle_classes[] = {__VA_ARGS__}; \
	const dext_bundle_info dext_bundle = {                                 \
		sizeof(dext_bundle_info),                                      \
		DEXT_BUNDLE_ABI,                                               \
		sizeof(dext_bundle_classes) / sizeof(dext_bundle_classes[0]),  \
		dext_bundle_classes,                                           \
	};

#endif
