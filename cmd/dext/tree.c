/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext tree: the registry as ioreg shows it. An app like any other, over the public headers.
 *
 * The options are ioreg's. -c and -n choose entries: their properties are shown, or, with -r, the
 * subtrees that begin with them.
 */
#include "tree.h"

#include "dext.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <IOKit/IOKitLib.h>

#define DEPTH_MAX 64

static const char help_text[] =
	"usage: dext tree [-bfiltx] [-p PLANE] [-c CLASS] [-k KEY] [-n NAME] [-r] [-d DEPTH]\n"
	"                 [-w WIDTH] [--json]\n"
	"\n"
	"Shows the registry: devices, their interfaces, and the services of drivers below them.\n"
	"\n"
	"  -l         the properties of each entry\n"
	"  -p PLANE   IOService (the default) or IOUSB, the devices alone\n"
	"  -c CLASS   the properties of the entries of that class, or of one below it\n"
	"  -n NAME    the properties of the entries with that name\n"
	"  -k KEY     the properties of the entries that have this one\n"
	"  -r         only the subtrees that begin with what -c, -k or -n chooses\n"
	"  -t         with -r: and what is above them\n"
	"  -d DEPTH   not deeper than that\n"
	"  -i         the classes that an entry's class inherits from\n"
	"  -x         numbers in hexadecimal\n"
	"  -w WIDTH   lines of so many columns at most; 0 (the default): as long as they are\n"
	"  -b         names in bold, also where this is no terminal\n"
	"  -f         nothing: values are shown by their types always\n"
	"  --json     an array of entries, each with its `children`; properties always\n"
	"\n"
	"Examples:\n"
	"  dext tree                            what is there\n"
	"  dext tree -r -c IOUSBHostDevice -l   the devices, with all that is known of them\n"
	"  dext tree -rtk idVendor -x           what has a vendor, and where it is plugged in\n"
	"  dext tree -r -n BulkStream --json    one driver's services, for a program\n"
	"\n"
	"Exit status: 0, 2 wrong command line, 3 there is no registry, or nothing that -r shows.\n";

/* What is shown of an entry. */
struct entry {
	io_registry_entry_t object;
	io_name_t name, class_name, location;
	uint64_t id;
	bool chosen;
};

struct tree {
	FILE *to;
	const char *plane, *class_name, *name, *key;
	unsigned depth_max, width;
	bool list, roots, above, json, hex, inheritance;
	bool bold;
	bool any; /* something was shown */
	/* Of the entry that is printed, by its depth, and those above it: whether another follows.
	 */
	bool follows[DEPTH_MAX];
	/* With -t: what is above the entry that is looked at, and how many of these were shown. */
	struct entry path[DEPTH_MAX];
	unsigned path_shown;
};

static bool
has_key(io_registry_entry_t object, const char *key)
{
	CFStringRef name =
		CFStringCreateWithCString(kCFAllocatorDefault, key, kCFStringEncodingUTF8);
	CFTypeRef value = NULL;

	if (name != NULL)
		value = IORegistryEntryCreateCFProperty(object, name, kCFAllocatorDefault, 0);
	if (value != NULL)
		CFRelease(value);
	if (name != NULL)
		CFRelease(name);
	return value != NULL;
}

static bool
chooses(const struct tree *tree)
{
	return tree->class_name != NULL || tree->name != NULL || tree->key != NULL;
}

/* False: it has gone meanwhile. */
static bool
read_entry(const struct tree *tree, io_registry_entry_t object, struct entry *ret_entry)
{
	struct entry entry = {.object = object};

	if (IORegistryEntryGetNameInPlane(object, tree->plane, entry.name) != kIOReturnSuccess ||
	    IOObjectGetClass(object, entry.class_name) != kIOReturnSuccess ||
	    IORegistryEntryGetRegistryEntryID(object, &entry.id) != kIOReturnSuccess)
		return false;
	if (IORegistryEntryGetLocationInPlane(object, tree->plane, entry.location) !=
	    kIOReturnSuccess)
		entry.location[0] = '\0';
	entry.chosen = chooses(tree) &&
		       (tree->class_name == NULL || IOObjectConformsTo(object, tree->class_name)) &&
		       (tree->name == NULL || strcmp(entry.name, tree->name) == 0) &&
		       (tree->key == NULL || has_key(object, tree->key));
	*ret_entry = entry;
	return true;
}

