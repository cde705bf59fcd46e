/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving by hand. A completion is this header followed by an OSNotificationHeader64 and an
 * IOAsyncCompletionContent (IOKit/OSMessageNotification.h); IODispatchCalloutFromMessage calls what
 * it names. At most 236 bytes with its trailer.
 */
#ifndef OPENDEXT_MACH_MESSAGE_H
#define OPENDEXT_MACH_MESSAGE_H

#include <stdint.h>

#include <IOKit/IOReturn.h>
#include <dext_cdefs.h>
#include <mach/port.h>

DEXT_BEGIN_DECLS

typedef natural_t mach_msg_size_t;
typedef natural_t mach_msg_timeout_t; /* milliseconds */
typedef unsigned int mach_msg_bits_t;
typedef integer_t mach_msg_id_t;
typedef integer_t mach_msg_option_t;
typedef unsigned int mach_msg_type_name_t;
typedef unsigned int mach_msg_trailer_type_t;
typedef unsigned int mach_msg_trailer_size_t;
typedef kern_return_t mach_msg_return_t;

typedef struct {
	mach_msg_bits_t msgh_bits;
	mach_msg_size_t msgh_size; /* of the message with this header, without the trailer */
	mach_port_t msgh_remote_port;
	mach_port_t msgh_local_port; /* where it arrived */
	mach_port_name_t msgh_voucher_port;
	mach_msg_id_t msgh_id;
} mach_msg_header_t;

typedef struct {
	mach_msg_trailer_type_t msgh_trailer_type;
	mach_msg_trailer_size_t msgh_trailer_size;
} mach_msg_trailer_t;

typedef struct {
	mach_msg_header_t header;
} mach_msg_empty_send_t;

typedef struct {
	mach_msg_header_t header;
	mach_msg_trailer_t trailer;
} mach_msg_empty_rcv_t;

typedef struct {
	mach_msg_size_t msgh_descriptor_count;
} mach_msg_body_t;

typedef struct {
	mach_msg_header_t header;
	mach_msg_body_t body;
} mach_msg_base_t;

typedef natural_t mach_msg_type_number_t;
typedef natural_t mach_msg_descriptor_type_t;
typedef integer_t mach_msg_type_size_t;

#define MACH_MSG_TYPE_MOVE_RECEIVE   16u
#define MACH_MSG_TYPE_MOVE_SEND	     17u
#define MACH_MSG_TYPE_MOVE_SEND_ONCE 18u
#define MACH_MSG_TYPE_COPY_SEND	     19u
#define MACH_MSG_TYPE_MAKE_SEND	     20u
#define MACH_MSG_TYPE_MAKE_SEND_ONCE 21u

#define MACH_MSGH_BITS_REMOTE_MASK    0x0000001fu
#define MACH_MSGH_BITS_LOCAL_MASK     0x00001f00u
#define MACH_MSGH_BITS_COMPLEX	      0x80000000u
#define MACH_MSGH_BITS(remote, local) ((remote) | ((local) << 8))
#define MACH_MSGH_BITS_REMOTE(bits)   ((bits)&MACH_MSGH_BITS_REMOTE_MASK)
#define MACH_MSGH_BITS_LOCAL(bits)    (((bits)&MACH_MSGH_BITS_LOCAL_MASK) >> 8)
#define MACH_MSG_SIZE_MAX	      ((mach_msg_size_t)~0)
#define MACH_MSG_TRAILER_FORMAT_0     0
#define MACH_MSG_TRAILER_MINIMUM_SIZE sizeof(mach_msg_trailer_t)
#define MAX_TRAILER_SIZE	      68 /* of macOS; here no trailer is larger than the minimum */

#define MACH_MSG_TIMEOUT_NONE ((mach_msg_timeout_t)0)
#define MACH_MSG_OPTION_NONE  0

#define MACH_SEND_MSG	 0x00000001
#define MACH_RCV_MSG	 0x00000002
#define MACH_RCV_LARGE	 0x00000004 /* a message that does not fit stays, its size is reported */
#define MACH_RCV_TIMEOUT 0x00000100
/* Refused, as said below. */
#define MACH_SEND_TIMEOUT   0x00000010
#define MACH_SEND_INTERRUPT 0x00000040
#define MACH_RCV_NOTIFY	    0x00000200
#define MACH_RCV_INTERRUPT  0x00000400

