/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function of an ELF file in which an address lies, by its symbol table, or by the table of
 * what it exports where that is all. The file is mapped privately and read by offsets that are
 * checked against its length; one that is cut off meanwhile would end the command by SIGBUS, so it
 * is copied into memory first.
 */
#include "symbol.h"

#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX   (UINT64_C(256) << 20)
#define NAME_BYTES 96

struct image {
	unsigned char *bytes;
	size_t length;
};

static int
open_regular(const char *path)
{
	char link[64];
	struct stat info;
	/* Not opened yet: a device may do something when it is. */
	int place = open(path, O_PATH | O_CLOEXEC), fd = -1;

	if (place >= 0 && fstat(place, &info) == 0 && S_ISREG(info.st_mode) &&
	    (uint64_t)info.st_size <= FILE_MAX) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
		fd = open(link, O_RDONLY | O_CLOEXEC);
	}
	if (place >= 0)
		close(place);
	return fd;
}

static bool
load(const char *path, struct image *image)
{
	int fd = open_regular(path);
	struct stat info;
	ssize_t length = 1;

	*image = (struct image){NULL, 0};
	if (fd < 0)
		return false;
	if (fstat(fd, &info) == 0 && info.st_size > 0 && (uint64_t)info.st_size <= FILE_MAX)
		image->bytes = malloc((size_t)info.st_size);
	while (image->bytes != NULL && length > 0 && image->length < (size_t)info.st_size) {
		length = read(fd, image->bytes + image->length,
			      (size_t)info.st_size - image->length);
		image->length += length > 0 ? (size_t)length : 0;
	}
	close(fd);
	return image->bytes != NULL;
}

/* `size` bytes at `offset`; false: they are not all there. */
static bool
get(const struct image *image, uint64_t offset, void *to, size_t size)
{
	if (offset > image->length || size > image->length - offset)
		return false;
	memcpy(to, image->bytes + offset, size);
	return true;
}

struct best {
	uint64_t start;
	char name[NAME_BYTES];
};

static void
copy_name(const struct image *image, uint64_t offset, char name[NAME_BYTES])
{
	size_t used = 0;

	for (; used < NAME_BYTES - 1 && offset < image->length; used++, offset++) {
		unsigned char c = image->bytes[offset];

		if (c == '\0')
			break;
		name[used] = isgraph(c) ? (char)c : '?';
	}
	name[used] = '\0';
}

static void
look_through(const struct image *image, const ElfW(Shdr) * table, const ElfW(Shdr) * strings,
	     uint64_t address, struct best *best)
{
	uint64_t count = table->sh_size / sizeof(ElfW(Sym));

	for (uint64_t i = 0; i < count; i++) {
		ElfW(Sym) symbol;

		if (!get(image, table->sh_offset + i * sizeof(symbol), &symbol, sizeof(symbol)))
			return;
		if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_value == 0 ||
		    symbol.st_value > address || address - symbol.st_value >= symbol.st_size ||
		    symbol.st_name >= strings->sh_size)
			continue;
		best->start = symbol.st_value;
		copy_name(image, strings->sh_offset + symbol.st_name, best->name);
		return;
	}
}

static void
find(const struct image *image, uint64_t address, struct best *best)
{
	ElfW(Ehdr) header;
	ElfW(Shdr) table, strings;

	if (!get(image, 0, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
	    header.e_shentsize != sizeof(table))
		return;
	for (unsigned type = 0; type < 2 && best->name[0] == '\0'; type++) {
		for (unsigned i = 0; i < header.e_shnum && best->name[0] == '\0'; i++) {
			if (get(image, header.e_shoff + i * sizeof(table), &table, sizeof(table)) &&
			    table.sh_type == (type == 0 ? SHT_SYMTAB : SHT_DYNSYM) &&
			    table.sh_link < header.e_shnum &&
			    get(image, header.e_shoff + table.sh_link * sizeof(strings), &strings,
				sizeof(strings)))
				look_through(image, &table, &strings, address, best);
		}
	}
}

void
symbol_of_line(const char *line, char *text, size_t size)
{
	const char *plus = strrchr(line, '+'), *slash = strchr(line, '/');
	struct best best = {.start = 0};
	char path[512], *end = NULL;
	struct image image;
	uint64_t address;

	text[0] = '\0';
	if (plus == NULL || slash == NULL || slash > plus || strncmp(plus, "+0x", 3) != 0 ||
	    (size_t)(plus - slash) >= sizeof(path))
		return;
	address = strtoull(plus + 1, &end, 16);
	if (*end != '\0')
		return;
	memcpy(path, slash, (size_t)(plus - slash));
	path[plus - slash] = '\0';
	if (!load(path, &image))
		return;
	/* A return address is behind its call, which may be the function's last instruction. */
	find(&image, strncmp(line, "  #0 ", 5) == 0 ? address : address - (address > 0), &best);
	free(image.bytes);
	if (best.name[0] != '\0')
		snprintf(text, size, " (%s+%llu)", best.name,
			 (unsigned long long)(address - best.start));
}
