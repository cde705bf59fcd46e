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
	"usage: dext tree [-l] [-p PLANE] [-c CLASS] [-n NAME] [-r] [-d DEPTH] [--json]\n"
	"\n"
	"Shows the registry: devices, their interfaces, and the services of drivers below them.\n"
	"\n"
	"  -l         the properties of each entry\n"
	"  -p PLANE   IOService (the default) or IOUSB, the devices alone\n"
	"  -c CLASS   the properties of the entries of that class, or of one below it\n"
	"  -n NAME    the properties of the entries with that name\n"
	"  -r         only the subtrees that begin with what -c or -n chooses\n"
	"  -d DEPTH   not deeper than that\n"
	"  --json     an array of entries, each with its `children`; properties always\n"
	"\n"
	"Examples:\n"
	"  dext tree                            what is there\n"
	"  dext tree -r -c IOUSBHostDevice -l   the devices, with all that is known of them\n"
	"  dext tree -r -n BulkStream --json    one driver's services, for a program\n"
	"\n"
	"Exit status: 0, 2 wrong command line, 3 there is no registry, or nothing that -r shows.\n";

struct tree {
	const char *plane, *class_name, *name;
	unsigned depth_max;
	bool list, roots, json;
	bool bold;
	bool any; /* something was shown */
	/* Of the entry that is printed, by its depth, and those above it: whether another follows.
	 */
	bool follows[DEPTH_MAX];
};

/* What is shown of an entry. */
struct entry {
	io_registry_entry_t object;
	io_name_t name, class_name, location;
	uint64_t id;
	bool chosen;
};

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
	entry.chosen = (tree->class_name != NULL || tree->name != NULL) &&
		       (tree->class_name == NULL || IOObjectConformsTo(object, tree->class_name)) &&
		       (tree->name == NULL || strcmp(entry.name, tree->name) == 0);
	*ret_entry = entry;
	return true;
}

/* --- as text --- */

static void
print_bars(const struct tree *tree, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		fputs(tree->follows[i] ? "| " : "  ", stdout);
}

static void
print_properties(const struct tree *tree, const struct entry *entry, unsigned depth)
{
	CFMutableDictionaryRef properties = NULL;
	CFStringRef *keys;
	char key[256];

	if (IORegistryEntryCreateCFProperties(entry->object, &properties, kCFAllocatorDefault, 0) !=
	    kIOReturnSuccess)
		return;
	keys = tree_sorted_keys(properties);
	print_bars(tree, depth + 1);
	printf("{\n");
	for (CFIndex i = 0; keys != NULL && i < CFDictionaryGetCount(properties); i++) {
		print_bars(tree, depth + 1);
		printf("  \"%s\" = ", tree_text(keys[i], key, sizeof(key)));
		tree_print_value(stdout, CFDictionaryGetValue(properties, keys[i]));
		printf("\n");
	}
	print_bars(tree, depth + 1);
	printf("}\n");
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
		printf("%s\n", line);
	}
	free(lines);
}

static void
print_entry(const struct tree *tree, const struct entry *entry, unsigned depth)
{
	print_bars(tree, depth);
	printf("+-o %s%s%s", tree->bold ? "\033[1m" : "", entry->name, tree->bold ? "\033[0m" : "");
	if (entry->location[0] != '\0')
		printf("@%s", entry->location);
	printf("  <class %s, id 0x%llx>\n", entry->class_name, (unsigned long long)entry->id);
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

/* Shows the entry if it is to be, and what is below it. */
static void
walk(struct tree *tree, io_registry_entry_t object, unsigned depth, bool shown,
     struct json_object *into)
{
	struct json_object *json;
	struct entry entry;

	if (!read_entry(tree, object, &entry))
		return;
	shown |= !tree->roots || entry.chosen;
	if (!shown) {
		walk_children(tree, object, depth, false, into);
		return;
	}
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

static int
show(struct tree *tree)
{
	struct json_object *all = tree->json ? json_object_new_array() : NULL;
	io_registry_entry_t root = IORegistryGetRootEntry(kIOMainPortDefault);

	if (root == IO_OBJECT_NULL) {
		complain("tree", "%s", why_no_root());
		json_object_put(all);
		return DEXT_EXIT_NOT_FOUND;
	}
	walk(tree, root, 0, false, all);
	IOObjectRelease(root);
	if (tree->json)
		printf("%s\n",
		       json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
	return tree->any || !tree->roots ? DEXT_EXIT_OK : DEXT_EXIT_NOT_FOUND;
}

/* --- command line --- */

static int
parse_option(struct tree *tree, int option)
{
	int used = 0;

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
	case 'd':
		if (sscanf(optarg, "%4u%n", &tree->depth_max, &used) == 1 && optarg[used] == '\0' &&
		    tree->depth_max > 0 && tree->depth_max <= DEPTH_MAX)
			return DEXT_EXIT_OK;
		return usage_error("tree", "-d %s: 1 to %d was expected", optarg, DEPTH_MAX);
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

	while ((option = getopt_long(argc, argv, "lrp:c:n:d:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (parse_option(&tree, option) != DEXT_EXIT_OK)
			return DEXT_EXIT_USAGE;
	}
	if (optind != argc)
		return usage_error("tree", "%s: no argument was expected", argv[optind]);
	if (tree.roots && tree.class_name == NULL && tree.name == NULL)
		return usage_error("tree", "-r needs -c or -n");
	return show(&tree);
}
