/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_DRIVERKIT_IOBUFFERMEMORYDESCRIPTOR_H
#define OPENDEXT_DRIVERKIT_IOBUFFERMEMORYDESCRIPTOR_H

#include <DriverKit/IOMemoryDescriptor.h>

#endif
