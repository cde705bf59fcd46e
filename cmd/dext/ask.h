/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a running registry, for subcommands that look at the tree rather than open services.
 */
#ifndef DEXT_ASK_H
#define DEXT_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packets.h"

#include <DriverKit/OSCollections.h>

struct ask; /* a connection to the registry */

/*
 * Connects to the first registry that accepts: the one of OPENDEXT_RUNTIME_DIR where that is set,
 * else /run/opendext, else XDG_RUNTIME_DIR/opendext. False: there is none, and this was said in the
 * command's name.
 */
bool ask_open(const char *command, struct ask **ret_ask);
/* Whether there is one; `where` is its socket, or where one was expected. */
bool ask_try(char *where, size_t size);
void ask_close(struct ask *ask);

/* What to say of a question that got no answer but this status. Valid as long as `ask`. */
const char *ask_reason(const struct ask *ask, IOReturn status);

/* The ids that match, oldest first; the caller frees them. */
IOReturn ask_ids(struct ask *ask, const OSDictionary *matching, uint64_t **ret_ids,
		 size_t *ret_count);
#define ASK_SENTENCE_MAX 1025
/*
 * A virtual device comes or goes (then: has gone, when it returns). On failure the sentence is the
 * registry's reason, or "" where it did not say one.
 */
IOReturn ask_plug(struct ask *ask, const char *spec, uint64_t *ret_id,
		  char sentence[ASK_SENTENCE_MAX]);
IOReturn ask_unplug(struct ask *ask, uint64_t id, char sentence[ASK_SENTENCE_MAX]);

/* The first driver with a greater number; the caller releases it. kIOReturnNotFound: none. */
IOReturn ask_driver(struct ask *ask, uint64_t after, OSDictionary **ret_driver);
/*
 * One after the other, from *number 0 on: the next one, whose number *number becomes; the caller
 * releases it. kIOReturnIPCError: its number is not greater.
 */
IOReturn ask_next_driver(struct ask *ask, uint64_t *number, OSDictionary **ret_driver);
/* Whether it is the one that the user means: by identifier, class or number; NULL: any is. */
bool ask_driver_is(const OSDictionary *driver, const char *wanted);
/* A socket on which the driver's host sends TRACING; the caller owns it. */
IOReturn ask_trace(struct ask *ask, const struct trace_body *body, int *ret_socket);
/* Lines of logs: struct log_record, each with its text, checked. The caller frees them. */
IOReturn ask_log(struct ask *ask, const struct log_body *body, char **ret_lines,
		 size_t *ret_length);

/* The caller releases them. kIOReturnNotFound: it has gone meanwhile. */
IOReturn ask_properties(struct ask *ask, uint64_t id, OSDictionary **ret_properties);

#endif
