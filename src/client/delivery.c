/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery to a dispatch queue: the engine's loop watches the port's descriptor, one event at a
 * time, and each event puts one turn on the queue, which takes messages out and calls back. When
 * the turn ends the descriptor is watched again. So callbacks never overlap, whatever the queue.
 *
 * Each setting of a queue is an `order`, which the turns that were put there belong to. A turn of
 * an order that is not the current one any more does nothing, so nothing depends on whether the
 * former queue ever gets to it. Only a turn that is in a callback holds the next order up, until
 * that callback returns.
 *
 * The queue may be another library's: all that is done with it goes by the functions of
 * <dispatch/dispatch.h>, as an app calls them.
 *
 * The lock guards who may deliver; it is not held while a callback runs or a queue is called. In a
 * forked child nothing is touched.
 */
#include "delivery.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "callout.h"
#include "engine.h"
#include "log.h"
#include "port.h"

/* Callbacks of one turn, so that other work of the queue has its own. */
#define TURN_MAX 64u

struct order {
	struct delivery *delivery; /* +1 */
	dispatch_queue_t queue;	   /* [const] +1 */
	_Atomic unsigned references;
};

struct delivery {
	struct loop_source source;
	struct port *port; /* [const] +1 */
	struct loop *loop; /* [const] */
	_Atomic unsigned references;
	pthread_mutex_t lock;
	struct order *order; /* [lock] +1; NULL: nobody delivers */
	bool calling;	     /* [lock] a turn is in its callbacks */
	bool ended;	     /* [lock] */
};

static void
delivery_release(struct delivery *delivery)
{
	/* Acquire on the last: the end sees every use. */
	if (atomic_fetch_sub_explicit(&delivery->references, 1, memory_order_acq_rel) != 1)
		return;
	port_release(delivery->port);
	pthread_mutex_destroy(&delivery->lock);
	free(delivery);
}

static void
order_release(struct order *order)
{
	if (order == NULL ||
	    atomic_fetch_sub_explicit(&order->references, 1, memory_order_acq_rel) != 1)
		return;
	dispatch_release(order->queue);
	delivery_release(order->delivery);
	free(order);
}

/* --- turns --- */

static bool
may_call(const struct order *order)
{
	struct delivery *delivery = order->delivery;
	bool may;

	pthread_mutex_lock(&delivery->lock);
	may = delivery->order == order;
	pthread_mutex_unlock(&delivery->lock);
	return may;
}

static bool
begin_turn(const struct order *order)
{
	struct delivery *delivery = order->delivery;
	bool begins;

	pthread_mutex_lock(&delivery->lock);
	begins = delivery->order == order && !delivery->calling;
	if (begins)
		delivery->calling = true;
	pthread_mutex_unlock(&delivery->lock);
	return begins;
}

/* Watches the descriptor again, for whose order it is now. */
static void
end_turn(struct delivery *delivery)
{
	pthread_mutex_lock(&delivery->lock);
	delivery->calling = false;
	if (delivery->order != NULL && !delivery->ended)
		loop_source_rearm(delivery->loop, &delivery->source, EPOLLIN | EPOLLONESHOT);
	pthread_mutex_unlock(&delivery->lock);
}

static void
run_turn(void *context)
{
	struct order *order = context;
	struct port_message message;

	if (!port_is_inherited(order->delivery->port) && begin_turn(order)) {
		for (unsigned i = 0; i < TURN_MAX && may_call(order); i++) {
			if (port_take(order->delivery->port, &message) != kIOReturnSuccess)
				break;
			callout_run(&message);
		}
		end_turn(order->delivery);
	}
	order_release(order);
}

/* On a thread of the loop: there may be something. */
static void
ready(struct loop_source *source, uint32_t events)
{
	struct delivery *delivery = (struct delivery *)source;
	struct order *order;

	pthread_mutex_lock(&delivery->lock);
	order = delivery->calling ? NULL : delivery->order;
	if (order != NULL)
		atomic_fetch_add_explicit(&order->references, 1, memory_order_relaxed);
	pthread_mutex_unlock(&delivery->lock);
	if (order != NULL)
		dispatch_async_f(order->queue, order, run_turn);
}

/* --- beginning, change and end --- */

static void
removed(struct loop_source *source)
{
	delivery_release((struct delivery *)source);
}

IOReturn
delivery_create(struct port *port, struct delivery **ret_delivery)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	IOReturn res;

	if (delivery == NULL)
		return kIOReturnNoMemory;
	if (port_is_inherited(port)) {
		free(delivery);
		return kIOReturnNotReady;
	}
	pthread_mutex_init(&delivery->lock, NULL);
	atomic_init(&delivery->references, 2); /* the caller's and the loop's */
	delivery->port = port_retain(port);
	delivery->loop = engine_loop();
	delivery->source = (struct loop_source){
		.fd = port_descriptor(port),
		.events = EPOLLONESHOT, /* nothing, until there is a queue */
		.handler = ready,
		.removed = removed,
	};
	res = loop_source_add(delivery->loop, &delivery->source);
	if (res != kIOReturnSuccess) {
		delivery_release(delivery);
		delivery_release(delivery);
		return res;
	}
	*ret_delivery = delivery;
	return kIOReturnSuccess;
}

static struct order *
make_order(struct delivery *delivery, dispatch_queue_t queue)
{
	struct order *order = malloc(sizeof(*order));

	if (order == NULL) {
		log_error("IONotificationPortSetDispatchQueue: no memory, nothing will be "
			  "delivered");
		return NULL;
	}
	order->delivery = delivery;
	order->queue = queue;
	atomic_init(&order->references, 1);
	atomic_fetch_add_explicit(&delivery->references, 1, memory_order_relaxed);
	dispatch_retain(queue);
	return order;
}

/* The order before, for the caller to release. */
static struct order *
put(struct delivery *delivery, struct order *order, bool ended)
{
	struct order *before;

	pthread_mutex_lock(&delivery->lock);
	before = delivery->order;
	delivery->order = order;
	delivery->ended = ended;
	/* The turn that is calling does it else, when it is through. */
	if (order != NULL && !delivery->calling)
		loop_source_rearm(delivery->loop, &delivery->source, EPOLLIN | EPOLLONESHOT);
	pthread_mutex_unlock(&delivery->lock);
	return before;
}

void
delivery_set_queue(struct delivery *delivery, dispatch_queue_t queue)
{
	if (port_is_inherited(delivery->port))
		return;
	order_release(put(delivery, queue != NULL ? make_order(delivery, queue) : NULL, false));
}

void
delivery_end(struct delivery *delivery)
{
	if (delivery == NULL || port_is_inherited(delivery->port))
		return;
	order_release(put(delivery, NULL, true));
	loop_source_remove(delivery->loop, &delivery->source);
	delivery_release(delivery);
}
