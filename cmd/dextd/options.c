/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of dextd. */
#include "dextd.h"

#include "defaults.h"
#include "environment.h"
#include "hotplug.h"

#include <dext_cdefs.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ACCESS_FILE "/etc/opendext/access"

static const char help_text[] =
	"usage: dextd [--bundles DIR]... [--runtime-dir DIR] [--access FILE] [--sandbox=LEVEL]\n"
	"             [--host-uids FIRST-LAST] [--memory-max SIZE] [--keep-hosts N]\n"
	"             [--allow-virtual] [--pci-devices DIR]\n"
	"\n"
	"Serves the drivers in the folders of bundles: each one that matches a device runs in a\n"
	"process of its own. A bundle that is dropped in is started, one that is replaced is "
	"started\n"
	"again, one that is removed is stopped. Runs in the foreground; the log is standard "
	"error.\n"
	"\n"
	"  --bundles DIR           a folder of bundles; instead of /usr/lib/opendext/bundles,\n"
	"                          /etc/opendext/bundles and /usr/local/lib/opendext/bundles\n"
	"  --runtime-dir DIR       where apps find the socket; default: $OPENDEXT_RUNTIME_DIR, "
	"else\n"
	"                          /run/opendext for root, $XDG_RUNTIME_DIR/opendext for others\n"
	"  --access FILE           who may open which driver; default " ACCESS_FILE "\n"
	"  --sandbox=LEVEL         required (the default), best or off\n"
	"  --host-uids FIRST-LAST  as root: the user ids that hosts get, one each; default "
	"65000-65255\n"
	"  --memory-max SIZE       no driver gets more memory, by cgroup v2, with K, M or G; with\n"
	"                          --sandbox=required nothing runs where that cannot be had\n"
	"  --keep-hosts N          systemd's descriptor store takes N descriptors of this service\n"
	"                          (FileDescriptorStoreMax=N): drivers outlive a dextd that is "
	"killed\n"
	"  --release-limits        takes the limits of --memory-max off drivers that a killed "
	"dextd "
	"has\n"
	"                          left, and ends: before the next one is started\n"
	"  --allow-virtual         `dext plug` may plug in virtual devices\n"
	"  --pci-devices DIR       PCI devices are in DIR and not in sysfs: for tests\n"
	"\n"
	"Examples:\n"
	"  dextd                     as root: the drivers that are installed, for the real "
	"devices\n"
	"  dextd --bundles build/dev/drivers --runtime-dir /tmp/mine --allow-virtual \\\n"
	"        --sandbox=best      as anybody: one to try things with\n"
	"\n"
	"Exit status: 0 ended by a signal, 1 it cannot run, 2 wrong command line.\n";

static enum options_result DEXT_PRINTF(1, 2) wrong(const char *format, ...)
{
	va_list arguments;

