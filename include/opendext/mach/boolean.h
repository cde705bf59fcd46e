/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_MACH_BOOLEAN_H
#define OPENDEXT_MACH_BOOLEAN_H

typedef int boolean_t;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

#endif
