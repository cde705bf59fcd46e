/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completions of user clients: a subclass of OSAction.
 *
 * It holds the connection's memory, not the connection's life: after the app has gone it can still
 * be used, and then does nothing. The client's hold on it (action_hold) lasts until the connection
 * ends, which is how the aborted handler comes to be called.
 *
 * Any thread.
 */
#include "completion.h"

#include <assert.h>

#include "action.h"
#include "connection.h"
#include "log.h"
#include "object.h"
#include "witness.h"

typedef struct IOUserClientCompletion IOUserClientCompletion;

struct IOUserClientCompletion_IVars {
	struct connection *connection; /* [const] retained */
	IOUserClient *client;	       /* [const] not retained: only compared */
	uint32_t index;		       /* [const] */
	uint32_t selector;	       /* [call's queue] until it is promised */
	uint32_t generation;	       /* [const] */
	_Atomic bool promised;	       /* the method that it came with returned success */
	_Atomic bool used;
};

static void deinit(OSObject *self);

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = deinit,
};

static const OSMetaClass gIOUserClientCompletionMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOUserClientCompletion",
	.superclass = OSTypeID(OSAction),
	.ivars_size = sizeof(struct IOUserClientCompletion_IVars),
	.object = &object_methods,
};

static void
deinit(OSObject *self)
{
	struct IOUserClientCompletion_IVars *ivars = OSObjectIVars(IOUserClientCompletion, self);
	struct connection *connection = ivars->connection;

	if (ivars->promised && !ivars->used)
		witness_uncompleted(ivars->selector);
	if (connection != NULL) {
		connection_registration_ended(connection, ivars->index, ivars->generation);
		connection_release(connection);
	}
	gOSActionMetaClass.object->free(self);
}

/* Stands for the app's function, which is in the app. */
static void
never_called(void)
{
	assert(!"a completion of an app is delivered through its connection");
}

IOReturn
completion_create(IOUserClient *client, struct connection *connection, uint32_t index,
		  uint32_t generation, OSAction **ret_action)
{
	struct IOUserClientCompletion_IVars *ivars;
	OSAction *action = NULL;
	IOReturn res = action_create_of(OSTypeID(IOUserClientCompletion), (OSObject *)client,
					"IOUserClient::AsyncCompletion", never_called, 0, &action);

	if (res != kIOReturnSuccess)
		return res;
	ivars = OSObjectIVars(IOUserClientCompletion, action);
	connection_retain(connection);
	ivars->connection = connection;
	ivars->client = client;
	ivars->index = index;
	ivars->generation = generation;
	*ret_action = action;
	return kIOReturnSuccess;
}

void
completion_promise(OSAction *action, uint32_t selector)
{
	struct IOUserClientCompletion_IVars *ivars = OSObjectIVars(IOUserClientCompletion, action);

	ivars->selector = selector;
	ivars->promised = true;
}

kern_return_t
completion_send(IOUserClient *self, OSAction *action, IOReturn status, const uint64_t *arguments,
		uint32_t count)
{
	struct IOUserClientCompletion_IVars *ivars;
	IOUserClientCompletion *completion = OSDynamicCast(IOUserClientCompletion, action);

	if (completion == NULL) {
		log_error("%s: AsyncCompletion: action: a %s is no completion of a client's call",
			  OSObject_GetClassName(self), OSObject_GetClassName(action));
		return kIOReturnBadArgument;
	}
	ivars = OSObjectIVars(IOUserClientCompletion, completion);
	if (ivars->client != self) {
		log_error("%s: AsyncCompletion: action: it came with a call of another client",
			  OSObject_GetClassName(self));
		return kIOReturnBadArgument;
	}
	ivars->used = true;
	if (!action_is_cancelled(action))
		return connection_complete(ivars->connection, ivars->index, ivars->generation,
					   status, arguments, count);
	return kIOReturnSuccess;
}

void
completion_notify(OSAction *action)
{
	struct IOUserClientCompletion_IVars *ivars = OSObjectIVars(IOUserClientCompletion, action);

	ivars->used = true;
	if (!action_is_cancelled(action))
		connection_notify(ivars->connection, ivars->index, ivars->generation);
}
