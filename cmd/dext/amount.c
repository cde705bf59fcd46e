/* SPDX-License-Identifier: Apache-2.0 */
/* See amount.h. */
#include "amount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
amount_parse(const char *text, uint64_t *ret_amount)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	char *end;
	unsigned long long number;
	unsigned shift = 0;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (end == text || errno != 0 || strchr(text, '-') != NULL)
		return false;
	if (*end != '\0') {
		suffix = strchr(suffixes, *end & ~0x20);
		if (suffix == NULL)
			return false;
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		end++;
		if (strcmp(end, "iB") == 0)
			end += 2;
	}
	if (*end != '\0' || (number << shift) >> shift != number)
		return false;
	*ret_amount = (uint64_t)number << shift;
	return true;
}
