/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of IOService. The framework makes a service under its provider, starts it, and ends
 * it:
 *
 *	service_create		allocates, initialises and attaches it to its provider; not started
 *	service_start		Start on its queue; a failure terminates it
 *	service_terminate	user clients and child services, then Stop, then it is detached
 *
 * Stop is called exactly once for each service whose Start was called. It has ended when the
 * driver's Stop returned and the base implementation was reached, which may be later, from a cancel
 * handler; a driver that never reaches it is waited for SERVICE_STOP_GRACE and no longer.
 *
 * Lock order: the tree lock (life cycle, children), then a service's own lock (queues, properties,
 * name). Neither is held while driver code runs or an object is released.
 */
#ifndef DRIVER_SERVICE_H
#define DRIVER_SERVICE_H

#include "queue.h"

#include <DriverKit/IOService.h>

#include <pthread.h>

#define SERVICE_STOP_GRACE (UINT64_C(500) * 1000000) /* ns */
#define SERVICE_NAME_MAX   128

struct bundle;

enum service_state {
	SERVICE_NEW,
	SERVICE_STARTING,
	SERVICE_STARTED, /* Start has returned, successfully or not */
};

struct IOService_IVars {
	pthread_mutex_t lock;
	IODispatchQueue *queue;	       /* [lock] Default; NULL: the provider's */
	IODispatchQueue *method_queue; /* [lock] of a user client's ExternalMethod */
	OSDictionary *properties;      /* [lock] never changed once here, only replaced */
	char name[SERVICE_NAME_MAX];   /* [lock] "": the class's */

	IOService *self; /* [const] borrowed: for the works and the timer below */

	/* [tree] from here */
	IOService *provider;   /* +1 until detached */
	IOService *children;   /* +1 for each in the list */
	IOService *next_child; /* in the provider's list */
	const struct bundle *bundle;
	uint64_t id; /* 0 until registered */
	enum service_state state;
	bool managed;	     /* made by service_create: may be terminated */
	bool register_asked; /* in Start */
	bool registered;
	bool terminating;
	bool stop_begun;
	bool stop_called; /* the driver's Stop was called, by us or by itself */
	bool stop_returned;
	bool super_started; /* IOService_Start_Impl was reached */
	bool super_stopped; /* IOService_Stop_Impl was reached */
	bool finish_begun;
	bool stopped;
	struct work stop_work;
	struct work finish_work;
	struct loop_timer grace;

	/* Called when termination begins and after Stop has ended; any thread, no lock held. */
	void (*on_terminate)(void *context);
	void (*on_stopped)(void *context);
	void *context;
};

struct IOService_IVars *service_ivars(const IOService *self);

/*
 * An instance of the class, attached to `provider`, +1. queue: its Default queue, NULL for the
 * provider's. kIOReturnError: init said no.
 */
IOReturn service_create(const OSMetaClass *metaclass, IOService *provider, OSDictionary *properties,
			const struct bundle *bundle, IODispatchQueue *queue,
			IOService **ret_service);
/* Start's result. After a failure the service is terminated already. May block. */
IOReturn service_start(IOService *self);
/* Returns at once. A second time does nothing. */
void service_terminate(IOService *self);
bool service_is_terminating(IOService *self);
/*
 * Both are called later at most once; false if the service is terminating already, then neither is
 * called.
 */
bool service_watch(IOService *self, void (*on_terminate)(void *context),
		   void (*on_stopped)(void *context), void *context);

/* The queue of its methods (method: ExternalMethod's), +1, also while it stops; NULL: none. */
IODispatchQueue *service_copy_queue(IOService *self, bool method);

/* --- who publishes: services.c --- */

struct services_publisher {
	/* Both in order; the tree lock is not held. `properties` is borrowed. */
	void (*publish)(uint64_t id, uint64_t provider, OSDictionary *properties);
	void (*unpublish)(uint64_t id);
	/* A list of all services begins, or ends. */
	void (*list)(bool begins);
};

/* The loop for timers and the publisher; the registry id of the root's provider. Before any
 * service. NULL resets. */
void services_set(struct loop *loop, const struct services_publisher *publisher,
		  uint64_t provider_id);
struct loop *services_loop(void);
/* The registered service with this id, +1, or NULL. */
IOService *services_copy(uint64_t id);
/* Publishes what was registered while the publisher was not ready to. */
void services_publish_all(void);
/* Publishes everything again, as a list, with no other service's news in between. */
void services_list(void);

/* Internal to service*.c. */
extern pthread_mutex_t service_tree;
IOReturn services_register(IOService *self);
void services_republish(IOService *self);
void services_unregister(IOService *self);
OSDictionary *service_copy_merged(OSDictionary *properties, OSDictionary *over);

#endif
