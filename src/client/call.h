/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are no IOConnectCall...: call.c. */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include <stddef.h>

#include <IOKit/IOTypes.h>

/* SetProperties of the user client; `bytes`: a binary property list, at most 4096 of them. Blocks.
 */
kern_return_t call_set_properties(const char *function, io_connect_t connect, const void *bytes,
				  size_t length);

#endif
