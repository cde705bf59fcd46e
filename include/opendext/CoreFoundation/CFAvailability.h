/* SPDX-License-Identifier: Apache-2.0 */
/* Macros that declarations are written with, also those of programs. */
#ifndef OPENDEXT_COREFOUNDATION_CFAVAILABILITY_H
#define OPENDEXT_COREFOUNDATION_CFAVAILABILITY_H

#include <Availability.h>
#include <TargetConditionals.h>

/* typedef CF_ENUM(CFIndex, Kind) { kKindA, kKindB }; */
#define CF_DEXT_ENUM(type, name) \
	type name;               \
	enum
#define CF_DEXT_ENUM_OF(type)		  enum
#define CF_DEXT_PICK(one, two, name, ...) name
#define CF_ENUM(...)			  CF_DEXT_PICK(__VA_ARGS__, CF_DEXT_ENUM, CF_DEXT_ENUM_OF, )(__VA_ARGS__)
#define CF_CLOSED_ENUM(...)		  CF_ENUM(__VA_ARGS__)
/* typedef CF_OPTIONS(CFOptionFlags, Options) { ... }; of which several are or-ed. */
#define CF_OPTIONS(type, name) \
	type name;             \
	enum
#define CF_STRING_ENUM
#define CF_EXTENSIBLE_STRING_ENUM
#define CF_TYPED_ENUM
#define CF_TYPED_EXTENSIBLE_ENUM

#define CF_AVAILABLE(mac, ios)
#define CF_AVAILABLE_MAC(mac)
#define CF_DEPRECATED(mac_in, mac_out, ...)
#define CF_DEPRECATED_MAC(mac_in, mac_out, ...)
#define CF_SWIFT_NAME(name)
#define CF_NO_TAIL_CALL

#endif
