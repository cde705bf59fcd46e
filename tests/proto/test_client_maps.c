/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the driver in an app, from a host that follows the rules. */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "fake_host.h"
#include "memfd.h"

struct memory_script {
	int fd;
	uint64_t length;
	uint32_t read_only;
	_Atomic unsigned maps, unmaps;
};

static bool
map_memory(struct fake_host *host, unsigned slot, const struct call_request *request,
	   struct call_reply *reply)
{
	struct memory_script *script = host->context;

	if (request->operation == CALL_UNMAP) {
		atomic_fetch_add(&script->unmaps, 1);
		return true;
	}
	ck_assert_uint_eq(request->operation, CALL_MAP);
	ck_assert_uint_eq(request->scalar_in_count, 1);
	atomic_fetch_add(&script->maps, 1);
	fake_host_send_memory(host, slot, request->generation, script->fd, 0, script->length);
	reply->map_length = script->length;
	reply->map_read_only = script->read_only;
	return true;
}

static char *
create_memory(struct memory_script *script, uint64_t length)
{
	void *address;

	*script = (struct memory_script){.length = length};
	ck_assert_int_eq(memfd_create_sealed("memory", length, &script->fd), 0);
	ck_assert_int_eq(
		memfd_map(script->fd, 0, page_round_up(length), true, false, NULL, &address), 0);
	return address;
}

static io_connect_t
open_memory(struct fake_host *host, struct memory_script *script)
{
	fake_host_create(host);
	host->method = map_memory;
	host->context = script;
	return fake_host_open(host);
}

START_TEST(memory_is_the_drivers_pages)
{
	struct memory_script script;
	char *mine = create_memory(&script, 5000);
	struct fake_host host;
	mach_vm_address_t address = 0, again = 0;
	mach_vm_size_t size = 0;
	io_connect_t connect;

	connect = open_memory(&host, &script);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 3, mach_task_self(), &address, &size, kIOMapAnywhere),
		0);
	ck_assert_uint_eq(size, 5000);
	strcpy(mine, "from the driver");
	ck_assert_str_eq((char *)(uintptr_t)address, "from the driver");
	strcpy((char *)(uintptr_t)address + 4990, "back");
	ck_assert_str_eq(mine + 4990, "back");
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 3, mach_task_self(), &again, &size, kIOMapAnywhere),
		0);
	ck_assert_uint_eq(again, address);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 4, mach_task_self(), address),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 3, mach_task_self(), address), 0);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 3, mach_task_self(), address),
			 kIOReturnBadArgument);
	ck_assert(!unit_is_mapped((void *)(uintptr_t)address));
	ck_assert_uint_eq(atomic_load(&script.maps), 2);
	ck_assert_uint_eq(atomic_load(&script.unmaps), 1);
	IOServiceClose(connect);
	ck_assert_uint_eq(atomic_load(&host.acks), 2);
	fake_host_stop(&host);
}
END_TEST

START_TEST(memory_is_acknowledged_in_the_page_where_the_host_looks_there)
{
	struct memory_script script;
	struct fake_host host;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	io_connect_t connect;

	create_memory(&script, 5000);
	fake_host_create(&host);
	host.page->received.is_ack = 1;
	host.method = map_memory;
	host.context = &script;
	connect = fake_host_open(&host);
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_int_eq(IOConnectMapMemory64(connect, 3, mach_task_self(), &address, &size,
						      kIOMapAnywhere),
				 0);
		ck_assert_uint_eq(atomic_load(&host.page->received.sequence), i);
	}
	IOServiceClose(connect);
	ck_assert_uint_eq(atomic_load(&host.acks), 0);
	fake_host_stop(&host);
}
END_TEST