/* --- as text --- */

static void
print_bars(const struct tree *tree, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		fputs(tree->follows[i] ? "| " : "  ", tree->to);
}

static void
print_properties(const struct tree *tree, const struct entry *entry, unsigned depth)
{
	CFMutableDictionaryRef properties = NULL;
	CFStringRef *keys;

	if (IORegistryEntryCreateCFProperties(entry->object, &properties, kCFAllocatorDefault, 0) !=
	    kIOReturnSuccess)
		return;
	keys = tree_sorted_keys(properties);
	print_bars(tree, depth + 1);
	fprintf(tree->to, "{\n");
	for (CFIndex i = 0; keys != NULL && i < CFDictionaryGetCount(properties); i++) {
		print_bars(tree, depth + 1);
		fputs("  ", tree->to);
		tree_print_value(tree->to, keys[i], tree->hex);
		fputs(" = ", tree->to);
		tree_print_value(tree->to, CFDictionaryGetValue(properties, keys[i]), tree->hex);
		fprintf(tree->to, "\n");
	}
	print_bars(tree, depth + 1);
	fprintf(tree->to, "}\n");
	free(keys);
	CFRelease(properties);
}

/* Of those that crashed, whatever the options are. */
static void
print_drivers(const struct tree *tree, const struct entry *entry, unsigned depth)
{
	CFMutableDictionaryRef properties = NULL;
	char *lines = NULL, *next, *line;

	if (IORegistryEntryCreateCFProperties(entry->object, &properties, kCFAllocatorDefault, 0) !=
	    kIOReturnSuccess)
		return;
	lines = tree_drivers_text(properties, tree->list || entry->chosen);
	CFRelease(properties);
	for (line = lines; line != NULL && *line != '\0'; line = next) {
		next = line + strcspn(line, "\n");
		*next++ = '\0';
		print_bars(tree, depth + 1);
		fprintf(tree->to, "%s\n", line);
	}
	free(lines);
}

/* ":IOService:IORegistryEntry" */
static void
print_inheritance(const struct tree *tree, const char *class_name)
{
	CFStringRef name =
		CFStringCreateWithCString(kCFAllocatorDefault, class_name, kCFStringEncodingUTF8);
	io_name_t text;

	while (name != NULL) {
		CFStringRef above = IOObjectCopySuperclassForClass(name);

		CFRelease(name);
		name = above;
		if (name != NULL)
			fprintf(tree->to, ":%s", tree_text(name, text, sizeof(text)));
	}
}

static void
print_head(const struct tree *tree, const struct entry *entry, unsigned depth)
{
	print_bars(tree, depth);
	fputs(tree->bold ? "+-o \033[1m" : "+-o ", tree->to);
	print_clean(tree->to, entry->name);
	fputs(tree->bold ? "\033[0m" : "", tree->to);
	if (entry->location[0] != '\0') {
		fputc('@', tree->to);
		print_clean(tree->to, entry->location);
	}
	fputs("  <class ", tree->to);
	print_clean(tree->to, entry->class_name);
	if (tree->inheritance)
		print_inheritance(tree, entry->class_name);
	fprintf(tree->to, ", id 0x%llx>\n", (unsigned long long)entry->id);
}

static void
print_entry(const struct tree *tree, const struct entry *entry, unsigned depth)
{
	print_head(tree, entry, depth);
	print_drivers(tree, entry, depth);
	if (tree->list || entry->chosen)
		print_properties(tree, entry, depth);
}

/* --- as JSON --- */

