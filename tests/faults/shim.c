/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands between our programs and what they call: loaded before everything else (LD_PRELOAD), it
 * has every function of calls.def, looks who calls, and if that is the point of this run it fails,
 * once, as the real one could. Who calls is told by the return address, so the objects under test
 * are what they are without it, but for jumps in the place of calls (-fno-optimize-sibling-calls).
 *
 * After a driver's host has entered its sandbox nothing here needs a system call.
 */
#include "shim.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct module {
	const char *name;
	uintptr_t base, text, end;
};

static struct module modules[FAULTS_MODULES] = {
	{.name = "libiokit.so"},
	{.name = "libdriverkit.so"},
	{.name = "dextd"},
	{.name = "dext-host"},
};

static struct faults_page *page;
static struct faults_slot *slot;
static int own_module = -1;
static enum { NEW, STARTING, READY } state;

/* --- start --- */

static void
take_text(struct module *module, const struct dl_phdr_info *info)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0)
			continue;
		module->base = info->dlpi_addr;
		module->text = info->dlpi_addr + header->p_vaddr;
		module->end = module->text + header->p_memsz;
	}
}

static int
see_object(struct dl_phdr_info *info, size_t size, void *context)
{
	const char *path = info->dlpi_name[0] != '\0' ? info->dlpi_name : context;
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

	for (int i = 0; i < FAULTS_MODULES; i++) {
		size_t length = strlen(modules[i].name);

		if (strncmp(name, modules[i].name, length) != 0 ||
		    (name[length] != '\0' && name[length] != '.'))
			continue;
		take_text(&modules[i], info);
		if (info->dlpi_name[0] == '\0')
			own_module = i;
	}
	return 0;
}

/* What a forked child allocates is its own affair. */
static void
forked(void)
{
	slot = NULL;
}

static void
start(void)
{
	const char *path = getenv(FAULTS_FILE);
	char program[4096] = "";
	uint32_t mine;
	int fd;

	state = STARTING;
	fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd >= 0) {
		struct faults_page *at =
			mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		close(fd);
		page = at != MAP_FAILED && at->magic == FAULTS_MAGIC ? at : NULL;
	}
	if (page != NULL && readlink("/proc/self/exe", program, sizeof(program) - 1) > 0) {
		dl_iterate_phdr(see_object, program);
		mine = atomic_fetch_add(&page->slots, 1);
		if (mine < FAULTS_SLOTS) {
			slot = &page->slot[mine];
			slot->module = own_module;
			slot->pid = getpid();
		}
		pthread_atfork(NULL, NULL, forked);
	}
	state = READY;
}

/* --- points --- */

static bool
find(const void *caller, unsigned *ret_module, uint64_t *ret_offset)
{
	uintptr_t at = (uintptr_t)caller;

	if (state == NEW)
		start();
	if (page == NULL)
		return false;
	for (unsigned i = 0; i < FAULTS_MODULES; i++) {
		if (at < modules[i].text || at >= modules[i].end ||
		    at - modules[i].base >= FAULTS_TEXT)
			continue;
		*ret_module = i;
		*ret_offset = at - modules[i].base;
		return true;
	}
	return false;
}

int
fault_here(const void *caller, bool can_fail)
{
	unsigned module;
	uint64_t offset;

	if (!find(caller, &module, &offset))
		return 0;
	if (page->records != 0) {
		if (can_fail)
			atomic_fetch_add_explicit(&page->counts[module][offset], 1,
						  memory_order_relaxed);
		else
			atomic_fetch_or_explicit(&page->counts[module][offset], FAULTS_CANNOT,
						 memory_order_relaxed);
	}
	for (unsigned i = 0; can_fail && i < FAULTS_FAULTS; i++) {
		struct faults_fault *fault = &page->faults[i];

		if ((int)module != fault->module || offset != fault->offset ||
		    atomic_fetch_sub(&fault->countdown, 1) != 1)
			continue;
		fault->pid = getpid();
		atomic_fetch_add(&fault->fired, 1);
		return fault->error;
	}
	return 0;
}

/* --- allocations --- */

static unsigned
home_of(uint64_t address)
{
	return (unsigned)((address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % FAULTS_LIVE;
}

static void
lock_slot(struct faults_slot *own)
{
	while (atomic_exchange_explicit(&own->lock, 1, memory_order_acquire) != 0)
		;
}

static void
unlock_slot(struct faults_slot *own)
{
	atomic_store_explicit(&own->lock, 0, memory_order_release);
}

/* The entry of this address, or the free one where it would be; linear probing. */
static unsigned
seek(const struct faults_slot *own, uint64_t address)
{
	unsigned at = home_of(address);

	while (own->live[at].address != 0 && own->live[at].address != address)
		at = (at + 1) % FAULTS_LIVE;
	return at;
}

void
fault_allocated(const void *caller, const void *address)
{
	struct faults_slot *own;
	struct faults_live *live;
	unsigned module;
	uint64_t offset;

	if (address == NULL || !find(caller, &module, &offset) || (own = slot) == NULL)
		return;
	lock_slot(own);
	if (own->used == FAULTS_LIVE / 2) {
		own->lost++;
	} else {
		live = &own->live[seek(own, (uintptr_t)address)];
		own->used += live->address == 0;
		*live = (struct faults_live){(uintptr_t)address, (uint64_t)module << 32 | offset};
	}
	unlock_slot(own);
}

/* What comes behind the gap and could not be found over it moves into it. */
static void
close_gap(struct faults_slot *own, unsigned gap)
{
	unsigned at = gap;

	for (;;) {
		unsigned home;

		at = (at + 1) % FAULTS_LIVE;
		if (own->live[at].address == 0)
			break;
		home = home_of(own->live[at].address);
		if ((at - home) % FAULTS_LIVE < (at - gap) % FAULTS_LIVE)
			continue;
		own->live[gap] = own->live[at];
		gap = at;
	}
	own->live[gap] = (struct faults_live){0};
}

void
fault_freed(const void *address)
{
	struct faults_slot *own = slot;
	unsigned at;

	if (address == NULL || own == NULL)
		return;
	lock_slot(own);
	at = seek(own, (uintptr_t)address);
	if (own->live[at].address != 0) {
		close_gap(own, at);
		own->used--;
	}
	unlock_slot(own);
}

__attribute__((visibility("default"))) uint32_t
faults_fired(void)
{
	uint32_t fired = 0;

	if (state == NEW)
		start();
	for (unsigned i = 0; page != NULL && i < FAULTS_FAULTS; i++)
		fired += atomic_load(&page->faults[i].fired);
	return fired;
}
