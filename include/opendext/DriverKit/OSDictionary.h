/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_DRIVERKIT_OSDICTIONARY_H
#define OPENDEXT_DRIVERKIT_OSDICTIONARY_H

#include <DriverKit/OSCollections.h>

#endif
