/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "memfd.h"
#include "pci_function.h"
#include "pci_tree.h"

#include <PCIDriverKit/IOPCIFamilyDefinitions.h>

#define ADDRESS "0000:01:00.1"
#define SIZE	UINT64_C(0x100000)

static char error[PCI_ERROR_MAX];

static void
make(uint8_t command)
{
	pci_tree_make();
	pci_tree_add(ADDRESS, SIZE, command);
	pci_tree_attribute(ADDRESS, "resource2", "BAR 2");
}

static struct pci_function *
read_it(void)
{
	struct pci_function *function = NULL;

	ck_assert_int_eq(pci_read(pci_tree, ADDRESS, &function), kIOReturnSuccess);
	return function;
}

static unsigned
command(void)
{
	uint8_t bytes[2] = {0};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/config", pci_tree, ADDRESS);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, bytes, 2, 4), 2);
	close(fd);
	return bytes[0] | (unsigned)bytes[1] << 8;
}

START_TEST(lists_functions_but_bridges)
{
	char addresses[4][PCI_ADDRESS_MAX];

	make(0);
	pci_tree_add("0000:00:1f.0", SIZE, 0);
	pci_tree_attribute("0000:00:1f.0", "class", "0x060100\n");
	pci_tree_attribute(".", "0000:00:02.0", "no folder");
	ck_assert_uint_eq(pci_list(pci_tree, addresses, 4), 1);
	ck_assert_str_eq(addresses[0], ADDRESS);
	ck_assert_uint_eq(pci_list(pci_tree, addresses, 0), 0);
	ck_assert_uint_eq(pci_list("/nonexistent", addresses, 4), 0);
	pci_tree_remove();
}
END_TEST

START_TEST(reads_what_it_is)
{
	struct pci_function *function;

	make(0);
	function = read_it();
	ck_assert_uint_eq(function->bus, 1);
	ck_assert_uint_eq(function->device, 0);
	ck_assert_uint_eq(function->function, 1);
	ck_assert_uint_eq(function->vendor_id, 0x1af4);
	ck_assert_uint_eq(function->device_id, 0x1110);
	ck_assert_uint_eq(function->class_code, 0x050000);
	ck_assert_uint_eq(function->subsystem_id, 0x1100);
	ck_assert_uint_eq(function->bars[0].size, 256);
	ck_assert_uint_eq(function->bars[0].type, kPCIBARTypeM32);
	ck_assert_uint_eq(function->bars[2].size, SIZE);
	ck_assert_uint_eq(function->bars[2].type, kPCIBARTypeM64PF);
	ck_assert_uint_eq(function->bars[3].size, 0);
	ck_assert_uint_eq(function->bars[4].type, kPCIBARTypeIO);
	/* Less than a page, and ports. */
	ck_assert(!pci_bar_is_usable(function, 0));
	ck_assert(pci_bar_is_usable(function, 2));
	ck_assert(!pci_bar_is_usable(function, 3));
	ck_assert(!pci_bar_is_usable(function, 4));
	function->bars[2].start += 256;
	ck_assert(!pci_bar_is_usable(function, 2));
	function->bars[2].start -= 256;
	function->bars[2].unset = true;
	ck_assert(!pci_bar_is_usable(function, 2));
	ck_assert_uint_eq(pci_identity(pci_tree, ADDRESS), function->identity);
	ck_assert_uint_eq(pci_identity(pci_tree, "0000:09:00.0"), 0);
	pci_free(function);
	pci_tree_attribute(ADDRESS, "resource", "0x0 0x0 0x0\n");
	ck_assert_int_eq(pci_read(pci_tree, ADDRESS, &function), kIOReturnNoDevice);
	ck_assert_int_eq(pci_read(pci_tree, "0000:09:00.0", &function), kIOReturnNoDevice);
	pci_tree_remove();
}
END_TEST

static int
mode_of(int fd)
{
	return fcntl(fd, F_GETFL) & O_ACCMODE;
}

START_TEST(opens_its_files)
{
	struct pci_function *function;
	struct fd_list files;

	make(0x04); /* bus mastering, as the firmware may leave it */
	function = read_it();
	ck_assert_int_eq(pci_open(function, &files, error), kIOReturnSuccess);
	ck_assert_uint_eq(files.count, 3);
	ck_assert_int_eq(mode_of(files.fds[0]), O_RDONLY);
	ck_assert_int_eq(mode_of(files.fds[1]), O_RDWR);
	ck_assert_int_eq(mode_of(files.fds[2]), O_RDONLY);
	ck_assert_uint_eq(command() & kIOPCICommandMemorySpace, kIOPCICommandMemorySpace);
	ck_assert_uint_eq(command() & kIOPCICommandBusLead, 0);
	fd_list_close(&files);
	ck_assert(!pci_has_iommu(function));
	pci_free(function);
	pci_tree_remove();
}
END_TEST

START_TEST(leaves_a_function_to_the_kernels_driver)
{
	struct pci_function *function;
	struct fd_list files = {.count = 0};
	char path[128];

	make(4);
	function = read_it();
	snprintf(path, sizeof(path), "%s/%s/driver", pci_tree, ADDRESS);
	ck_assert_int_eq(symlink("../../bus/pci/drivers/e1000", path), 0);
	ck_assert_int_eq(pci_open(function, &files, error), kIOReturnExclusiveAccess);
	ck_assert_ptr_nonnull(strstr(error, "echo " ADDRESS " >/sys/bus/pci/drivers/e1000/unbind"));
	ck_assert_uint_eq(command(), 4); /* nothing was touched */
	ck_assert_uint_eq(files.count, 0);
	pci_free(function);
	pci_tree_remove();
}
END_TEST

START_TEST(says_what_cannot_be_opened)
{
	struct pci_function *function;
	struct fd_list files = {.count = 0};
	char path[128];
	int before;

	make(0);
	function = read_it();
	snprintf(path, sizeof(path), "%s/%s/resource2", pci_tree, ADDRESS);
	ck_assert_int_eq(unlink(path), 0);
	before = dup(0);
	close(before);
	ck_assert_int_ne(pci_open(function, &files, error), kIOReturnSuccess);
	ck_assert_ptr_nonnull(strstr(error, ADDRESS ": resource2: "));
	ck_assert_int_eq(dup(0), before);
	pci_tree_write(ADDRESS, "config", "", 0);
	ck_assert_int_ne(pci_open(function, &files, error), kIOReturnSuccess);
	ck_assert_ptr_nonnull(strstr(error, ADDRESS ": config"));
	pci_free(function);
	pci_tree_remove();
}
END_TEST

UNIT_MAIN("pci_function", lists_functions_but_bridges, reads_what_it_is, opens_its_files,
	  leaves_a_function_to_the_kernels_driver, says_what_cannot_be_opened)
