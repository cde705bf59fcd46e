/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of send and recv. */
#include "transfer.h"

#include "amount.h"
#include "dext.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BUFFERS 16
#define DEFAULT_SIZE	(256u << 10)

static int
amount_option(const struct transfer_options *options, const char *name, const char *text,
	      uint64_t low, uint64_t high, uint64_t *ret_amount)
{
	if (amount_parse(text, ret_amount) && *ret_amount >= low && *ret_amount <= high)
		return DEXT_EXIT_OK;
	fprintf(stderr,
		"dext %s: --%s %s: a number from %llu to %llu was expected, such as 4096, 256K or "
		"1M.\n",
		options->command, name, text, (unsigned long long)low, (unsigned long long)high);
	return DEXT_EXIT_USAGE;
}

static int
apply(struct transfer_options *options, int option, const char *usage)
{
	uint64_t amount = 0;
	int code = DEXT_EXIT_OK;

	switch (option) {
	case 'n':
		code = amount_option(options, "buffers", optarg, 1, DEXT_BULKSTREAM_BUFFERS_MAX,
				     &amount);
		options->buffers = (uint32_t)amount;
		break;
	case 's':
		code = amount_option(options, "size", optarg, 1, DEXT_BULKSTREAM_SIZE_MAX, &amount);
		options->size = (uint32_t)amount;
		break;
	case 'b':
		code = amount_option(options, "bytes", optarg, 0, UINT64_MAX - 1, &options->bytes);
		break;
	case 'S':
		options->service = optarg;
		break;
	case 'c':
		options->calls = true;
		break;
	case 'j':
		options->json = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(DEXT_EXIT_OK);
	default:
		fprintf(stderr, "dext %s: see `dext %s --help`.\n", options->command,
			options->command);
		code = DEXT_EXIT_USAGE;
		break;
	}
	return code;
}

int
transfer_parse(int argc, char **argv, const char *usage, struct transfer_options *options)
{
	static const struct option table[] = {
		{"buffers", required_argument, NULL, 'n'}, {"size", required_argument, NULL, 's'},
		{"service", required_argument, NULL, 'S'}, {"calls", no_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},	   {"help", no_argument, NULL, 'h'},
		{"bytes", required_argument, NULL, 'b'},   {NULL, 0, NULL, 0},
	};
	bool receives = strcmp(argv[0], "recv") == 0;
	int option;

	*options = (struct transfer_options){.command = receives ? "recv" : "send",
					     .service = DEXT_BULKSTREAM_SERVICE,
					     .buffers = DEFAULT_BUFFERS,
					     .size = DEFAULT_SIZE,
					     .bytes = UINT64_MAX};
	optind = 1;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		int code;

		if (option == 'b' && !receives) {
			fputs("dext send: --bytes is an option of recv; send ends with its file.\n",
			      stderr);
			return DEXT_EXIT_USAGE;
		}
		code = apply(options, option, usage);
		if (code != DEXT_EXIT_OK)
			return code;
	}
	if (optind != argc - 1) {
		fprintf(stderr,
			"dext %s: exactly one FILE was expected, or - for standard %s; see `dext "
			"%s --help`.\n",
			options->command, receives ? "output" : "input", options->command);
		return DEXT_EXIT_USAGE;
	}
	options->path = argv[optind];
	return DEXT_EXIT_OK;
}
