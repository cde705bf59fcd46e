/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext new: a folder with a driver, its property list, an app and a test, from the templates in
 * this program. What is there is never touched: the folder is made new, and taken away again if one
 * of its files cannot be written.
 */
#include "dext.h"
#include "template.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dext_virtual.h>

#define NAME_LENGTH_MAX 32u

static const char help_text[] =
	"usage: dext new NAME [--usb VID:PID]\n"
	"\n"
	"Makes the folder NAME: a driver with its Info.plist and user client, an app that uses it, "
	"a\n"
	"test of the two, a meson.build and a README. It builds, passes its test and runs on a "
	"virtual\n"
	"device at once. A folder that is there is not touched.\n"
	"\n"
	"NAME is 1 to 32 lower-case letters, digits and '_', a letter first. Classes are named "
	"after "
	"it:\n"
	"my_lamp has the service MyLamp.\n"
	"\n"
	"  --usb VID:PID  the device that the driver is for, hexadecimal, as lsusb lists it; the "
	"virtual\n"
	"                 loopback if it is left out\n"
	"\n"
	"Example: dext new lamp --usb 1234:5678 && cd lamp && meson setup build &&\n"
	"         meson compile -C build && meson test -C build &&\n"
	"         dext run build/lamp.dext --virtual loopback -- build/lamp_app\n"
	"\n"
	"Exit status: 0, 2 wrong command line, 7 it is there already, or cannot be written.\n";

struct project {
	const char *name;
	char class[NAME_LENGTH_MAX + 1];  /* my_lamp: MyLamp */
	char upper[NAME_LENGTH_MAX + 1];  /* MY_LAMP */
	char bundle[NAME_LENGTH_MAX + 1]; /* my-lamp: no '_' in an identifier */
	unsigned vendor, product;
};

/* What a template's file is called, behind the project's name, where that is not its own name. */
static const struct {
	const char *template, *rest;
} places[] = {
	{"protocol.h", ".h"},
	{"Info.plist", ".dext/Info.plist"},
	{"bundle.build", ".dext/meson.build"},
};

/* --- the name --- */

/* Meson has targets of these names already. */
static bool
is_reserved(const char *name)
{
	static const char *const words[] = {"all",	 "benchmark",  "clean",	    "coverage",
					    "dist",	 "install",    "scanbuild", "test",
					    "uninstall", "reconfigure"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], name) == 0)
			return true;
	return false;
}

static bool
is_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= NAME_LENGTH_MAX && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static void
derive(struct project *project)
{
	bool begins = true;
	size_t used = 0;

	for (size_t i = 0; project->name[i] != '\0'; i++) {
		char c = project->name[i];

		project->upper[i] = (char)toupper((unsigned char)c);
		project->bundle[i] = c == '_' ? '-' : c;
		if (c != '_')
			project->class[used++] = begins ? (char)toupper((unsigned char)c) : c;
		begins = c == '_';
	}
}

/* Four hexadecimal digits each. */
static bool
parse_usb(const char *text, struct project *project)
{
	static const char digits[] = "0123456789abcdefABCDEF";

	if (strspn(text, digits) != 4 || text[4] != ':' || strspn(text + 5, digits) != 4 ||
	    text[9] != '\0')
		return false;
	project->vendor = (unsigned)strtoul(text, NULL, 16);
	project->product = (unsigned)strtoul(text + 5, NULL, 16);
	return true;
}

/* --- writing --- */

/* A word between @ in a template, and what stands for it. */
struct word {
	const char *word;
	char text[NAME_LENGTH_MAX + 1];
};
#define WORDS 8u

static void
make_words(const struct project *project, struct word words[WORDS])
{
	const char *const names[] = {"name", "Name", "NAME",   "bundle",
				     "vid",  "pid",  "vendor", "product"};
	const char *const texts[] = {project->name, project->class, project->upper,
				     project->bundle};
	const unsigned numbers[] = {project->vendor, project->product};

	for (unsigned i = 0; i < WORDS; i++)
		words[i].word = names[i];
	for (unsigned i = 0; i < 4; i++)
		snprintf(words[i].text, sizeof(words[i].text), "%s", texts[i]);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(words[4 + i].text, sizeof(words[i].text), "%04x", numbers[i]);
		snprintf(words[6 + i].text, sizeof(words[i].text), "%u", numbers[i]);
	}
}

/* NULL: it is none, and stands for itself. */
static const struct word *
find_word(const struct word words[WORDS], const char *text, size_t length)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (strlen(words[i].word) == length && memcmp(words[i].word, text, length) == 0)
			return &words[i];
	return NULL;
}

