/* SPDX-License-Identifier: Apache-2.0 */
/* See dext.h. In pieces, so that a text may be of any length. */
#include "dext.h"

#include "escape.h"

#include <string.h>

#define PIECE 256u

/* Not in the middle of a character. */
static size_t
piece_of(const char *text, size_t left)
{
	size_t size = left < PIECE ? left : PIECE;

	while (size < left && size > PIECE - 4 && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	return size;
}

void
print_clean(FILE *to, const char *text)
{
	char piece[PIECE + 1], clean[ESCAPE_ROOM(PIECE)];

	for (size_t left = strlen(text), size; left > 0; left -= size, text += size) {
		size = piece_of(text, left);
		memcpy(piece, text, size);
		piece[size] = '\0';
		escape_line(clean, piece, size);
		fputs(clean, to);
	}
}
