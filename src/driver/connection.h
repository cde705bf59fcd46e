/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: the host's side of one app's open user client. PROTOCOL.md, "The direct
 * connection".
 *
 *	connection.c	opening, ending, the socket's and the pidfd's events
 *	calls.c		calls, from the doorbell to the answer; see calls_private.h
 *	spinning.c	looking at call pages instead of sleeping
 *	client_memory.c	asking for memory of the app while a method runs
 *	structures.c	what arrives on the socket: large structures and acknowledgements
 *	maps.c		memory types: mapping, unmapping, handing over
 *	queues.c	data queues among the mapped memory
 *	completions.c	the completion ring, registrations
 *
 * Life. connection_open_take asks the service for a user client on the service's queue and then
 * sends READY. It ends when the app has gone (it closed, died or broke a rule: connection_end) or
 * when the user client terminates: from then on no call reaches the driver, calls are answered
 * kIOReturnOffline; the user client stops; after its Stop everything is given back. The socket is
 * closed when the app has gone or the last completion that waited is in the ring, whatever comes
 * first. The memory goes with the last reference: calls, sources and completions each hold one.
 *
 * Locks, none of which is held while driver code runs or an object is released, and none of which
 * is taken inside another: lock (life and slots), socket_lock, maps.lock, ring_lock.
 */
#ifndef DRIVER_CONNECTION_H
#define DRIVER_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/queue.h>

#include "call_page.h"
#include "loop.h"
#include "object.h"
#include "packets.h"
#include "queue.h"
#include "recorder.h"
#include "token.h"

#include <DriverKit/IODispatchSource.h>
#include <DriverKit/IOUserClient.h>

struct connection;

/* One slot's call. Belongs to the scanner until it is queued, then to whoever runs it. */
struct call {
	struct work work;
	struct connection *connection; /* [const] a call under way retains it, or uses the client */
	IOUserClient *client; /* a user of it while under way; NULL: too late, answered Offline */
	struct call *next;    /* in a batch, or among those that wait to send MEMORY */
	uint32_t slot;	      /* [const] */
	_Atomic bool busy;    /* submitted and not answered; set by the scanner */
	uint32_t generation;  /* 31 bits */
	struct call_request request; /* the checked copy */
	IOReturn status;	     /* what preparing it led to */
	OSData *data;		     /* the inline input; kept from call to call */
	OSAction *completion;
	IOMemoryDescriptor *input; /* large structures */
	IOMemoryDescriptor *output;
	IOMemoryDescriptor *memory; /* CALL_MAP */
	bool read_only;
	bool added;			    /* the type was not mapped before */
	uint32_t queue;			    /* CALL_MAP: 0, or CALL_QUEUE_x of the answer */
	uint64_t scalars[DEXT_SCALARS_MAX]; /* output */
	uint32_t recording;		    /* in which its beginning was recorded; 0: in none */
	uint64_t began, ran;		    /* ns, if it was; ran 0: not yet */
};

static inline struct call *
call_of(struct work *work)
{
	return (struct call *)((char *)work - offsetof(struct call, work));
}

/* The large structures that the app announced for a slot. */
struct structures {
	struct structures_body body;
	int input; /* -1: none */
	int output;
	bool present;
	bool lost;    /* this process had no room for the descriptors */
	bool foreign; /* a file that is no memory: the call fails */
};

/* What the app was asked while a slot's method ran. */
struct asked {
	struct question *question; /* NULL: nothing, or it has answered */
	bool awaited;		   /* the method's thread waits, and frees it */
};

struct map {
	uint64_t type;
	uint64_t length;
	IOMemoryDescriptor *memory; /* +1 */
	IODispatchSource *queue;    /* +1 and claimed; NULL: it is none */
};

struct registration {
	uint32_t generation;
	bool alive;
	OSAction *action;  /* not retained; NULL before it is made and once it is being freed */
	uint64_t notified; /* number of its last notification's entry; 0: none */
};

