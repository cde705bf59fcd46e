/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a host hands over in answer to a map call: received, checked, mapped. The
 * connection's map_lock is held over all of it.
 *
 *	handed_receive -> handed_check -> handed_map -> packet_close_fds
 */
#ifndef CLIENT_HANDED_H
#define CLIENT_HANDED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <DriverKit/IOReturn.h>

#define SEGMENTS_MAX 32u

struct call_reply;
struct call_request;
struct connection;

/* What a segment is, whatever descriptor it came with. */
struct segment {
	int fd; /* while it is being mapped: the packet's */
	dev_t device;
	ino_t inode;
	uint64_t offset;
	uint64_t length;
};

struct handed {
	struct segment segments[SEGMENTS_MAX];
	uint32_t count;
	uint64_t length; /* of all, not rounded */
	bool read_only;
	bool device;	/* a segment of it is a device's */
	uint32_t queue; /* CALL_QUEUE_x, or 0 */
};

/*
 * The MEMORY before this answer, acknowledged. Its descriptors stay connection->packet's.
 * kIOReturnNoResources: descriptors were lost, and only this call with them. Whatever else fails
 * has ended the connection.
 */
IOReturn handed_receive(struct connection *connection, const struct call_request *request,
			unsigned slot, const struct call_reply *reply, struct handed *memory);
/*
 * A file that can shrink, is too short or is of no kind that may be mapped: a log line. Notes which
 * file each segment is.
 */
IOReturn handed_check(struct handed *memory);
/*
 * All segments one after the other, at `fixed`, or anywhere if that is NULL. kIOReturnNoSpace:
 * something is there already, or this process has no such addresses.
 */
IOReturn handed_map(const struct handed *memory, bool read_only, void *fixed, void **ret_address);

#endif
