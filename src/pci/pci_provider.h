/* SPDX-License-Identifier: Apache-2.0 */
/* What a host is given so that it can make PCI providers: driver/host.h. */
#ifndef PCI_PCI_PROVIDER_H
#define PCI_PCI_PROVIDER_H

#include "host.h"

#include <PCIDriverKit/IOPCIDevice.h>

extern const struct host_provider pci_host_provider;

#endif
