/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's inside, bottom to top:
 *
 *	driver		BulkStream: the service on one USB interface; owns the pipes
 *	client		BulkStreamUserClient: one app; owns its buffers and two streams
 *	request		one control request of an app
 *	ring		an app's second way to submit, and where those transfers end
 *	buffer		one memory type: its memory, and the transfer that it is in
 *	stream		one app's transfers in one direction that wait for their turn
 *	pipe		one endpoint; shared by the streams of all apps that use it
 *	scheduler	whose buffer goes next
 *
 * Everything runs on the driver's Default queue, which its user clients share: nothing is locked.
 */
#ifndef BULKSTREAM_STREAM_H
#define BULKSTREAM_STREAM_H

#include <DriverKit/DriverKit.h>
#include <USBDriverKit/USBDriverKit.h>
#include <bulkstream.h>

typedef struct BulkStream BulkStream;
typedef struct BulkStreamUserClient BulkStreamUserClient;
extern const OSMetaClass gBulkStreamMetaClass __attribute__((visibility("hidden")));
extern const OSMetaClass gBulkStreamUserClientMetaClass __attribute__((visibility("hidden")));

struct client;
struct driver;
struct pipe;

enum buffer_state {
	BUFFER_FREE,	  /* the app's */
	BUFFER_WAITING,	  /* in its stream's list */
	BUFFER_IN_FLIGHT, /* with the device */
	BUFFER_POOLED,	  /* of a continuous receive that has K queued already */
	BUFFER_CONTROL,	  /* the data stage of a control request */
	BUFFER_LENT,	  /* of a continuous receive, with the app until GIVE_BACK */
};

/*
 * How many buffers have memory, over all apps: each is a file and two maps of this process, of
 * which it may not have more than all apps together could want. A few are any app's, whatever
 * others have.
 */
#define BUFFERS_SHARED 12288u
#define BUFFERS_KEPT   24u

struct buffer {
	struct client *client;
	uint32_t index;
	enum buffer_state state;
	IOBufferMemoryDescriptor *memory; /* NULL until first used */
	OSAction *action; /* made with the first transfer, for its endpoint's pipe */
	/* The transfer: */
	unsigned direction;
	uint32_t offset;
	uint32_t length;
	uint32_t flags;
	uint32_t moved; /* bytes, by attempts that were cut short for another app's sake */
	uint64_t sequence;
	uint64_t others_before; /* pipe->completed - stream->completed when it was queued */
	bool alone;		/* its app had no other transfer underway then */
	bool by_ring;		/* it ends there, and not at the port */
	struct buffer *next;
};

struct buffer_list {
	struct buffer *first;
	struct buffer *last;
	uint32_t count;
};

void list_append(struct buffer_list *list, struct buffer *buffer);
void list_prepend(struct buffer_list *list, struct buffer *buffer);
struct buffer *list_take(struct buffer_list *list); /* the first; NULL: none */

/* Makes the memory if there is none yet. kIOReturnNoMemory, or what the library says. */
kern_return_t buffer_prepare(struct buffer *buffer);
/* A view of `length` bytes from `offset`, +1; kIOReturnBadArgument outside. */
kern_return_t buffer_copy_view(struct buffer *buffer, uint32_t offset, uint32_t length,
			       IOMemoryDescriptor **ret_memory);
void buffer_release(struct buffer *buffer);

/* Why a stream takes no transfers: */
enum stream_state {
	STREAM_OPEN,
	STREAM_ABORTING, /* until what it has has come back; then open again */
	STREAM_FAILED,	 /* until the app says CLEAR_STALL */
};

struct stream {
	struct client *client;
	struct pipe *pipe; /* NULL: not configured for this direction */
	unsigned direction;
	enum stream_state state;
	struct buffer_list waiting;
	uint32_t in_flight;
	uint32_t underway;   /* queued and not yet completed, wherever they are */
	IOReturn failure;    /* what the first of the waiting gets when they are given up */
	uint64_t turn;	     /* of the scheduler: the lower goes first */
	uint64_t sequence;   /* of the next transfer */
	uint64_t completed;  /* of this stream */
	struct stream *next; /* of the same pipe */
};