static void
write_text(FILE *file, const struct project *project, const char *text)
{
	struct word words[WORDS];

	make_words(project, words);
	while (*text != '\0') {
		size_t length = *text == '@' ? strcspn(text + 1, "@\n") : 0;
		const struct word *word = NULL;

		if (length > 0 && text[1 + length] == '@')
			word = find_word(words, text + 1, length);
		if (word != NULL) {
			fputs(word->text, file);
			text += length + 2;
		} else {
			fputc(*text++, file);
		}
	}
}

/* Relative to the project's folder. */
static void
find_place(const struct project *project, const char *template, char place[PATH_MAX])
{
	snprintf(place, PATH_MAX, "%s", template);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strcmp(places[i].template, template) == 0)
			snprintf(place, PATH_MAX, "%s%s", project->name, places[i].rest);
}

static bool
write_file(int folder, const struct project *project, const struct template_file *template)
{
	char place[PATH_MAX];
	FILE *file;
	bool good;
	int fd;

	find_place(project, template->name, place);
	fd = openat(folder, place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (file == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	write_text(file, project, template->text);
	good = !ferror(file);
	return fclose(file) == 0 && good;
}

static void
take_away(int folder, const struct project *project)
{
	char place[PATH_MAX];

	for (const struct template_file *file = template_files; file->name != NULL; file++) {
		find_place(project, file->name, place);
		unlinkat(folder, place, 0);
	}
	snprintf(place, sizeof(place), "%s.dext", project->name);
	unlinkat(folder, place, AT_REMOVEDIR);
	rmdir(project->name);
}

static bool
write_all(int folder, const struct project *project)
{
	char bundle[NAME_LENGTH_MAX + 8];

	snprintf(bundle, sizeof(bundle), "%s.dext", project->name);
	if (mkdirat(folder, bundle, 0777) < 0)
		return false;
	for (const struct template_file *file = template_files; file->name != NULL; file++)
		if (!write_file(folder, project, file))
			return false;
	return true;
}

/*
 * What to type now. From a build folder, where OpenDext need not be installed, pkg-config has to be
 * told where its files are.
 */
static void
print_steps(const struct project *project)
{
	char self[PATH_MAX], built[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	printf("%s: a driver for %04x:%04x. Next:\n\n", project->name, project->vendor,
	       project->product);
	self[length > 0 ? length : 0] = '\0';
	for (unsigned i = 0; i < 2 && (slash = strrchr(self, '/')) != NULL; i++)
		*slash = '\0';
	if ((size_t)snprintf(built, sizeof(built), "%s/meson-uninstalled", self) < sizeof(built) &&
	    access(built, X_OK) == 0)
		printf("  export PKG_CONFIG_PATH='%s'\n", built);
	printf("  cd %s && meson setup build && meson compile -C build && meson test -C build\n"
	       "  dext run build/%s.dext --virtual loopback -- build/%s_app\n",
	       project->name, project->name, project->name);
}

static int
make(const struct project *project)
{
	int folder, error;

	if (mkdir(project->name, 0777) < 0) {
		complain("new", "%s: %s", project->name,
			 errno == EEXIST ? "it is there already, and was not touched"
					 : strerror(errno));
		return DEXT_EXIT_FILE;
	}
	folder = open(project->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || !write_all(folder, project)) {
		error = errno;
		if (folder >= 0)
			take_away(folder, project);
		complain("new", "%s: %s", project->name, strerror(error));
		if (folder >= 0)
			close(folder);
		return DEXT_EXIT_FILE;
	}
	close(folder);
	print_steps(project);
	return DEXT_EXIT_OK;
}

int
new_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"usb", required_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct project project = {
		.vendor = DEXT_VIRTUAL_VENDOR,
		.product = DEXT_VIRTUAL_PRODUCT_LOOPBACK,
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (option != 'u')
			return DEXT_EXIT_USAGE; /* getopt has said what */
		if (!parse_usb(optarg, &project))
			return usage_error("new",
					   "--usb %s: VID:PID was expected, for instance 0403:6001",
					   optarg);
	}
	if (argc - optind != 1)
		return usage_error("new", "one name was expected");
	project.name = argv[optind];
	if (!is_name(project.name) || is_reserved(project.name))
		return usage_error("new",
				   "'%s': a name is 1 to 32 lower-case letters, digits and '_', a "
				   "letter first, and none of Meson's own targets (test, all, ...)",
				   project.name);
	derive(&project);
	return make(&project);
}