static struct json_object *
json_entry(const struct entry *entry)
{
	struct json_object *object = json_object_new_object();
	CFMutableDictionaryRef properties = NULL;
	char id[24];

	snprintf(id, sizeof(id), "0x%016llx", (unsigned long long)entry->id);
	json_object_object_add(object, "name", json_object_new_string(entry->name));
	json_object_object_add(object, "class", json_object_new_string(entry->class_name));
	/* A string: 64 bits are more than a JSON number holds in most readers. */
	json_object_object_add(object, "id", json_object_new_string(id));
	if (entry->location[0] != '\0')
		json_object_object_add(object, "location", json_object_new_string(entry->location));
	if (IORegistryEntryCreateCFProperties(entry->object, &properties, kCFAllocatorDefault, 0) ==
	    kIOReturnSuccess) {
		json_object_object_add(object, "properties", tree_json_value(properties));
		CFRelease(properties);
	}
	json_object_object_add(object, "children", json_object_new_array());
	return object;
}

/* --- the walk --- */

static void walk_children(struct tree *tree, io_registry_entry_t object, unsigned depth, bool shown,
			  struct json_object *into);

/* An entry that is not shown, or only as what is above one that is. */
static void
pass(struct tree *tree, const struct entry *entry, unsigned depth, struct json_object *into)
{
	if (!tree->above || tree->json) {
		walk_children(tree, entry->object, depth, false, into);
		return;
	}
	tree->path[depth] = *entry;
	if (tree->path_shown > depth)
		tree->path_shown = depth;
	if (depth + 1 < DEPTH_MAX)
		walk_children(tree, entry->object, depth + 1, false, into);
}

static void
print_path(struct tree *tree, unsigned depth)
{
	for (; tree->path_shown < depth; tree->path_shown++)
		print_head(tree, &tree->path[tree->path_shown], tree->path_shown);
}

/* Shows the entry if it is to be, and what is below it. */
static void
walk(struct tree *tree, io_registry_entry_t object, unsigned depth, bool shown,
     struct json_object *into)
{
	struct json_object *json;
	struct entry entry;
	bool begins;

	if (!read_entry(tree, object, &entry))
		return;
	begins = !shown;
	shown |= !tree->roots || entry.chosen;
	if (!shown) {
		pass(tree, &entry, depth, into);
		return;
	}
	if (begins && tree->above && !tree->json)
		print_path(tree, depth);
	tree->any = true;
	if (tree->json) {
		json = json_entry(&entry);
		json_object_array_add(into, json);
		json_object_object_get_ex(json, "children", &into);
	} else {
		print_entry(tree, &entry, depth);
	}
	if (depth + 1 < tree->depth_max)
		walk_children(tree, object, depth + 1, true, into);
}

static void
walk_children(struct tree *tree, io_registry_entry_t object, unsigned depth, bool shown,
	      struct json_object *into)
{
	io_registry_entry_t child, next;
	io_iterator_t children;

	if (IORegistryEntryGetChildIterator(object, tree->plane, &children) != kIOReturnSuccess)
		return;
	for (child = IOIteratorNext(children); child != IO_OBJECT_NULL; child = next) {
		next = IOIteratorNext(children);
		tree->follows[depth] = shown && next != IO_OBJECT_NULL;
		walk(tree, child, depth, shown, into);
		IOObjectRelease(child);
	}
	IOObjectRelease(children);
}

static const char *
why_no_root(void)
{
	io_iterator_t entries = IO_OBJECT_NULL;
	/* The one question whose status comes through. */
	kern_return_t status = IOServiceGetMatchingServices(
		kIOMainPortDefault, IOServiceMatching("IORegistryEntry"), &entries);

	IOObjectRelease(entries);
	return status == kIOReturnNoResources
		       ? "the registry has as many connections as it takes "
			 "(DEXT_LIMIT_REGISTRY_CLIENTS); end programs that hold some"
		       : "there is no registry; start one with `dext run`, or dextd";
}

