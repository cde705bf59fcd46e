/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version of macOS a declaration came with: macros that mark declarations, which mean nothing
 * here, and the bounds that programs compare with (AvailabilityMacros.h says which).
 */
#ifndef OPENDEXT_AVAILABILITY_H
#define OPENDEXT_AVAILABILITY_H

#include <AvailabilityMacros.h>

#define __MAC_10_0  1000
#define __MAC_10_1  1010
#define __MAC_10_2  1020
#define __MAC_10_3  1030
#define __MAC_10_4  1040
#define __MAC_10_5  1050
#define __MAC_10_6  1060
#define __MAC_10_7  1070
#define __MAC_10_8  1080
#define __MAC_10_9  1090
#define __MAC_10_10 101000
#define __MAC_10_11 101100
#define __MAC_10_12 101200
#define __MAC_10_13 101300
#define __MAC_10_14 101400
#define __MAC_10_15 101500
#define __MAC_10_16 101600
#define __MAC_11_0  110000
#define __MAC_12_0  120000
#define __MAC_13_0  130000
#define __MAC_14_0  140000
#define __MAC_15_0  150000
#define __MAC_NA    9999

#ifndef __MAC_OS_X_VERSION_MIN_REQUIRED
#define __MAC_OS_X_VERSION_MIN_REQUIRED MAC_OS_X_VERSION_MIN_REQUIRED
#endif
#ifndef __MAC_OS_X_VERSION_MAX_ALLOWED
#define __MAC_OS_X_VERSION_MAX_ALLOWED MAC_OS_X_VERSION_MAX_ALLOWED
#endif

#define __OSX_AVAILABLE_STARTING(osx, ios)
#define __OSX_AVAILABLE_BUT_DEPRECATED(osx_in, osx_out, ios_in, ios_out)
#define __OSX_AVAILABLE_BUT_DEPRECATED_MSG(osx_in, osx_out, ios_in, ios_out, text)
#define __OSX_AVAILABLE(version)
#define __OSX_DEPRECATED(start, end, text)
#define API_AVAILABLE(...)
#define API_DEPRECATED(...)
#define API_DEPRECATED_WITH_REPLACEMENT(...)
#define API_UNAVAILABLE(...)

#endif
