/* SPDX-License-Identifier: Apache-2.0 */
/* Stands for a libdispatch that a program links before libiokit. */
#include "other_dispatch.h"

unsigned other_retains, other_releases;

void
dispatch_retain(dispatch_object_t object)
{
	other_retains++;
}

void
dispatch_release(dispatch_object_t object)
{
	other_releases++;
}
