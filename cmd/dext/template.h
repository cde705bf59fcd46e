/* SPDX-License-Identifier: Apache-2.0 */
/* The files that `dext new` writes, as template.py takes them from the folder template. */
#ifndef DEXT_TEMPLATE_H
#define DEXT_TEMPLATE_H

struct template_file {
	const char *name; /* of the template; NULL: the end */
	const char *text; /* with words between @ that new.c replaces */
};

extern const struct template_file template_files[];

#endif
