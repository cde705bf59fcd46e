/* SPDX-License-Identifier: Apache-2.0 */
/* Where dext-host is, for the programs that have the registry in them. */
#ifndef CMD_HOST_PROGRAM_H
#define CMD_HOST_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/* False: nowhere; `path` then names the last place. */
bool host_program_find(char *path, size_t size);

#endif
