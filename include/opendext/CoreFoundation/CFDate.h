/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_COREFOUNDATION_CFDATE_H
#define OPENDEXT_COREFOUNDATION_CFDATE_H

#include <CoreFoundation/CFBase.h>

typedef double CFTimeInterval; /* seconds */

#endif
