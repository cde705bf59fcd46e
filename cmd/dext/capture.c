/* SPDX-License-Identifier: Apache-2.0 */
/* dext capture: the USB transfers of drivers, with their bytes, into a file for Wireshark. */
#include "amount.h"
#include "dext.h"
#include "looking.h"
#include "usbmon.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SNAP_DEFAULT 256u

static const char help_text[] =
	"usage: dext capture -w FILE [OPTION...] [DRIVER]\n"
	"\n"
	"Writes the USB transfers of running drivers, control requests included, with their first\n"
	"bytes into a capture file for tshark and Wireshark, as the kernel's usbmon does; also "
	"those\n"
	"of virtual devices. DRIVER is a bundle's identifier, a class, or a number that `dext "
	"logs`\n"
	"shows; without it all drivers, also those that are started later. For root, and for\n"
	"the user whose registry it is. Ctrl-C ends it.\n"
	"\n"
	"  -w, --write FILE   into this file; - is standard output\n"
	"  -s, --snap BYTES   so many of each transfer, at most 65536; 256\n"
	"  --count N          end after N beginnings and ends of transfers\n"
	"  --seconds N        end after N seconds\n"
	"\n"
	"Examples:\n"
	"  dext capture -w usb.pcap -s 65536              what is sent and received\n"
	"  dext capture -w - | wireshark -k -i -          live\n"
	"  tshark -r usb.pcap -T fields -e usb.endpoint_address -e usb.capdata\n"
	"\n"
	"Exit status: 0, 2 wrong command line, 3 no registry, or no such driver, 4 not permitted,\n"
	"7 the file cannot be written.\n";

static uint64_t written, lost;

static bool
write_event(struct looking *looking, const struct recording *recording)
{
	bool is_transfer = usbmon_write(looking->to, recording);

	written += is_transfer;
	return is_transfer;
}

static void
begin(struct looking *looking)
{
	usbmon_begin(looking->to);
	/* Who reads it waits for that. */
	fflush(looking->to);
}

static void
say_lost(struct looking *looking, const struct recording *recording, uint64_t count)
{
	complain("capture", "%s: %" PRIu64 " events lost", recording->name, count);
	lost += count;
}

static void
end(struct looking *looking)
{
	fprintf(stderr, "dext capture: %" PRIu64 " written, %" PRIu64 " lost\n", written, lost);
}

/* False: it is none, or none that is possible. */
static bool
parse_snap(const char *text, uint32_t *ret_snap)
{
	uint64_t number;

	if (!amount_parse(text, &number) || number == 0 || number > TRACE_SNAP_MAX)
		return false;
	*ret_snap = (uint32_t)number;
	return true;
}

/* -1, or an exit status. */
static int
parse(int argc, char **argv, struct looking *looking)
{
	static const struct option options[] = {
		{"write", required_argument, NULL, 'w'}, {"snap", required_argument, NULL, 's'},
		{"count", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},	 {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "hw:s:", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (option == '?')
			return DEXT_EXIT_USAGE;
		if (option == 'w')
			looking->file_name = optarg;
		else if (option == 's' ? !parse_snap(optarg, &looking->recordings.snap)
				       : !looking_set_end(looking, option == 'n', optarg))
			return usage_error("capture", "%s: a number%s was expected", optarg,
					   option == 's' ? " from 1 to 65536" : "");
	}
	if (looking->file_name == NULL)
		return usage_error("capture", "where to? -w FILE");
	if (strcmp(looking->file_name, "-") == 0)
		looking->file_name = NULL;
	return looking_take_driver(looking, argc, argv);
}

int
capture_main(int argc, char **argv)
{
	static const struct looking_output output = {begin, write_event, say_lost, end};
	struct looking looking;
	int result;

	looking_init(&looking, "capture", &output);
	looking.recordings.capture = true;
	looking.recordings.snap = SNAP_DEFAULT;
	result = parse(argc, argv, &looking);
	return result >= 0 ? result : looking_run(&looking);
}
