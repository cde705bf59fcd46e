/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers of an entry that crashed or did not start, for people: how they stand, and why. */
#include "tree.h"

#include "dext.h"

#include "symbol.h"

#include <stdlib.h>
#include <string.h>

static const char *
get(CFDictionaryRef driver, CFStringRef key, char *text, size_t size)
{
	return tree_text(CFDictionaryGetValue(driver, key), text, size);
}

static void
print_log(FILE *to, CFTypeRef lines)
{
	char text[1024], symbol[160];

	if (lines == NULL || CFGetTypeID(lines) != CFArrayGetTypeID())
		return;
	for (CFIndex i = 0; i < CFArrayGetCount((CFArrayRef)lines); i++) {
		tree_text(CFArrayGetValueAtIndex((CFArrayRef)lines, i), text, sizeof(text));
		symbol_of_line(text, symbol, sizeof(symbol));
		fputs("     ", to);
		print_clean(to, text);
		fprintf(to, "%s\n", symbol);
	}
}

static void
print_driver(FILE *to, CFTypeRef driver, bool log)
{
	char class_name[128], identifier[256], state[64], reason[256];
	CFDictionaryRef facts = (CFDictionaryRef)driver;

	if (CFGetTypeID(driver) != CFDictionaryGetTypeID())
		return;
	fputs(" !- driver ", to);
	print_clean(to, get(facts, CFSTR("IOUserClass"), class_name, sizeof(class_name)));
	fputs(" (", to);
	print_clean(to, get(facts, CFSTR("CFBundleIdentifier"), identifier, sizeof(identifier)));
	fputs("): ", to);
	print_clean(to, get(facts, CFSTR("State"), state, sizeof(state)));
	fputs("; ", to);
	print_clean(to, get(facts, CFSTR("Reason"), reason, sizeof(reason)));
	fputs(log ? "\n" : "; `dext logs` has its last lines\n", to);
	if (log)
		print_log(to, CFDictionaryGetValue(facts, CFSTR("Log")));
}

char *
tree_drivers_text(CFDictionaryRef properties, bool log)
{
	CFTypeRef drivers = CFDictionaryGetValue(properties, CFSTR("dext_drivers"));
	char *text = NULL;
	size_t size = 0;
	FILE *to;

	if (drivers == NULL || CFGetTypeID(drivers) != CFArrayGetTypeID())
		return NULL;
	to = open_memstream(&text, &size);
	if (to == NULL)
		return NULL;
	for (CFIndex i = 0; i < CFArrayGetCount((CFArrayRef)drivers); i++)
		print_driver(to, CFArrayGetValueAtIndex((CFArrayRef)drivers, i), log);
	fclose(to);
	return text;
}