struct connection {
	_Atomic uint32_t references;
	struct loop *loop;  /* [const] */
	IOService *service; /* [const] */
	/* [const] after opening; NULL: it was refused. There for as long as it has users. */
	IOUserClient *client;
	/* The calls under way and, until its Stop, the connection's life; +1 on it for all of them.
	 */
	_Atomic uint32_t users;
	struct host_open_body who; /* [const] */
	char class_name[24];	   /* [const] after opening: the user client's, perhaps cut off */
	TAILQ_ENTRY(connection) link; /* [all_lock] from opening to hang_up */
	struct loop_source doorbell, hangup, pidfd;
	struct recorder_place place;

	pthread_mutex_t lock;
	_Atomic bool ended; /* written with lock; no call reaches the driver any more */
	_Atomic bool gone;  /* written with lock; the app's side is over: nobody to tell */
	bool stopped;	    /* [lock] after the user client's Stop */
	bool hung_up;	    /* [lock] */
	bool lingering;	    /* [lingering_lock] +1 */
	struct connection *next_lingering; /* [lingering_lock] */
	bool listening;			   /* [lock] the sources are in the loop */
	/* Who still needs the socket's number: the loop, until `removed`, and hang_up. */
	_Atomic unsigned socket_holders;
	struct token scan;     /* of who scans */
	bool paused;	       /* [lock] rings too often in vain */
	uint32_t empty_rings;  /* [lock] since window_start */
	uint64_t window_start; /* [lock] */
	uint64_t peer_bytes;   /* [lock] of the app's memory that the driver has */
	struct loop_timer pause;

	_Atomic bool hot; /* offered to a thread that spins, or in its set, which has a reference */
	_Atomic(const void *) watched; /* the set in which it is, or that it is offered;
					  NULL: neither. Only compared */
	struct spin_backoff backoff;
	struct connection *next_offered; /* [spinning.lock] */

	struct call_page_host page; /* see there */
	bool charged;		    /* for the page: budget.h */
	struct call calls[CALL_PAGE_SLOTS];
	struct {
		uint64_t epoch;			   /* queues_epoch() when they were copied */
		IODispatchQueue *methods, *others; /* +1 each */
	} queues;				   /* [whoever scans] */

	pthread_mutex_t socket_lock;
	int socket;				       /* [socket_lock] -1 once closed */
	struct structures structures[CALL_PAGE_SLOTS]; /* [socket_lock] */
	struct asked questions[CALL_PAGE_SLOTS];       /* [socket_lock] */
	unsigned unanswered;	 /* [socket_lock] questions that nobody waits for any more */
	pthread_cond_t answered; /* with socket_lock: a question was */
	uint32_t sequence;	 /* [socket_lock] of the last MEMORY */
	bool unacknowledged;	 /* [socket_lock] that one */
	bool sending_over;	 /* [socket_lock] the connection has ended */
	struct call *unsent;	 /* [socket_lock] map calls whose MEMORY waits, in order */

	struct {
		pthread_mutex_t lock;
		struct map *list; /* [lock] */
		size_t count, capacity;
		uint64_t bytes;
		bool closed;
		uint64_t changes;	 /* [lock] maps with a queue added and taken away */
		_Atomic unsigned queues; /* maps that have one */
	} maps;

	pthread_mutex_t ring_lock;
	int bell;		     /* [ring_lock] -1 once closed */
	_Atomic bool overrun;	     /* too many completions wait; written with ring_lock */
	struct completion *overflow; /* [ring_lock] a ring of its own */
	_Atomic bool overflowing;    /* overflow_count is not 0; written with ring_lock */
	size_t overflow_first, overflow_count, overflow_capacity;
	size_t waiting_calls; /* [ring_lock] COMPLETION_CALL among them */
	uint64_t entries;     /* [ring_lock] made so far: the number of the last one */
	uint32_t alive;	      /* [ring_lock] registrations that are */
	struct registration registrations[DEXT_LIMIT_ASYNC]; /* [ring_lock] */
};

/*
 * Opens a connection to the service for the app at the other end of `socket`; takes both
 * descriptors. Returns at once; the answer goes to the app.
 */
void connection_open_take(struct loop *loop, IOService *service, int socket, int pidfd,
			  const struct host_open_body *who);
