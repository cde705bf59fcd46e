/* SPDX-License-Identifier: Apache-2.0 */
/* All providers that a host can make: driver/host.h. */
#ifndef PCI_ANY_PROVIDER_H
#define PCI_ANY_PROVIDER_H

#include "host.h"

/* Exported for dext-host, which runs on the same copy of the library as the driver. */
__attribute__((visibility("default"))) extern const struct host_provider any_host_provider;

#endif
