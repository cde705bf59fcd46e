/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_DRIVERKIT_IOMEMORYMAP_H
#define OPENDEXT_DRIVERKIT_IOMEMORYMAP_H

#include <DriverKit/IOMemoryDescriptor.h>

#endif