struct pipe {
	struct driver *driver;
	IOUSBHostPipe *usb; /* NULL: of a setting left behind, while it is clearing */
	uint8_t address;
	uint16_t packet_size;
	struct stream *streams;
	uint32_t stream_count;
	uint32_t in_flight;
	bool draining; /* nothing is submitted until in_flight is 0 */
	bool halted;   /* by an error: to be cleared then */
	bool clearing; /* the device has been asked to; still draining */
	bool gone;     /* the device has */
	bool running;  /* inside pipe_run */
	/* Cut short for another app's sake, to be submitted again. */
	struct buffer_list returned;
	uint64_t completed; /* transfers, of all streams */
	uint64_t turn;	    /* the scheduler's clock */
	struct pipe *next;
};

/* Finds or makes the pipe of that bulk endpoint of the selected alternate setting, and attaches. */
kern_return_t pipe_attach(struct driver *driver, uint8_t address, struct stream *stream);
void pipe_detach(struct stream *stream);   /* which has nothing underway */
void pipe_free_all(struct driver *driver); /* none of them has a stream */
/* Queues a transfer that was checked. */
void pipe_enqueue(struct stream *stream, struct buffer *buffer);
/* Submits what may be submitted. */
void pipe_run(struct pipe *pipe);
/* Everything that the stream has underway completes with kIOReturnAborted, soon. */
void pipe_abort(struct stream *stream);

/* How many transfers the pipe may hold, and whose turn it is: NULL if nobody has anything. */
uint32_t scheduler_depth(const struct pipe *pipe);
struct stream *scheduler_next(const struct pipe *pipe);
/* The stream goes behind all others. */
void scheduler_to_back(struct stream *stream);

struct statistics {
	IOBufferMemoryDescriptor *memory;
	struct dext_bulkstream_statistics *values; /* [shared] apps read them */
};

kern_return_t statistics_create(struct statistics *statistics);
void statistics_free(struct statistics *statistics);
/* Adds to a field, of the client and of the driver's totals. */
#define statistics_add(client, field, amount)                                       \
	do {                                                                        \
		statistics_bump(&(client)->statistics.values->field, (amount));     \
		statistics_bump(&(client)->driver->totals.values->field, (amount)); \
	} while (0)
void statistics_bump(uint64_t *field, int64_t amount);
void statistics_store(uint64_t *field, uint64_t value);
void statistics_completed(const struct buffer *buffer, IOReturn status, uint64_t waited_for);

/* A control request that Info.plist allows: BulkStreamRequests. */
struct control_request {
	uint8_t type; /* bmRequestType */
	uint8_t request;
	uint16_t value;
	uint16_t index;
	uint16_t length;
};
bool control_is_allowed(struct driver *driver, const struct control_request *request);

struct driver {
	BulkStream *service;
	IOUSBHostInterface *interface;
	OSDictionary *requests; /* BulkStreamRequests; NULL: none */
	uint8_t interface_number;
	uint8_t alternate;
	struct pipe *pipes;
	struct client *clients;
	uint32_t client_count;
	struct statistics totals;
};

/* The memory of bulkstream.h's continuous receive; count 0: none runs. */
struct receive_pool {
	uint32_t first;
	uint32_t count;
	uint32_t length;
	uint32_t depth; /* K */
	uint32_t queued;
	struct buffer_list free;
	bool resume;  /* after a stall */
	bool ending;  /* nothing is queued any more; it ends with its last transfer */
	bool starved; /* an overrun was counted, and the app has given nothing back since */
};

struct ring; /* ring.c */