/* Answers with READY and this status; takes the socket, whose other end is that user's. */
void connection_refuse_take(int socket, uint32_t uid, IOReturn status);
/* Connections of this process that were not given back yet. */
unsigned connection_count(void);
/* Calls function for each one that is open now; it may end meanwhile. No lock held. */
void connections_each(void (*function)(struct connection *connection));

/* By the last release. */
void connection_destroy(struct connection *connection);

static inline void
connection_retain(struct connection *c)
{
	/* Relaxed: whoever retains holds a reference already. */
	atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
}

static inline void
connection_release(struct connection *c)
{
	/* Each release pairs with the last one, which must see what all others did before it frees.
	 */
	if (atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) == 1)
		connection_destroy(c);
}

/* The rule that the app broke, for the log; NULL: nobody's fault. Any thread; holds no lock. */
void connection_end(struct connection *connection, const char *rule);

static inline bool
connection_has_ended(const struct connection *c)
{
	/* Pairs with mark_ended. A call that misses it runs as if it had come a moment sooner. */
	return atomic_load_explicit(&c->ended, memory_order_acquire);
}

/* Keeps the user client, and with it the connection. False: it has been given up. */
static inline bool
connection_use_client(struct connection *c)
{
	uint32_t users = atomic_load_explicit(&c->users, memory_order_relaxed);

	/* Pairs with the last connection_leave_client: a count that reached 0 never rises again. */
	while (users != 0)
		if (atomic_compare_exchange_weak_explicit(&c->users, &users, users + 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

static inline void
connection_leave_client(struct connection *c)
{
	/* Pairs with itself: the last one sees what the others did with the client. */
	if (atomic_fetch_sub_explicit(&c->users, 1, memory_order_acq_rel) != 1)
		return;
	OSRelease(c->client);
	connection_release(c);
}

/* After something was taken from the ring: hangs up if that is what a connection waits for. */
void connection_settle(struct connection *connection);
/* From the user client's Stop until the hang-up. */
void connection_linger(struct connection *connection);
void connection_linger_no_more(struct connection *connection);
/*
 * Calls `done` when no connection waits for its app to take completions; false, and it is not
 * called, if none does now. Any thread, no lock held.
 */
bool connections_await(void (*done)(void));
/* Ends the waiting; the log says what each app has lost. */
void connections_abandon(void);

/* --- calls.c --- */

void calls_init(struct connection *connection);
void calls_free(struct connection *connection);
/* Looks at the page until there is nothing new, and runs what was there. Any thread. */
void calls_scan(struct connection *connection);
/*
 * For the thread that spins. The page is left unarmed, but for `last`. True: it found something; if
 * that was calls, or the end of the connection, it gave the token up before it saw to them.
 */
bool calls_scan_spinning(struct connection *connection, bool last);
/* How often this process looked for nothing, and stopped listening to who had it do so. */
struct calls_vain {
	uint64_t scans, pauses;
};
struct calls_vain calls_in_vain(void);
/* The handler of the doorbell. */
void calls_doorbell(struct loop_source *source, uint32_t events);
/*
 * Writes the answer and gives the call up. Counts and sizes are those of the request's room unless
 * the status is a failure.
 */
void call_answer(struct call *call, IOReturn status, uint32_t scalars, uint64_t structure_size,
		 uint32_t flags);

/* --- spinning.c --- */

/* Threads of the loop spin from now on; before they are started. Stop: after they have ended. */
void spinning_start(struct loop *loop);
void spinning_stop(void);
/* The connection has just brought calls, or entries of its queues, by its doorbell. */
void spinning_offer(struct connection *connection);
/* The thread that spins is going to run a method. */
void spinning_lend(void);
/* Whether a thread that spins looks at it now, and will arm it when it does no longer. */
bool spinning_watches(const struct connection *connection);

/* --- structures.c --- */

/* Reads what is on the socket. The rule that was broken, or NULL; *ret_closed: the app is done. */
const char *structures_receive(struct connection *connection, bool *ret_closed);
/*
 * The descriptors that came for this call, into call->input and call->output, or away if the call
 * has failed already (`status`). *ret_rule: the rule that was broken, or NULL.
 */
IOReturn structures_take(struct call *call, IOReturn status, const char **ret_rule);
void structures_free(struct connection *connection);
/* A descriptor over a file that the app sent, charged to it; takes the file. */
IOReturn structures_adopt_take(struct connection *connection, int fd, uint64_t offset,
			       uint64_t size, uint64_t direction, IOMemoryDescriptor **ret_memory);

/* --- client_memory.c --- */

/* This thread runs the call's method from now on; NULL: none. What it ran before. */
struct call *client_memory_serve(struct call *call);
/* CLIENT_MEMORY. NULL, or the rule that it breaks. [socket_lock] */
const char *client_memory_file_locked(struct connection *connection, struct packet *packet,
				      bool lost);
void client_memory_free(struct connection *connection); /* [socket_lock] */

/* --- maps.c --- */

/* Where the pages of much memory are made, so that no driver's queue waits for them; NULL: nowhere.
 * Retained. While there are no connections. */
void maps_populate_on(IODispatchQueue *queue);
void maps_map(struct call *call);
void maps_unmap(struct call *call);
/*
 * The data queue behind the call's type, +1, which counts as mapped from now on. What maps_map
 * would answer; kIOReturnUnsupported: the memory is no queue.
 */
IOReturn maps_copy_queue(struct call *call, IODispatchSource **ret_queue);
/* Sends the call's MEMORY, or puts it behind the one that is unacknowledged; and answers. */
void maps_send(struct call *call);
/* The sequence of an ACK. [socket_lock] False: it is not the one expected. */
bool maps_acknowledged_locked(struct connection *connection, uint32_t sequence,
			      struct call **ret_next);
/* After the end: calls that wait are answered, memory is given back. */
void maps_drop_unsent(struct connection *connection);
void maps_close(struct connection *connection);

/* --- queues.c --- */

/* The queue behind the memory, +1 and claimed for the connection; NULL: it is none. */
IOReturn queues_claim(struct connection *connection, uint64_t type, IOMemoryDescriptor *memory,
		      IODispatchSource **ret_queue);
void queues_disown_take(struct connection *connection, IODispatchSource *queue);
/* CALL_LISTEN */
void queues_listen(struct call *call);
bool queues_call_handlers(struct connection *connection, bool inline_ok);

/*
 * Has the handlers called for what the app has done to its queues. True if there was anything.
 * inline_ok: in this thread, if there is but one queue.
 */
static inline bool
queues_look(struct connection *c, bool inline_ok)
{
	call_page_will_look(&c->page);
	/* Relaxed: it was counted before the app got the answer to its map call, and rang. */
	return atomic_load_explicit(&c->maps.queues, memory_order_relaxed) != 0 &&
	       queues_call_handlers(c, inline_ok);
}

/* --- completions.c --- */

/* The registration is alive from now on. False: it was already. */
bool connection_register(struct connection *connection, uint32_t index, uint32_t generation);
void connection_registered(struct connection *connection, uint32_t index, OSAction *action);
/* More than it may have are alive, the last one included. */
bool connection_is_full(struct connection *connection);
void connection_registration_ended(struct connection *connection, uint32_t index,
				   uint32_t generation);
IOReturn connection_complete(struct connection *connection, uint32_t index, uint32_t generation,
			     IOReturn status, const uint64_t *arguments, uint32_t count);
/*
 * The same without arguments, for something that an app has to look at: left out while the app has
 * not taken the last one, after which it will look.
 */
void connection_notify(struct connection *connection, uint32_t index, uint32_t generation);
bool completions_move(struct connection *connection);

/* Moves what waits into the ring. True if there was something and room for it. */
static inline bool
completions_pump(struct connection *c)
{
	return atomic_load_explicit(&c->overflowing, memory_order_relaxed) && completions_move(c);
}

static inline bool
completions_overrun(const struct connection *c)
{
	/* Relaxed: a call that races with the completion that was too many may miss it. */
	return atomic_load_explicit(&c->overrun, memory_order_relaxed);
}
/* Whether any entry waits; and how many do, releases not counted. */
bool completions_wait(struct connection *connection);
size_t completions_waiting(struct connection *connection);
/* Calls function for each living completion, +1. */
void completions_each(struct connection *connection, void (*function)(OSAction *action));
/* Nothing is sent any more. */
void completions_close(struct connection *connection);

#endif
