/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_DRIVERKIT_IORETURN_H
#define OPENDEXT_DRIVERKIT_IORETURN_H

#include <IOKit/IOReturn.h>

#endif