/* And whatever has no room in this process's addresses is refused. */
START_TEST(memory_of_5_gib_is_mapped_where_it_fits)
{
	struct memory_script script = {.length = UINT64_C(5) << 30};
	struct fake_host host;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	io_connect_t connect;
	char last = 0;

	ck_assert_int_eq(memfd_create_sealed("memory", script.length, &script.fd), 0);
	connect = open_memory(&host, &script);
	if (sizeof(void *) == 4) {
		ck_assert_int_eq(IOConnectMapMemory64(connect, 3, mach_task_self(), &address, &size,
						      kIOMapAnywhere),
				 kIOReturnBadArgument);
		address = UINT64_C(1) << 32;
		ck_assert_int_eq(
			IOConnectMapMemory64(connect, 3, mach_task_self(), &address, &size, 0),
			kIOReturnBadArgument);
		ck_assert_uint_eq(atomic_load(&script.maps), atomic_load(&script.unmaps));
	} else {
		ck_assert_int_eq(IOConnectMapMemory64(connect, 3, mach_task_self(), &address, &size,
						      kIOMapAnywhere),
				 0);
		ck_assert_uint_eq(size, script.length);
		((char *)(uintptr_t)address)[size - 1] = 'z';
		ck_assert_int_eq(pread(script.fd, &last, 1, (off_t)script.length - 1), 1);
		ck_assert_int_eq(last, 'z');
	}
	IOServiceClose(connect);
	fake_host_stop(&host);
	fd_close(&script.fd);
}
END_TEST

START_TEST(a_fixed_address_is_where_nothing_is)
{
	struct memory_script script;
	struct fake_host host;
	mach_vm_address_t address;
	mach_vm_size_t size = 0;
	io_connect_t connect;
	char *place;

	create_memory(&script, 8192);
	connect = open_memory(&host, &script);
	place = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	place[0] = 'x';
	address = (uintptr_t)place;
	ck_assert_int_eq(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(place[0], 'x');
	ck_assert_uint_eq(atomic_load(&script.unmaps), 1);
	munmap(place, 8192);
	ck_assert_int_eq(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, 0), 0);
	ck_assert_uint_eq(address, (uintptr_t)place);
	address++;
	ck_assert_int_eq(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOConnectMapMemory64(connect, 0, 0x55, &address, &size, kIOMapAnywhere),
			 kIOReturnBadArgument);
	IOServiceClose(connect);
	ck_assert(!unit_is_mapped(place));
	fake_host_stop(&host);
}
END_TEST

static void
write_there(void *address)
{
	*(volatile char *)address = 1;
}

START_TEST(read_only_memory_is_read_only)
{
	struct memory_script script;
	struct fake_host host;
	mach_vm_address_t address, mine;
	mach_vm_size_t size;
	io_connect_t connect;

	create_memory(&script, 4096);
	connect = open_memory(&host, &script);
	ck_assert_int_eq(IOConnectMapMemory64(connect, 0, mach_task_self(), &mine, &size,
					      kIOMapAnywhere | kIOMapReadOnly),
			 0);
	ck_assert(
		unit_killed_by(unit_child(write_there, (void *)(uintptr_t)mine, NULL, 0), SIGSEGV));
	script.read_only = 1;
	ck_assert_int_eq(memfd_seal_for_peer(script.fd, MEMFD_READONLY), 0);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 1, mach_task_self(), &address, &size, kIOMapAnywhere),
		0);
	ck_assert(unit_killed_by(unit_child(write_there, (void *)(uintptr_t)address, NULL, 0),
				 SIGSEGV));
	ck_assert_int_eq(mprotect((void *)(uintptr_t)address, 4096, PROT_READ | PROT_WRITE), -1);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(mappings_outlive_the_host_until_the_close)
{
	struct memory_script script;
	char *mine = create_memory(&script, 4096);
	struct fake_host host;
	mach_vm_address_t address;
	mach_vm_size_t size;
	io_connect_t connect;

	connect = open_memory(&host, &script);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere),
		0);
	strcpy(mine, "still there");
	fake_host_stop(&host);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 0, NULL, 0, NULL, NULL),
			 MACH_SEND_INVALID_DEST);
	ck_assert_str_eq((char *)(uintptr_t)address, "still there");
	ck_assert_int_eq(IOServiceClose(connect), 0);
	ck_assert(!unit_is_mapped((void *)(uintptr_t)address));
}
END_TEST

UNIT_MAIN("client maps", memory_is_the_drivers_pages,
	  memory_is_acknowledged_in_the_page_where_the_host_looks_there,
	  memory_of_5_gib_is_mapped_where_it_fits, a_fixed_address_is_where_nothing_is,
	  read_only_memory_is_read_only, mappings_outlive_the_host_until_the_close)
