/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet on a SOCK_SEQPACKET socket, with its descriptors. The only file that calls sendmsg and
 * recvmsg.
 *
 * Every message of every protocol here starts with struct packet_header; `fd_count` must agree with
 * the descriptors that arrive, and that is checked here, so no caller ever sees a packet with
 * others.
 */
#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

#define PACKET_MAX     65536u /* bytes, header included */
#define PACKET_FDS_MAX 33u
/* Those that a message of the kernel's can carry. For what finds no room the kernel drops the last
 * reference in the receiver, who may have to wait for that: so there is room for all. */
#define PACKET_FDS_ROOM 253u

struct packet_header {
	uint32_t length; /* of the whole packet */
	uint16_t type;	 /* of the protocol */
	uint16_t fd_count;
	uint32_t sequence; /* a reply carries its request's */
	int32_t status;	   /* of a reply; 0 in a request */
};

_Static_assert(sizeof(struct packet_header) == 16, "wire");

/*
 * Sends the header followed by `body`; fills header->length and ->fd_count. The descriptors stay
 * the caller's. No SIGPIPE. wait: whether to block while the peer's buffer is full; else
 * kIOReturnBusy. kIOReturnOffline: the peer has gone. kIOReturnNoResources: too many descriptors in
 * flight.
 */
IOReturn packet_send(int socket, struct packet_header *header, const void *body, size_t length,
		     const int *fds, unsigned fd_count, bool wait);

/*
 * Text to a connected datagram socket that is not one of ours, with descriptors, which stay the
 * caller's: a message to systemd. Waits for room as long as the socket's SO_SNDTIMEO says.
 */
IOReturn packet_send_text(int socket, const char *text, const int *fds, unsigned fd_count);

/* A received packet. The descriptors are close-on-exec and the receiver's; packet_close_fds ends
 * them. */
struct packet {
	struct packet_header *header; /* = buffer; length and fd_count were checked */
	const uint8_t *body;	      /* after the header */
	size_t body_length;
	int fds[PACKET_FDS_ROOM];
	unsigned fd_count;
	uint32_t owner; /* the receiver's: for which user packet_close_fds closes, closing.h */
	_Alignas(8) uint8_t buffer[PACKET_MAX];
};

/*
 * Receives one packet. kIOReturnNotReady: none there (wait false). kIOReturnOffline: end of the
 * stream. kIOReturnNoResources: descriptors were lost because this process is out of them; the rest
 * is valid and fd_count tells how many there are. kIOReturnIPCError: the peer broke the rules; end
 * the connection.
 */
IOReturn packet_receive(int socket, struct packet *packet, bool wait);

/*
 * The same of a peer that has no descriptors to send, without waiting. A packet that carries some
 * is refused and stays in the socket, so that they never come into this process, where closing them
 * could wait: socket_close_foreign ends it.
 */
IOReturn packet_receive_plain(int socket, struct packet *packet);

/* Descriptors that belong together; a place whose descriptor was taken is -1. */
struct fd_list {
	int fds[PACKET_FDS_MAX];
	unsigned count;
};

/* The caller owns it; -1: there is none, or it was taken. */
int fd_list_take(struct fd_list *list, unsigned index);
/* Closes what was not taken. */
void fd_list_close(struct fd_list *list);

/* Takes descriptor `index` out of the packet: the caller owns it. */
int packet_take_fd(struct packet *packet, unsigned index);
void packet_close_fds(struct packet *packet);

/* Closes *fd if it is one and sets it to -1; errno is kept. */
void fd_close(int *fd);

#endif