/* MACH_SEND_INVALID_DEST and MACH_RCV_TIMED_OUT are in IOKit/IOReturn.h. */
#define MACH_MSG_SUCCESS	  0
#define MACH_SEND_IN_PROGRESS	  ((mach_msg_return_t)0x10000001)
#define MACH_SEND_INVALID_DATA	  ((mach_msg_return_t)0x10000002)
#define MACH_SEND_TIMED_OUT	  ((mach_msg_return_t)0x10000004)
#define MACH_SEND_INVALID_VOUCHER ((mach_msg_return_t)0x10000005)
#define MACH_SEND_INTERRUPTED	  ((mach_msg_return_t)0x10000007)
#define MACH_SEND_MSG_TOO_SMALL	  ((mach_msg_return_t)0x10000008)
#define MACH_SEND_INVALID_REPLY	  ((mach_msg_return_t)0x10000009)
#define MACH_SEND_INVALID_RIGHT	  ((mach_msg_return_t)0x1000000a)
#define MACH_SEND_INVALID_NOTIFY  ((mach_msg_return_t)0x1000000b)
#define MACH_SEND_INVALID_MEMORY  ((mach_msg_return_t)0x1000000c)
#define MACH_SEND_NO_BUFFER	  ((mach_msg_return_t)0x1000000d)
#define MACH_SEND_TOO_LARGE	  ((mach_msg_return_t)0x1000000e)
#define MACH_SEND_INVALID_TYPE	  ((mach_msg_return_t)0x1000000f)
#define MACH_SEND_INVALID_HEADER  ((mach_msg_return_t)0x10000010)
#define MACH_SEND_INVALID_TRAILER ((mach_msg_return_t)0x10000011)
#define MACH_RCV_IN_PROGRESS	  ((mach_msg_return_t)0x10004001)
#define MACH_RCV_INVALID_NAME	  ((mach_msg_return_t)0x10004002)
#define MACH_RCV_TOO_LARGE	  ((mach_msg_return_t)0x10004004)
#define MACH_RCV_INTERRUPTED	  ((mach_msg_return_t)0x10004005)
#define MACH_RCV_PORT_CHANGED	  ((mach_msg_return_t)0x10004006)
#define MACH_RCV_INVALID_NOTIFY	  ((mach_msg_return_t)0x10004007)
#define MACH_RCV_INVALID_DATA	  ((mach_msg_return_t)0x10004008)
#define MACH_RCV_PORT_DIED	  ((mach_msg_return_t)0x10004009)
#define MACH_RCV_IN_SET		  ((mach_msg_return_t)0x1000400a)
#define MACH_RCV_HEADER_ERROR	  ((mach_msg_return_t)0x1000400b)
#define MACH_RCV_BODY_ERROR	  ((mach_msg_return_t)0x1000400c)
#define MACH_RCV_INVALID_TYPE	  ((mach_msg_return_t)0x1000400d)
#define MACH_RCV_SCATTER_SMALL	  ((mach_msg_return_t)0x1000400e)
#define MACH_RCV_INVALID_TRAILER  ((mach_msg_return_t)0x1000400f)

/*
 * Receives the oldest message of `receive_name`; without MACH_RCV_TIMEOUT it waits for ever. Any
 * number of threads may wait on a port. The trailer is written where there is room for it.
 * MACH_RCV_TIMED_OUT: none came. MACH_RCV_TOO_LARGE: receive_limit is too small; the message is
 * lost unless MACH_RCV_LARGE was given, msgh_size says what it needs. MACH_RCV_PORT_DIED: the port
 * was ended meanwhile. MACH_RCV_INVALID_NAME: no such port. MACH_RCV_INVALID_DATA: no room for a
 * header. Sending, and every other option, is kIOReturnUnsupported.
 */
mach_msg_return_t mach_msg(mach_msg_header_t *message, mach_msg_option_t option,
			   mach_msg_size_t send_size, mach_msg_size_t receive_limit,
			   mach_port_name_t receive_name, mach_msg_timeout_t timeout,
			   mach_port_name_t notify);

DEXT_END_DECLS

#endif
