/* SPDX-License-Identifier: Apache-2.0 */
/* A pure function; any thread. */
#include "matching_pci.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The registers of the configuration space that are compared, each of two properties. */
static const struct pci_register {
	const char *high, *low;
	unsigned shift; /* of `high` */
} primary = {"device-id", "vendor-id", 16}, secondary = {"subsystem-id", "subsystem-vendor-id", 16},
  class_code = {"class-code", "revision-id", 8};

static const struct pci_key {
	const char *name;
	const struct pci_register *registers[2];
	uint32_t mask; /* where none is given */
} keys[] = {
	{"IOPCIMatch", {&primary, &secondary}, 0xffffffff},
	{"IOPCIPrimaryMatch", {&primary, NULL}, 0xffffffff},
	{"IOPCISecondaryMatch", {&secondary, NULL}, 0xffffffff},
	{"IOPCIClassMatch", {&class_code, NULL}, 0xffffff00},
};

static bool
get_number(const OSDictionary *properties, const char *name, uint32_t *ret_value)
{
	const OSData *data = OSDynamicCast(OSData, OSDictionaryGetValue(properties, name));
	const uint8_t *bytes;

	if (data == NULL || OSDataGetLength(data) != 4)
		return false;
	bytes = OSDataGetBytesPtr(data);
	*ret_value = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
		     (uint32_t)bytes[3] << 24;
	return true;
}

static bool
get_register(const OSDictionary *properties, const struct pci_register *which, uint32_t *ret_value)
{
	uint32_t high, low;

	if (!get_number(properties, which->high, &high) ||
	    !get_number(properties, which->low, &low))
		return false;
	*ret_value = high << which->shift | low;
	return true;
}

/* The next alternative of the list, and where it ends; NULL: there is none, or it is malformed. */
static const char *
next(const char *at, uint32_t default_mask, uint32_t *ret_value, uint32_t *ret_mask)
{
	char *end;

	at += strspn(at, " \t\n");
	*ret_value = (uint32_t)strtoul(at, &end, 0);
	if (end == at)
		return NULL;
	*ret_mask = default_mask;
	if (*end == '&') {
		at = end + 1;
		*ret_mask = (uint32_t)strtoul(at, &end, 0);
		if (end == at)
			return NULL;
	}
	return *end == '\0' || strchr(" \t\n", *end) != NULL ? end : NULL;
}

static bool
is_in(const char *list, uint32_t default_mask, uint32_t found)
{
	uint32_t value, mask;

	while ((list = next(list, default_mask, &value, &mask)) != NULL) {
		if (((value ^ found) & mask) == 0)
			return true;
	}
	return false;
}

static bool
match_key(const struct pci_key *key, const OSObject *wanted, const OSDictionary *properties,
	  char *reason, size_t size)
{
	const OSString *string = OSDynamicCast(OSString, wanted);
	const char *list = string != NULL ? OSStringGetCStringPtr(string) : "";
	uint32_t found = 0;
	bool there = false;

	for (unsigned i = 0; i < 2 && key->registers[i] != NULL; i++) {
		if (!get_register(properties, key->registers[i], &found))
			continue;
		there = true;
		if (is_in(list, key->mask, found))
			return true;
	}
	if (reason != NULL && there)
		snprintf(reason, size, "%s is \"%.80s\", the provider has 0x%08" PRIx32, key->name,
			 list, found);
	else if (reason != NULL)
		snprintf(reason, size, "%s is there, the provider is no PCI device", key->name);
	return false;
}

bool
match_pci(const OSDictionary *wanted, const OSDictionary *properties, unsigned *agreed,
	  char *reason, size_t reason_size)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const OSObject *value = OSDictionaryGetValue(wanted, keys[i].name);

		if (value == NULL)
			continue;
		if (!match_key(&keys[i], value, properties, reason, reason_size))
			return false;
		(*agreed)++;
	}
	return true;
}
