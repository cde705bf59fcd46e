/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apple's keys for PCI: IOPCIMatch (the device, or its subsystem), IOPCIPrimaryMatch,
 * IOPCISecondaryMatch (the subsystem), IOPCIClassMatch. Each is a string of alternatives,
 * "0xDDDDVVVV" or "0xDDDDVVVV&0xMASK", of which one must agree; of a class "0xCCSSPPRR", where the
 * revision is not looked at without a mask.
 */
#ifndef REGISTRY_MATCHING_PCI_H
#define REGISTRY_MATCHING_PCI_H

#include <DriverKit/OSCollections.h>

/*
 * Whether the keys that `wanted` has agree with the provider's properties; *agreed grows by how
 * many there were. False: `reason`, unless it is NULL, says which did not.
 */
bool match_pci(const OSDictionary *wanted, const OSDictionary *properties, unsigned *agreed,
	       char *reason, size_t reason_size);

#endif