struct client {
	struct driver *driver;
	BulkStreamUserClient *service;
	IOService *provider; /* of Stop; set while it is unfinished */
	bool exclusive;
	bool stopping;
	bool stopped;
	OSAction *completion; /* NULL: none registered */
	struct buffer *buffers;
	uint32_t buffer_count;
	uint32_t buffer_size;
	struct stream streams[2]; /* DEXT_BULKSTREAM_OUT, DEXT_BULKSTREAM_IN */
	struct receive_pool pool;
	struct ring *ring; /* NULL: never mapped */
	uint32_t requests; /* control requests underway */
	struct statistics statistics;
	struct client *next;
};

struct BulkStream_IVars {
	struct driver driver;
};

struct BulkStreamUserClient_IVars {
	struct client client;
};

/* Refuses with a log line where the sharing does not allow it. */
kern_return_t driver_may_open(struct driver *driver, uint32_t type);
void driver_add_client(struct driver *driver, struct client *client);
void driver_remove_client(struct driver *driver, struct client *client);
/* Finishes the Stop of every app that has nothing underway any more. */
void driver_finish_stops(struct driver *driver);
/* Selects the setting unless it is; kIOReturnBusy if other apps use another one. */
kern_return_t driver_select_alternate(struct driver *driver, struct client *client,
				      uint8_t alternate);
/*
 * The endpoint of the selected setting that CONFIGURE asked for: an address, or
 * DEXT_BULKSTREAM_ANY; 0 if it has none of that direction.
 */
kern_return_t driver_find_endpoint(struct driver *driver, uint64_t wanted, unsigned direction,
				   uint8_t *ret_address);

/* A transfer that an app asks for, by a call or by its ring; nothing of it is checked yet. */
struct transfer_request {
	uint64_t index;
	uint64_t offset;
	uint64_t length;
	uint64_t flags;
	bool by_ring;
	bool quiet; /* what is wrong with it goes into no log */
};

kern_return_t client_configure(struct client *client, const uint64_t *input);
kern_return_t client_send(struct client *client, const struct transfer_request *request,
			  uint64_t *ret_sequence);
kern_return_t client_receive(struct client *client, const struct transfer_request *request,
			     uint64_t *ret_sequence);
kern_return_t client_control(struct client *client, const uint64_t *input, OSAction *completion);
kern_return_t client_abort(struct client *client, uint64_t direction);
kern_return_t client_clear_stall(struct client *client, uint64_t direction);
/* A transfer has ended: the buffer is the app's again, and the app is told. */
void client_completed(struct buffer *buffer, IOReturn status, uint64_t timestamp);
/* Finishes Stop when nothing is underway any more. */
void client_finish_stop(struct client *client);

/* How many entries the ring of a configured app has room for each way. */
uint32_t ring_entries(const struct client *client);
/* The memory of the app's ring, +1, which is made if there is none yet. */
kern_return_t ring_copy_memory(struct client *client, IOMemoryDescriptor **ret_memory);
/*
 * Takes what the app has pushed: for its handler, and before each call, so that a push and a call
 * come in the order in which the app made them. At most one ring's worth.
 */
void ring_take(struct client *client);
/* Whether there are completions that found no room in it; then nothing is taken. */
bool ring_is_full(const struct client *client);
/* A transfer of the ring has ended: the app is told. */
void ring_completed(struct client *client, const struct dext_bulkstream_completion *completion);
/* The driver stops: answers what is in it, and takes nothing any more. */
void ring_stop(struct client *client);
void ring_free(struct client *client);

kern_return_t receive_start(struct client *client, const uint64_t *input, uint64_t flags);
kern_return_t receive_give_back(struct client *client, uint64_t index);
kern_return_t receive_stop(struct client *client);
/* One of the pool's transfers has ended; before the app is told. True: the buffer is lent. */
bool receive_completed(struct buffer *buffer, IOReturn status);
/* Whether the pool goes on after this failure of one of its transfers, on a cleared endpoint. */
bool receive_resumes(const struct buffer *buffer, IOReturn status);

#endif
