/* SPDX-License-Identifier: Apache-2.0 */
/* A folder that looks as sysfs shows PCI functions. */
#ifndef TESTS_UNIT_PCI_TREE_H
#define TESTS_UNIT_PCI_TREE_H

#include <check.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCI_TREE_MEMORY	  UINT64_C(0x00040200)
#define PCI_TREE_IO	  UINT64_C(0x00040101)
#define PCI_TREE_MEMORY64 UINT64_C(0x0014220c) /* prefetchable */

static char pci_tree[64];

static void
pci_tree_make(void)
{
	snprintf(pci_tree, sizeof(pci_tree), "/tmp/opendext-pci-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(pci_tree));
	ck_assert_int_eq(chmod(pci_tree, 0755), 0);
}

static void
pci_tree_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", pci_tree);
	ck_assert_int_eq(system(command), 0);
}

static void
pci_tree_write(const char *address, const char *name, const void *bytes, size_t length)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", pci_tree, address, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
	fclose(file);
}

static void
pci_tree_attribute(const char *address, const char *name, const char *text)
{
	pci_tree_write(address, name, text, strlen(text));
}

/* QEMU's ivshmem-plain with so many bytes of BAR 2; `command`: what its register has. */
__attribute__((unused)) static void
pci_tree_add(const char *address, uint64_t size, uint8_t command)
{
	uint8_t config[64] = {0xf4, 0x1a, 0x10, 0x11, command};
	char path[128], text[1024];

	snprintf(path, sizeof(path), "%s/%s", pci_tree, address);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	pci_tree_attribute(address, "vendor", "0x1af4\n");
	pci_tree_attribute(address, "device", "0x1110\n");
	pci_tree_attribute(address, "class", "0x050000\n");
	pci_tree_attribute(address, "revision", "0x01\n");
	pci_tree_attribute(address, "subsystem_vendor", "0x1af4\n");
	pci_tree_attribute(address, "subsystem_device", "0x1100\n");
	pci_tree_write(address, "config", config, sizeof(config));
	snprintf(text, sizeof(text),
		 "0x00000000febd1000 0x00000000febd10ff 0x%016llx\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x00000000fe000000 0x%016llx 0x%016llx\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x000000000000c000 0x000000000000c03f 0x%016llx\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n",
		 (unsigned long long)PCI_TREE_MEMORY, 0xfe000000ull + size - 1,
		 (unsigned long long)PCI_TREE_MEMORY64, (unsigned long long)PCI_TREE_IO);
	pci_tree_attribute(address, "resource", text);
}

#endif
