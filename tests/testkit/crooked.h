/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that does wrong what it is asked to, so that the test kit can notice. */
#ifndef CROOKED_H
#define CROOKED_H

#define CROOKED_FORGETFUL 1 /* of IOServiceOpen: the client's Start forgets its superclass */

enum {
	kCrookedSend,	  /* in: endpoint; sends "ping" and returns the status as a scalar */
	kCrookedReceive,  /* in: endpoint, most; out: status, bytes, the first byte */
	kCrookedRequest,  /* in: bmRequestType, bRequest; out: status, bytes */
	kCrookedLeak,	  /* forgets an object */
	kCrookedForget,	  /* asynchronous: takes the completion and drops it */
	kCrookedKeep,	  /* asynchronous: completes when the app has closed */
	kCrookedRelease,  /* gives up a reference that it does not have */
	kCrookedTrespass, /* uses its variables on a thread of its own */
	kCrookedQueues,	  /* out: how often a later callback of one queue came before an earlier */
};

#endif
