/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of PCIDriverKit. */
#ifndef OPENDEXT_PCIDRIVERKIT_PCIDRIVERKIT_H
#define OPENDEXT_PCIDRIVERKIT_PCIDRIVERKIT_H

#include <PCIDriverKit/IOPCIDevice.h>
#include <PCIDriverKit/IOPCIFamilyDefinitions.h>

#endif
