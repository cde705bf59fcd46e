/* SPDX-License-Identifier: Apache-2.0 */
/* Where the programs are that this one executes: dext-host, and those of `dext`'s subcommands. */
#ifndef CMD_PROGRAM_H
#define CMD_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/* False: nowhere; `path` then names the last place. */
bool program_find(const char *name, char *path, size_t size);

#endif
