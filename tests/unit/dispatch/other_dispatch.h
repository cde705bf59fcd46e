/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_DISPATCH_OTHER_DISPATCH_H
#define TESTS_UNIT_DISPATCH_OTHER_DISPATCH_H

#include <dispatch/dispatch.h>

DEXT_BEGIN_DECLS

extern unsigned other_retains, other_releases; /* calls of its functions */

DEXT_END_DECLS

#endif