	fputs("dextd: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("; `dextd --help` shows how\n", stderr);
	return OPTIONS_WRONG;
}

static enum options_result
set_runtime_dir(struct dextd_options *options, const char *directory, const char *rest)
{
	int length = snprintf(options->runtime_dir, sizeof(options->runtime_dir), "%s%s", directory,
			      rest);

	if (length <= 0 || (size_t)length >= sizeof(options->runtime_dir))
		return wrong("--runtime-dir: a path was expected");
	return OPTIONS_GO;
}

static enum options_result
parse_uids(struct dextd_options *options, const char *text)
{
	unsigned first, last;
	int used = 0;

	if (sscanf(text, "%9u-%9u%n", &first, &last, &used) != 2 || text[used] != '\0' ||
	    first == 0 || last < first)
		return wrong("--host-uids %s: FIRST-LAST was expected, for instance 65000-65255",
			     text);
	if (geteuid() != 0)
		return wrong("--host-uids: only root can give hosts users of their own");
	options->first_uid = first;
	options->last_uid = last;
	return OPTIONS_GO;
}

static enum options_result
parse_memory(struct dextd_options *options, const char *text)
{
	static const char units[] = "BKMG";
	unsigned long long number;
	char unit = 'B';
	const char *known;
	int used = 0;

	if (sscanf(text, "%9llu%n%c%n", &number, &used, &unit, &used) < 1 || text[used] != '\0' ||
	    number == 0)
		return wrong("--memory-max %s: a number was expected, for instance 512M", text);
	known = unit != '\0' ? strchr(units, unit) : NULL;
	if (known == NULL)
		return wrong("--memory-max %s: K, M or G was expected after the number", text);
	options->memory_max = number << (10 * (unsigned)(known - units));
	return OPTIONS_GO;
}

static enum options_result
parse_store(struct dextd_options *options, const char *text)
{
	int used = 0;

	if (sscanf(text, "%6u%n", &options->store_most, &used) != 1 || text[used] != '\0' ||
	    options->store_most == 0)
		return wrong("--keep-hosts %s: the number of FileDescriptorStoreMax= was expected",
			     text);
	return OPTIONS_GO;
}

static enum options_result
parse_option(struct dextd_options *options, int option)
{
	switch (option) {
	case 'h':
		fputs(help_text, stdout);
		return OPTIONS_DONE;
	case 'b':
		if (options->folder_count == FOLDERS_MAX)
			return wrong("--bundles: more than %d folders", FOLDERS_MAX);
		options->folders[options->folder_count++] = optarg;
		return OPTIONS_GO;
	case 'r':
		return set_runtime_dir(options, optarg, "");
	case 'a':
		options->access_file = optarg;
		return OPTIONS_GO;
	case 's':
		if (!sandbox_level_of(optarg, &options->sandbox))
			return wrong("--sandbox=%s: required, best or off was expected", optarg);
		return OPTIONS_GO;
	case 'u':
		return parse_uids(options, optarg);
	case 'm':
		return parse_memory(options, optarg);
	case 'k':
		return parse_store(options, optarg);
	case 'l':
		options->release_limits = true;
		return OPTIONS_GO;
	case 'v':
		options->allow_virtual = true;
		return OPTIONS_GO;
	case 'p':
		options->pci_root = optarg;
		return OPTIONS_GO;
	default:
		return OPTIONS_WRONG; /* getopt has said what */
	}
}

static enum options_result
fill_in(struct dextd_options *options)
{
	static const char *const folders[] = {BUNDLE_FOLDERS};
	const char *user = environment_user_runtime_dir();

	if (options->folder_count == 0) {
		options->folder_count = sizeof(folders) / sizeof(folders[0]);
		memcpy(options->folders, folders, sizeof(folders));
	}
	if (options->runtime_dir[0] != '\0')
		return OPTIONS_GO;
	if (environment_runtime_dir() != NULL)
		return set_runtime_dir(options, environment_runtime_dir(), "");
	if (geteuid() == 0)
		return set_runtime_dir(options, "/run/opendext", "");
	if (user != NULL)
		return set_runtime_dir(options, user, "/opendext");
	return wrong("there is neither XDG_RUNTIME_DIR nor --runtime-dir");
}

enum options_result
options_parse(struct dextd_options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"bundles", required_argument, NULL, 'b'},
		{"runtime-dir", required_argument, NULL, 'r'},
		{"access", required_argument, NULL, 'a'},
		{"sandbox", required_argument, NULL, 's'},
		{"host-uids", required_argument, NULL, 'u'},
		{"memory-max", required_argument, NULL, 'm'},
		{"keep-hosts", required_argument, NULL, 'k'},
		{"release-limits", no_argument, NULL, 'l'},
		{"allow-virtual", no_argument, NULL, 'v'},
		{"pci-devices", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	enum options_result result = OPTIONS_GO;
	int option;

	*options = (struct dextd_options){
		.access_file = ACCESS_FILE,
		.sandbox = SANDBOX_REQUIRED,
		.pci_root = HOTPLUG_PCI_ROOT,
		.first_uid = geteuid() == 0 ? HOST_FIRST_UID : 0,
		.last_uid = geteuid() == 0 ? HOST_LAST_UID : 0,
	};
	while (result == OPTIONS_GO && (option = getopt_long(argc, argv, "h", known, NULL)) != -1)
		result = parse_option(options, option);
	if (result != OPTIONS_GO)
		return result;
	if (optind < argc)
		return wrong("'%s' is no option", argv[optind]);
	return fill_in(options);
}