/* Lines of what was written, cut off; a character of UTF-8 counts once. */
static void
print_cut(const char *text, unsigned width)
{
	unsigned column = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\n')
			column = 0;
		else if (((unsigned char)*text & 0xc0) != 0x80)
			column++;
		if (column <= width)
			putchar(*text);
	}
}

static int
show(struct tree *tree)
{
	size_t length = 0;
	char *text = NULL;
	struct json_object *all = tree->json ? json_object_new_array() : NULL;
	io_registry_entry_t root = IORegistryGetRootEntry(kIOMainPortDefault);

	if (root == IO_OBJECT_NULL) {
		complain("tree", "%s", why_no_root());
		json_object_put(all);
		return DEXT_EXIT_NOT_FOUND;
	}
	tree->to = tree->width > 0 ? open_memstream(&text, &length) : stdout;
	if (tree->to == NULL)
		tree->to = stdout;
	walk(tree, root, 0, false, all);
	IOObjectRelease(root);
	if (tree->to != stdout) {
		fclose(tree->to);
		print_cut(text != NULL ? text : "", tree->width);
		free(text);
	}
	if (tree->json)
		printf("%s\n",
		       json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
	return tree->any || !tree->roots ? DEXT_EXIT_OK : DEXT_EXIT_NOT_FOUND;
}

/* --- command line --- */

static int
number_option(int option, unsigned low, unsigned high, unsigned *ret_number)
{
	int used = 0;

	if (sscanf(optarg, "%4u%n", ret_number, &used) == 1 && optarg[used] == '\0' &&
	    *ret_number >= low && *ret_number <= high)
		return DEXT_EXIT_OK;
	return usage_error("tree", "-%c %s: %u to %u was expected", option, optarg, low, high);
}

static int
parse_option(struct tree *tree, int option)
{
	switch (option) {
	case 'l':
		tree->list = true;
		return DEXT_EXIT_OK;
	case 'r':
		tree->roots = true;
		return DEXT_EXIT_OK;
	case 'j':
		tree->json = true;
		return DEXT_EXIT_OK;
	case 'p':
		if (strcmp(optarg, kIOServicePlane) != 0 && strcmp(optarg, kIOUSBPlane) != 0)
			return usage_error("tree", "-p %s: the planes are IOService and IOUSB",
					   optarg);
		tree->plane = optarg;
		return DEXT_EXIT_OK;
	case 'c':
		tree->class_name = optarg;
		return DEXT_EXIT_OK;
	case 'n':
		tree->name = optarg;
		return DEXT_EXIT_OK;
	case 'k':
		tree->key = optarg;
		return DEXT_EXIT_OK;
	case 't':
		tree->above = true;
		return DEXT_EXIT_OK;
	case 'i':
		tree->inheritance = true;
		return DEXT_EXIT_OK;
	case 'x':
		tree->hex = true;
		return DEXT_EXIT_OK;
	case 'b':
		tree->bold = true;
		return DEXT_EXIT_OK;
	case 'f':
		return DEXT_EXIT_OK;
	case 'a':
		return usage_error("tree",
				   "-a: no property list is written; --json is for programs");
	case 'd':
		return number_option(option, 1, DEPTH_MAX, &tree->depth_max);
	case 'w':
		return number_option(option, 0, 9999, &tree->width);
	default:
		return DEXT_EXIT_USAGE; /* getopt has said what */
	}
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct tree tree = {
		.plane = kIOServicePlane,
		.depth_max = DEPTH_MAX,
		.bold = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL,
	};
	int option;

	while ((option = getopt_long(argc, argv, "abfilrtxp:c:k:n:d:w:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (parse_option(&tree, option) != DEXT_EXIT_OK)
			return DEXT_EXIT_USAGE;
	}
	if (optind != argc)
		return usage_error("tree", "%s: no argument was expected", argv[optind]);
	if (tree.roots && !chooses(&tree))
		return usage_error("tree", "-r needs -c, -k or -n");
	return show(&tree);
}
