/* SPDX-License-Identifier: Apache-2.0 */
/* Structures of more than 4096 bytes: app memory that a call names by a pointer. */
#ifndef CLIENT_LARGE_H
#define CLIENT_LARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

struct connection;
struct sharing;

struct large {
	void *memory; /* the app's; NULL: this call has none */
	size_t size;
	bool output;
	int fd;			 /* to send; borrowed from `sharing` if there is one */
	uint64_t offset;	 /* of the structure in the file */
	struct sharing *sharing; /* the memory is a file already: nothing is copied; retained */
	void *window;		 /* else: the file's mapping here */
};

/*
 * Makes `large` ready to send: finds the file behind the memory, or makes one and copies. `large`
 * is filled on success only.
 */
IOReturn large_prepare(struct large *large, const struct connection *connection, void *memory,
		       size_t size, bool output);

/*
 * After the answer. `answered`: the driver's method has returned, so its output is copied back.
 * `kept`: the driver holds the memory, so from here on its pages are shared with it where they can
 * be.
 */
void large_finish(struct large *large, struct connection *connection, bool answered, bool kept);

#endif
