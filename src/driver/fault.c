/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a driver that crashes: lines on standard error that say which signal, where, and
 * by which calls. The handler then puts the earlier action back and returns: the same instruction
 * faults again, and the process ends as it would have without us, core and sanitizer report
 * included.
 *
 * The thread may be anywhere, inside malloc or the log: so nothing is used here but write, and what
 * was made ready before. Modules are from a table that fault_note_modules fills, because the
 * dynamic linker's own list has a lock. The unwinder walks by the linker's lock-free look-up (glibc
 * 2.35); where it meets a broken stack it faults in turn, which ends the process, or loops, which
 * the alarm ends. The first line is out before it starts. Addresses are module and offset: symbols
 * are for the reader to find, in files that this process may not open.
 *
 * The loop's threads have a stack for the handler (loop_set_signal_stacks), so that one that has
 * used up its own has lines too. A thread that the driver has made itself ends without, unless it
 * makes one.
 */
#include "fault.h"

#include "readonly.h"

#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define FRAMES_MAX   48
#define MODULES_MAX  64
#define PATH_BYTES   200
#define PATIENCE_SEC 2
#define BESIDE_BYTES 4096u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	int number;
	const char *name;
} signals[] = {
	{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGABRT, "SIGABRT"},
	{SIGILL, "SIGILL"},   {SIGFPE, "SIGFPE"},
};

static struct sigaction before[COUNT(signals)];

struct module {
	uintptr_t base, begin, end;
	char path[PATH_BYTES];
};
static struct module modules[MODULES_MAX];
/* Release and acquire: a module that is counted is complete. */
static _Atomic unsigned module_count;
static char own_path[PATH_BYTES];

/* --- lines, by hand --- */

struct line {
	char text[512];
	size_t used;
};

static void
add(struct line *line, const char *text)
{
	while (*text != '\0' && line->used < sizeof(line->text) - 1)
		line->text[line->used++] = *text++;
}

static void
add_number(struct line *line, uintptr_t value, unsigned base)
{
	char digits[24];
	size_t at = sizeof(digits);

	digits[--at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	add(line, digits + at);
}

static void
send_off(struct line *line)
{
	ssize_t sent;

	line->text[line->used++] = '\n';
	sent = write(STDERR_FILENO, line->text, line->used);
	(void)sent; /* there is nobody to tell */
	line->used = 0;
}

/* --- modules --- */

static int
note_module(struct dl_phdr_info *info, size_t size, void *context)
{
	unsigned *count = context;
	const char *path = info->dlpi_name[0] != '\0' ? info->dlpi_name : own_path;
	struct module *module = &modules[*count];

	(void)size;
	if (*count == MODULES_MAX)
		return 1;
	module->base = info->dlpi_addr;
	module->begin = UINTPTR_MAX;
	module->end = 0;
	memset(module->path, 0, PATH_BYTES);
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + part->p_vaddr;

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		if (begin < module->begin)
			module->begin = begin;
		if (begin + part->p_memsz > module->end)
			module->end = begin + part->p_memsz;
	}
	memcpy(module->path, path, strnlen(path, PATH_BYTES - 1));
	(*count)++;
	return 0;
}

void
fault_note_modules(void)
{
	unsigned count = 0;

	/* A crash meanwhile, on another thread, finds none. */
	atomic_store_explicit(&module_count, 0, memory_order_relaxed);
	dl_iterate_phdr(note_module, &count);
	atomic_store_explicit(&module_count, count, memory_order_release);
}

static void
add_place(struct line *line, uintptr_t address)
{
	unsigned count = atomic_load_explicit(&module_count, memory_order_acquire);

	for (unsigned i = 0; i < count; i++) {
		if (address < modules[i].begin || address >= modules[i].end)
			continue;
		add(line, modules[i].path);
		add(line, "+0x");
		add_number(line, address - modules[i].base, 16);
		return;
	}
	add(line, "0x");
	add_number(line, address, 16);
}

/* --- the handler --- */

static uintptr_t
faulting_instruction(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.pc;
#else
	(void)context;
	return 0;
#endif
}

static uintptr_t
stack_pointer(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.sp;
#else
	(void)context;
	return 0;
#endif
}

/* What lies beside the stack pointer is there, but where the stack ends. */
static bool
is_stack_used_up(const siginfo_t *info, uintptr_t pointer)
{
	uintptr_t address = (uintptr_t)info->si_addr;

	return info->si_signo == SIGSEGV && info->si_code > 0 && pointer != 0 &&
	       address + BESIDE_BYTES >= pointer && address < pointer + BESIDE_BYTES;
}

static void
write_text(const char *text)
{
	ssize_t sent = write(STDERR_FILENO, text, strlen(text));

	(void)sent; /* there is nobody to tell */
}

static void
write_first_line(const char *name, const siginfo_t *info, uintptr_t instruction)
{
	struct line line = {.used = 0};

	add(&line, "crashed: ");
	add(&line, name);
	if (info->si_code > 0) {
		add(&line, ", address 0x");
		add_number(&line, (uintptr_t)info->si_addr, 16);
	}
	if (instruction != 0) {
		add(&line, ", at ");
		add_place(&line, instruction);
	}
	send_off(&line);
}

static void
write_frames(uintptr_t instruction)
{
	void *frames[FRAMES_MAX];
	int count = backtrace(frames, FRAMES_MAX), first = 0;

	/* What is above the instruction is this handler. */
	for (int i = 0; i < count; i++)
		first = (uintptr_t)frames[i] == instruction ? i : first;
	for (int i = first; i < count; i++) {
		struct line line = {.used = 0};

		add(&line, "  #");
		add_number(&line, (uintptr_t)(i - first), 10);
		add(&line, " ");
		add_place(&line, (uintptr_t)frames[i]);
		send_off(&line);
	}
}

static void
explain(int number, siginfo_t *info, void *context)
{
	static const char wrote_input[] =
		"the driver wrote to an app's input structure: that is mapped "
		"read-only. What the driver is to fill in, the app must pass as the "
		"output structure\n";
	static const char used_up[] = "the stack of this thread is used up: a function calls "
				      "itself without end, or has too "
				      "much on the stack\n";
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	uintptr_t instruction = faulting_instruction(context);
	struct sigaction earlier = usual;
	const char *name = "?";
	sigset_t alarm_only;

	for (size_t i = 0; i < COUNT(signals); i++) {
		if (signals[i].number != number)
			continue;
		name = signals[i].name;
		earlier = before[i];
	}
	sigaction(number, &earlier, NULL);
	sigaction(SIGALRM, &usual, NULL);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	alarm(PATIENCE_SEC);
	write_first_line(name, info, instruction);
	if (number == SIGSEGV && readonly_contains(info->si_addr))
		write_text(wrote_input);
	else if (is_stack_used_up(info, stack_pointer(context)))
		write_text(used_up);
	write_frames(instruction);
	alarm(0);
	/* One that somebody sent does not come again by itself; abort raises its own anew. */
	if (info->si_code <= 0 && number != SIGABRT)
		raise(number);
}

void
fault_explain(void)
{
	struct sigaction action = {
		.sa_sigaction = explain,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	ssize_t length = readlink("/proc/self/exe", own_path, sizeof(own_path) - 1);
	void *frame;

	own_path[length > 0 ? length : 0] = '\0';
	/* The first call loads the unwinder, which is not for a handler to do, nor for the sandbox.
	 */
	backtrace(&frame, 1);
	fault_note_modules();
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT(signals); i++)
		sigaction(signals[i].number, &action, &before[i]);
}
