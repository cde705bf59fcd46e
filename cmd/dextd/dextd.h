/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of dextd share. */
#ifndef DEXTD_DEXTD_H
#define DEXTD_DEXTD_H

#include "registry.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define FOLDERS_MAX 32

struct dextd_options {
	char runtime_dir[PATH_MAX];
	char *folders[FOLDERS_MAX];
	unsigned folder_count;
	const char *access_file;
	enum sandbox_level sandbox;
	bool allow_virtual;
	bool release_limits;	   /* that, and nothing else */
	unsigned store_most;	   /* descriptors that systemd keeps for it; 0: none */
	const char *pci_root;	   /* where PCI functions are, as in sysfs */
	uint64_t memory_max;	   /* bytes of a host; 0: no limit */
	uid_t first_uid, last_uid; /* 0: hosts have this process's user */
};

enum options_result {
	OPTIONS_GO,
	OPTIONS_DONE, /* help was asked for */
	OPTIONS_WRONG,
};

/* options.c */
enum options_result options_parse(struct dextd_options *options, int argc, char **argv);

/* place.c */
/*
 * Makes the runtime directory, or takes it if its last dextd has ended, and keeps it as long as the
 * descriptor is open. -1: somebody else has it, or it is not ours; the log says which.
 */
int place_take(const char *runtime_dir);

/* privileges.c */
/* Of root's power only what hosts need remains. */
IOReturn privileges_drop(void);

#endif
