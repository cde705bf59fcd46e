/* SPDX-License-Identifier: Apache-2.0 */
/* Having a port's callbacks run on a dispatch queue. */
#ifndef CLIENT_DELIVERY_H
#define CLIENT_DELIVERY_H

#include <DriverKit/IOReturn.h>
#include <dispatch/dispatch.h>

struct delivery;
struct port;

/* Delivers to no queue yet. kIOReturnNoMemory, kIOReturnNoResources. */
IOReturn delivery_create(struct port *port, struct delivery **ret_delivery);
/*
 * The queue is retained; NULL: none. A callback that runs is the last on the queue before; the next
 * one, on the new queue, comes after it. Any thread, a callback included.
 */
void delivery_set_queue(struct delivery *delivery, dispatch_queue_t queue);
/* No further callback begins; gives the delivery up. NULL does nothing. */
void delivery_end(struct delivery *delivery);

#endif
