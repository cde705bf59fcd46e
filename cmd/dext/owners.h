/* SPDX-License-Identifier: Apache-2.0 */
/* Which OpenDext drivers have which USB interfaces, asked from the registry that runs, if any. */
#ifndef DEXT_OWNERS_H
#define DEXT_OWNERS_H

#include <stdbool.h>
#include <stddef.h>

#define OWNER_WHOLE  256u /* the driver has the device, not one of its interfaces */
#define OWNER_DEVICE 32u
#define OWNER_TEXT   128u

struct owner {
	char device[OWNER_DEVICE]; /* as "usb:001:002" */
	unsigned interface;	   /* or OWNER_WHOLE */
	char service[OWNER_TEXT];
	char bundle[OWNER_TEXT];
};

/* The caller frees the array. False: there is no registry; the array is empty. */
bool owners_read(struct owner **ret_owners, size_t *ret_count);

#endif
