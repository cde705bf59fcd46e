/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a host's recording, as ask_trace's socket brings them: PROTOCOL.md, "Recordings".
 * The host is trusted no more than any peer.
 */
#ifndef DEXT_RECORDING_FILES_H
#define DEXT_RECORDING_FILES_H

#include "trace.h"

struct recording_files {
	const struct trace_file *at[2]; /* by enum trace_what; the capture only if asked for */
	struct trace_start start[2];
};

/*
 * Waits for them, at most that long: a host whose threads all hang does not keep a command.
 * kIOReturnTimeout then; kIOReturnOffline: it has ended. After a failure nothing is left.
 */
IOReturn recording_files_receive(int socket, unsigned wait_msec, bool capture,
				 struct recording_files *ret_files);
void recording_files_close(struct recording_files *files);

#endif
