/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbol dext_bundle of an ELF file, and the names of the classes in its table.
 *
 * The table holds pointers, which the loader fills in: a pointer at an address is what the
 * relocation of that address says, relative to the file or to a symbol. A class of another library
 * has no bytes here; its symbol, gNAMEMetaClass, has its name.
 *
 * The file may be anything: every offset is checked against its length before it is used, and the
 * classes of a table are at most as many as a host takes. Any thread.
 */
#include "bundle_object.h"

#include "packet.h"
#include "status.h"

#include <dext_cdefs.h>

#include <DriverKit/dext_bundle.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OBJECT_MAX  (UINT64_C(256) << 20)
#define CLASSES_MAX 1024u
/* Relocations that are looked at for all classes together: sections may lie over each other. */
#define LOOKS_MAX (UINT64_C(1) << 26)
/* Symbols with longer names are passed by. */
#define SYMBOL_MAX 4096u

#if defined(__x86_64__)
#define MACHINE		EM_X86_64
#define MACHINE_NAME	"x86-64"
#define RELOC_RELATIVE	R_X86_64_RELATIVE
#define RELOC_ABSOLUTE	R_X86_64_64
#define RELOC_GLOB_DATA R_X86_64_GLOB_DAT
#elif defined(__aarch64__)
#define MACHINE		EM_AARCH64
#define MACHINE_NAME	"arm64"
#define RELOC_RELATIVE	R_AARCH64_RELATIVE
#define RELOC_ABSOLUTE	R_AARCH64_ABS64
#define RELOC_GLOB_DATA R_AARCH64_GLOB_DAT
#else
#define MACHINE		EM_NONE
#define MACHINE_NAME	"this machine"
#define RELOC_RELATIVE	0
#define RELOC_ABSOLUTE	0
#define RELOC_GLOB_DATA 0
#endif

struct file {
	uint8_t *bytes;
	uint64_t length;
	Elf64_Ehdr header;
	Elf64_Shdr symbols, names; /* .dynsym, within the file, and its strings */
	uint64_t looks;		   /* at relocations, so far */
	char *error;
};

static IOReturn DEXT_PRINTF(2, 3) refuse(const struct file *file, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(file->error, BUNDLE_OBJECT_ERROR_MAX, format, arguments);
	va_end(arguments);
	return kIOReturnUnsupported;
}

/* Copies from the file; false: it is not that long. */
static bool
take(const struct file *file, uint64_t offset, void *to, uint64_t size)
{
	if (offset > file->length || size > file->length - offset)
		return false;
	memcpy(to, file->bytes + offset, size);
	return true;
}

static IOReturn
read_file(struct file *file, const char *path)
{
	struct stat info;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	IOReturn status = kIOReturnSuccess;

	if (fd < 0 || fstat(fd, &info) < 0) {
		status = status_from_errno(errno, path);
		snprintf(file->error, BUNDLE_OBJECT_ERROR_MAX, "cannot be read: %s",
			 strerror(errno));
		fd_close(&fd);
		return status;
	}
	if (!S_ISREG(info.st_mode))
		status = refuse(file, "is no file");
	else if (info.st_size < 0 || (uint64_t)info.st_size > OBJECT_MAX)
		status = refuse(file, "is larger than 256 MiB");
	else
		file->bytes = malloc((size_t)info.st_size + 1);
	while (file->bytes != NULL && file->length < (uint64_t)info.st_size) {
		ssize_t got =
			read(fd, file->bytes + file->length, (size_t)info.st_size - file->length);

		if (got <= 0 && !(got < 0 && errno == EINTR))
			break;
		file->length += got > 0 ? (uint64_t)got : 0;
	}
	fd_close(&fd);
	if (status == kIOReturnSuccess && file->bytes == NULL)
		status = kIOReturnNoMemory;
	return status;
}

