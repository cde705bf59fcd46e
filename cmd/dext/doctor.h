/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `dext doctor` looks at. A check is a function that calls one of the three below, once for
 * each thing that it has looked at; doctor.c has the table of them and prints.
 */
#ifndef DEXT_DOCTOR_H
#define DEXT_DOCTOR_H

#include <dext_cdefs.h>

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct doctor; /* doctor.c */

void doctor_ok(struct doctor *doctor, const char *name, const char *format, ...) DEXT_PRINTF(3, 4);
/* It works without, but less well or not for all: `remedy` is a command or a sentence. */
void doctor_hint(struct doctor *doctor, const char *name, const char *remedy, const char *format,
		 ...) DEXT_PRINTF(4, 5);
/* It does not work without. */
void doctor_fix(struct doctor *doctor, const char *name, const char *remedy, const char *format,
		...) DEXT_PRINTF(4, 5);

/* The path below --root, "/" without one. */
void doctor_path(const struct doctor *doctor, const char *path, char full[PATH_MAX]);
/* The first line of a file below the root, without its end; false: it cannot be read. */
bool doctor_read(const struct doctor *doctor, const char *path, char *line, size_t size);

/* doctor_kernel.c */
void doctor_check_kernel(struct doctor *doctor);
void doctor_check_memory(struct doctor *doctor);
void doctor_check_limits(struct doctor *doctor);
/* doctor_sandbox.c */
void doctor_check_sandbox(struct doctor *doctor);
void doctor_check_cgroup(struct doctor *doctor);
void doctor_check_users(struct doctor *doctor);
/* doctor_usb.c */
void doctor_check_usbfs(struct doctor *doctor);
void doctor_check_devices(struct doctor *doctor);
void doctor_check_udev(struct doctor *doctor);
/* doctor_registry.c */
void doctor_check_registry(struct doctor *doctor);
void doctor_check_group(struct doctor *doctor);
void doctor_check_bundles(struct doctor *doctor);

#endif
