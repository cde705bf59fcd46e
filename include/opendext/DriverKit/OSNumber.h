/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_DRIVERKIT_OSNUMBER_H
#define OPENDEXT_DRIVERKIT_OSNUMBER_H

#include <DriverKit/OSCollections.h>

#endif