static IOReturn
check_header(struct file *file)
{
	if (file->length == 0)
		return refuse(file, "is empty; build the driver again");
	if (!take(file, 0, &file->header, sizeof(file->header)) ||
	    memcmp(file->header.e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(file, "is not an ELF file; a shared object was expected "
				    "(cc -shared -fPIC)");
	if (file->header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    file->header.e_ident[EI_DATA] !=
		    (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB) ||
	    file->header.e_machine != MACHINE)
		return refuse(file,
			      "is for another architecture (ELF machine %u, %s-bit); build it for "
			      "64-bit " MACHINE_NAME,
			      file->header.e_machine,
			      file->header.e_ident[EI_CLASS] == ELFCLASS32 ? "32" : "64");
	if (file->header.e_type != ET_DYN)
		return refuse(file, "is not a shared object; link it with -shared");
	return kIOReturnSuccess;
}

static bool
get_section(const struct file *file, unsigned number, Elf64_Shdr *ret_section)
{
	return file->header.e_shentsize == sizeof(*ret_section) && number < file->header.e_shnum &&
	       take(file, file->header.e_shoff + (uint64_t)number * sizeof(*ret_section),
		    ret_section, sizeof(*ret_section));
}

static bool
find_symbols(struct file *file)
{
	for (unsigned i = 0; get_section(file, i, &file->symbols); i++)
		if (file->symbols.sh_type == SHT_DYNSYM)
			return file->symbols.sh_offset <= file->length &&
			       file->symbols.sh_size <= file->length - file->symbols.sh_offset &&
			       get_section(file, file->symbols.sh_link, &file->names);
	return false;
}

/* A string that ends within the file, and soon; NULL: it does not. */
static const char *
string_at(const struct file *file, uint64_t offset)
{
	uint64_t left = offset < file->length ? file->length - offset : 0;

	if (left == 0 ||
	    memchr(file->bytes + offset, '\0', left < SYMBOL_MAX ? left : SYMBOL_MAX) == NULL)
		return NULL;
	return (const char *)file->bytes + offset;
}

static const char *
get_symbol(const struct file *file, uint64_t number, Elf64_Sym *ret_symbol)
{
	if (number >= file->symbols.sh_size / sizeof(*ret_symbol) ||
	    !take(file, file->symbols.sh_offset + number * sizeof(*ret_symbol), ret_symbol,
		  sizeof(*ret_symbol)))
		return NULL;
	return string_at(file, file->names.sh_offset + ret_symbol->st_name);
}

/* Copies what will be at this address when the file is loaded, but for relocations. */
static bool
take_address(const struct file *file, uint64_t address, void *to, uint64_t size)
{
	Elf64_Phdr segment;

	for (unsigned i = 0; i < file->header.e_phnum; i++) {
		if (file->header.e_phentsize != sizeof(segment) ||
		    !take(file, file->header.e_phoff + i * sizeof(segment), &segment,
			  sizeof(segment)))
			return false;
		if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
		    address - segment.p_vaddr < segment.p_filesz &&
		    size <= segment.p_filesz - (address - segment.p_vaddr))
			return take(file, segment.p_offset + (address - segment.p_vaddr), to, size);
	}
	return false;
}

/* Where the string at this address is in the file. */
static const char *
string_of_address(const struct file *file, uint64_t address)
{
	Elf64_Phdr segment;

	for (unsigned i = 0; i < file->header.e_phnum; i++)
		if (take(file, file->header.e_phoff + i * sizeof(segment), &segment,
			 sizeof(segment)) &&
		    segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
		    address - segment.p_vaddr < segment.p_filesz)
			return string_at(file, segment.p_offset + (address - segment.p_vaddr));
	return NULL;
}

/* What a pointer will point to: an address of this file, or a symbol of another. */
struct target {
	uint64_t address;
	const char *symbol; /* NULL: the address counts */
};

static bool
apply(const struct file *file, const Elf64_Rela *rela, struct target *ret_target)
{
	uint64_t type = ELF64_R_TYPE(rela->r_info);
	const char *name;
	Elf64_Sym symbol;

	*ret_target = (struct target){.address = (uint64_t)rela->r_addend};
	if (type == RELOC_RELATIVE)
		return true;
	if (type != RELOC_ABSOLUTE && type != RELOC_GLOB_DATA)
		return false;
	name = get_symbol(file, ELF64_R_SYM(rela->r_info), &symbol);
	if (name == NULL)
		return false;
	ret_target->symbol = symbol.st_shndx == SHN_UNDEF ? name : NULL;
	ret_target->address += symbol.st_value;
	return true;
}

/* The pointer at this address. Without a relocation it is as the file has it (packed ones). */
static bool
follow(struct file *file, uint64_t address, struct target *ret_target)
{
	Elf64_Shdr section;
	Elf64_Rela rela;

	for (unsigned i = 0; get_section(file, i, &section); i++) {
		for (uint64_t at = 0; section.sh_type == SHT_RELA && at < section.sh_size;
		     at += sizeof(rela)) {
			if (file->looks++ >= LOOKS_MAX)
				return false;
			if (!take(file, section.sh_offset + at, &rela, sizeof(rela)))
				break;
			if (rela.r_offset == address)
				return apply(file, &rela, ret_target);
		}
	}
	ret_target->symbol = NULL;
	return take_address(file, address, &ret_target->address, sizeof(uint64_t));
}

/* NULL: it cannot be told. The caller frees it. */
static char *
class_name(struct file *file, uint64_t pointer)
{
	static const char before[] = "g", behind[] = "MetaClass";
	struct target class, name;
	const char *text = NULL;
	size_t length;

	if (!follow(file, pointer, &class))
		return NULL;
	if (class.symbol != NULL) {
		length = strlen(class.symbol);
		if (length <= strlen(before) + strlen(behind))
			return NULL;
		return strndup(class.symbol + strlen(before),
			       length - strlen(before) - strlen(behind));
	}
	if (follow(file, class.address + offsetof(OSMetaClass, name), &name) && name.symbol == NULL)
		text = string_of_address(file, name.address);
	return text != NULL && strlen(text) < 256 ? strdup(text) : NULL;
}

static IOReturn
read_table(struct file *file, uint64_t address, struct bundle_object *ret_object)
{
	dext_bundle_info info;
	struct target table;

	if (!take_address(file, address, &info, sizeof(info)))
		return refuse(file, "has a dext_bundle that is no data; a bundle has one "
				    "DEXT_BUNDLE(...) line");
	if (info.size < sizeof(info) || info.abi != DEXT_BUNDLE_ABI)
		return refuse(file,
			      "was made for ABI %u, this version has ABI %u: build it again with "
			      "DEXT_BUNDLE of these headers",
			      info.abi, DEXT_BUNDLE_ABI);
	if (info.class_count == 0 || info.class_count > CLASSES_MAX ||
	    !follow(file, address + offsetof(dext_bundle_info, classes), &table) ||
	    table.symbol != NULL)
		return refuse(file, "lists %u classes in DEXT_BUNDLE; 1 to %u were expected",
			      info.class_count, CLASSES_MAX);
	ret_object->classes = calloc(info.class_count, sizeof(char *));
	if (ret_object->classes == NULL)
		return kIOReturnNoMemory;
	ret_object->class_count = info.class_count;
	for (unsigned i = 0; i < info.class_count; i++)
		ret_object->classes[i] = class_name(file, table.address + i * sizeof(uint64_t));
	return kIOReturnSuccess;
}

static IOReturn
read_symbols(struct file *file, struct bundle_object *ret_object)
{
	Elf64_Sym symbol;
	uint64_t count;

	if (!find_symbols(file))
		return refuse(file, "has no table of symbols; build it again, and strip it with "
				    "--strip-unneeded at most");
	count = file->symbols.sh_size / sizeof(symbol);
	for (uint64_t i = 0; i < count; i++) {
		const char *name = get_symbol(file, i, &symbol);

		if (name != NULL && strcmp(name, "dext_bundle") == 0 &&
		    symbol.st_shndx != SHN_UNDEF)
			return read_table(file, symbol.st_value, ret_object);
	}
	return refuse(file, "has no symbol dext_bundle: a bundle has one DEXT_BUNDLE(...) line, "
			    "and the symbol must be visible");
}

IOReturn
bundle_object_read(const char *path, struct bundle_object *ret_object,
		   char error[BUNDLE_OBJECT_ERROR_MAX])
{
	struct file file = {.error = error};
	IOReturn status;

	*ret_object = (struct bundle_object){.classes = NULL};
	error[0] = '\0';
	status = read_file(&file, path);
	if (status == kIOReturnSuccess)
		status = check_header(&file);
	if (status == kIOReturnSuccess)
		status = read_symbols(&file, ret_object);
	free(file.bytes);
	return status;
}

void
bundle_object_free(struct bundle_object *object)
{
	for (unsigned i = 0; i < object->class_count; i++)
		free(object->classes[i]);
	free(object->classes);
	*object = (struct bundle_object){.classes = NULL};
}
