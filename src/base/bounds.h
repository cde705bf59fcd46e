/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits on a client, in one place: ARCHITECTURE.md, "Limits". One past a limit is
 * kIOReturnNoResources and a log line that names the limit, unless said otherwise.
 */
#ifndef BASE_BOUNDS_H
#define BASE_BOUNDS_H

#define DEXT_LIMIT_CONNECTIONS 256u /* open connections of a host */
/* Of these, those of one user, in a host of a dextd that gives hosts users of their own. */
#define DEXT_LIMIT_CONNECTIONS_USER (DEXT_LIMIT_CONNECTIONS / 2)
#define DEXT_LIMIT_CALLS	    64u /* calls in flight on a connection: slots of the call page */
#define DEXT_LIMIT_MAPPED_BYTES	    (UINT64_C(16) << 30) /* bytes mapped by a client */
#define DEXT_LIMIT_PEER_BYTES \
	(UINT64_C(2) << 30) /* of an app, in its calls or kept by the driver */
/* For which a host waits for a user's apps in vain, that are asked for memory; past it they are not
 * asked, and a tenth of the time comes back. One past it: kIOReturnTimeout to the driver. */
#define DEXT_LIMIT_VAIN_WAIT_MSEC 4000u
/* Memory types a client has mapped: 4096 buffers, and the pages that go with them (statistics). */
#define DEXT_LIMIT_BUFFERS_CLIENT 4160u
#define DEXT_LIMIT_BUFFERS_HOST	  16384u /* the same, over all clients of a host */
/* Of these, those that each client may have whatever others have; half of all is the most. */
#define DEXT_LIMIT_BUFFERS_KEPT	    24u
#define DEXT_LIMIT_ASYNC	    1024u  /* completions registered by a client */
#define DEXT_LIMIT_COMPLETIONS	    65536u /* waiting for a slow client; past it: kIOReturnOverrun */
#define DEXT_LIMIT_SERVICES_HOST    256u   /* services that a host publishes */
#define DEXT_LIMIT_REGISTRY_CLIENTS 1024u  /* sockets open on the registry */
/* Of these, those of one user, where a registry serves several. */
#define DEXT_LIMIT_REGISTRY_CLIENTS_USER (DEXT_LIMIT_REGISTRY_CLIENTS / 4)
#define DEXT_LIMIT_SETTINGS_HOST	 64u /* settings of properties that a host has to answer */
#define DEXT_LIMIT_DEVICES		 64u /* devices of a registry that are plugged in */
#define DEXT_LIMIT_WATCHES		 4096u	/* notifications of an app */
#define DEXT_LIMIT_WATCHES_USER		 16384u /* the same, over all apps of a user */
#define DEXT_LIMIT_MATCHES		 8190u	/* ids of entries that one reply has */
/* Of a user: files, sent to a process that serves others, that wait to be closed. Past it: a
 * connection of that user ends when it sends something. */
#define DEXT_LIMIT_CLOSING_USER 64u
#define DEXT_LIMIT_TRACES	16u /* that look on at a host's recording */
/* Of these, those of one user, in a host of a dextd that gives hosts users of their own. */
#define DEXT_LIMIT_TRACES_USER (DEXT_LIMIT_TRACES / 4)
/* Answers with a descriptor that an app has not read: the kernel counts them, in sum, against the
 * registry. */
#define DEXT_LIMIT_UNREAD_ANSWERS 16u
/* Of a host's log: lines in a second, past which they are counted instead of passed on; bytes of a
 * line, past which it is split; lines and bytes that the registry keeps, past which the oldest go.
 */
#define DEXT_LIMIT_LOG_LINES	  1000u
#define DEXT_LIMIT_LOG_LINE_BYTES 1024u
#define DEXT_LIMIT_LOG_LINES_KEPT 512u
#define DEXT_LIMIT_LOG_BYTES_KEPT (UINT64_C(64) << 10)
/* Of the registry's own log that apps bring about, in a second. */
#define DEXT_LIMIT_APP_LINES 100u
/* Of their matching dictionaries, and of the events that wait for an app that does not read. */
#define DEXT_LIMIT_WATCH_BYTES	    (UINT64_C(4) << 20)
#define DEXT_LIMIT_WATCH_BYTES_USER (UINT64_C(16) << 20) /* over all apps of a user */
/* Services that wait in a notification's iterator; past it the oldest are forgotten. */
#define DEXT_LIMIT_WAITING_SERVICES 16384u
#define DEXT_LIMIT_EVENT_BYTES	    (UINT64_C(4) << 20) /* past it: its socket ends, it asks again */

/* Of a matching dictionary; past them: kIOReturnBadArgument. Bytes: of its strings and data. */
#define DEXT_LIMIT_MATCHING_NODES 4096u
#define DEXT_LIMIT_MATCHING_BYTES (UINT64_C(128) << 10)

/* Of the calls of one pipe; one past them is kIOReturnBadArgument. */
#define DEXT_LIMIT_ISOCH_FRAMES 1024u /* in one transfer */
#define DEXT_LIMIT_RING_SLOTS	4096u /* for bundled transfers */

/* Structures up to this many bytes travel inside the call page, larger ones as memory. */
#define DEXT_STRUCTURE_INLINE_MAX 4096u
#define DEXT_SCALARS_MAX	  16u
/* Bytes of a virtual device's spec. */
#define DEXT_SPEC_MAX 255u
/* Of a structure for which the app's library makes the room (kIOConnectMethodVarOutputSize). */
#define DEXT_STRUCTURE_VARIABLE_MAX (UINT64_C(16) << 20)

/* Bytes of entries of a data queue; one past it is kIOReturnBadArgument. */
#define DEXT_DATA_QUEUE_MAX (UINT32_C(1) << 30)

/* Of a dext_ring: bytes of an entry, a multiple of 8; entries of a direction, a power of two. */
#define DEXT_RING_ENTRY_MIN   16u
#define DEXT_RING_ENTRY_MAX   256u
#define DEXT_RING_ENTRIES_MAX 65536u

/* A client that rings more often without bringing an entry is not listened to for a while. */
#define DEXT_EMPTY_RINGS_PER_SECOND 10000u
#define DEXT_EMPTY_RINGS_PAUSE_MSEC 10u

#endif
