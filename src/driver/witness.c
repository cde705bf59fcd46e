/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See witness.h. Objects are counted by class. Of those that have ended the addresses are kept,
 * each until another object is there, or its place is needed: so a reference that is one too many
 * is noticed although nothing is left of the object. Whether a service's instance variables are
 * used on its queue is looked at where the driver asks for them (OSObjectIVars): only those of its
 * own classes, from the time the service is attached until its Stop is called, because before and
 * after that there is nobody to share them with, and cancel handlers run on no queue. Once for each
 * class.
 *
 * Any thread. The lock is held for the table alone.
 */
#include "witness.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "object.h"
#include "queue.h"
#include "service.h"

#define CLASSES_MAX 256u
#define FRAMES_MAX  16
#define GONE_MAX    4096u

static struct {
	const struct witness *witness;	       /* [const] while the host runs */
	_Atomic(const dext_bundle_info *) own; /* NULL: not known yet */
	pthread_mutex_t lock;
	struct {
		const OSMetaClass *metaclass;
		long count;	/* of objects that there are */
		bool said;	/* that it was used on another queue */
	} classes[CLASSES_MAX]; /* [lock] */
	unsigned class_count;	/* [lock] */
	struct gone {
		uintptr_t address; /* 0: nothing */
		const OSMetaClass *metaclass;
	} gone[GONE_MAX]; /* [lock] */
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void DEXT_PRINTF(1, 2) say(const char *format, ...)
{
	char sentence[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	seen.witness->said(seen.witness->context, sentence);
}

/* Its place in the table; class_count if there is no room. */
static unsigned
find_locked(const OSMetaClass *metaclass)
{
	unsigned i = 0;

	while (i < seen.class_count && seen.classes[i].metaclass != metaclass)
		i++;
	if (i == seen.class_count && i < CLASSES_MAX) {
		memset(&seen.classes[i], 0, sizeof(seen.classes[i]));
		seen.classes[i].metaclass = metaclass;
		seen.class_count++;
	}
	return i;
}

static void
count_locked(const OSMetaClass *metaclass, long change)
{
	unsigned i = find_locked(metaclass);

	if (i < CLASSES_MAX)
		seen.classes[i].count += change;
}

static struct gone *
gone_locked(const void *pointer)
{
	return &seen.gone[(uintptr_t)pointer / _Alignof(struct OSObject) % GONE_MAX];
}

static void
made(const OSObject *object)
{
	struct gone *gone;

	pthread_mutex_lock(&seen.lock);
	count_locked(object->metaclass, 1);
	gone = gone_locked(object);
	if (gone->address == (uintptr_t)object)
		gone->address = 0;
	pthread_mutex_unlock(&seen.lock);
}

static void
ended(const OSObject *object)
{
	pthread_mutex_lock(&seen.lock);
	count_locked(object->metaclass, -1);
	*gone_locked(object) = (struct gone){(uintptr_t)object, object->metaclass};
	pthread_mutex_unlock(&seen.lock);
}

static void
say_who(void)
{
	void *frames[FRAMES_MAX];

	backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
}

static bool
counted(const void *pointer, const char *how)
{
	const OSMetaClass *metaclass = NULL;
	struct gone *gone;

	pthread_mutex_lock(&seen.lock);
	gone = gone_locked(pointer);
	if (pointer != NULL && gone->address == (uintptr_t)pointer)
		metaclass = gone->metaclass;
	pthread_mutex_unlock(&seen.lock);
	if (metaclass == NULL)
		return true;
	say("%s: an object that has ended is %s: a reference was given up that was not one's own; "
	    "the call came from:",
	    metaclass->name, how);
	say_who();
	return false;
}

static bool
is_own(const OSMetaClass *metaclass)
{
	/* Pairs with witness_know, before the first object of such a class. */
	const dext_bundle_info *own = atomic_load_explicit(&seen.own, memory_order_acquire);

	for (uint32_t i = 0; own != NULL && i < own->class_count; i++)
		if (own->classes[i] == metaclass)
			return true;
	return false;
}

static bool
is_in_use(IOService *service)
{
	struct IOService_IVars *ivars = service_ivars(service);
	bool in_use;

	pthread_mutex_lock(&service_tree);
	in_use = ivars->managed && !ivars->stop_called;
	pthread_mutex_unlock(&service_tree);
	return in_use;
}

/* Whether this thread runs work of one of the service's queues; or there is none. */
static bool
is_on_queue(IOService *service)
{
	bool here = false;

	for (int method = 0; method < 2 && !here; method++) {
		IODispatchQueue *queue = service_copy_queue(service, method != 0);

		here = queue == NULL || queue_is_here(queue);
		OSRelease(queue);
	}
	return here;
}

static bool
is_first_time(const OSMetaClass *metaclass)
{
	bool first = false;
	unsigned i;

	pthread_mutex_lock(&seen.lock);
	i = find_locked(metaclass);
	if (i < CLASSES_MAX) {
		first = !seen.classes[i].said;
		seen.classes[i].said = true;
	}
	pthread_mutex_unlock(&seen.lock);
	return first;
}

static void
used(const OSMetaClass *metaclass, OSObject *object)
{
	IOService *service;

	if (!is_own(metaclass))
		return;
	service = OSDynamicCast(IOService, object);
	if (service == NULL || !is_in_use(service) || is_on_queue(service) ||
	    !is_first_time(metaclass))
		return;
	say("%s: its instance variables are used on a thread that does not own its queue; the "
	    "call came from:",
	    metaclass->name);
	say_who();
}

static const struct object_watch watch = {
	.made = made, .ended = ended, .counted = counted, .used = used};

void
witness_begin(const struct witness *witness)
{
	seen.witness = witness;
	seen.class_count = 0;
	memset(seen.gone, 0, sizeof(seen.gone));
	atomic_store_explicit(&seen.own, NULL, memory_order_relaxed);
	object_watch = &watch;
}

void
witness_end(void)
{
	object_watch = NULL;
	for (unsigned i = 0; i < seen.class_count; i++) {
		long left = seen.classes[i].count;

		if (left > 0)
			say("%ld object%s of the driver's process %s left: class %s", left,
			    left == 1 ? "" : "s", left == 1 ? "is" : "are",
			    seen.classes[i].metaclass->name);
	}
	seen.witness = NULL;
}

void
witness_know(const dext_bundle_info *classes)
{
	if (seen.witness != NULL)
		atomic_store_explicit(&seen.own, classes, memory_order_release);
}

void
witness_no_super(const char *class_name)
{
	if (seen.witness != NULL)
		say("%s: its Start never reached IOService_Start_Impl", class_name);
}

void
witness_uncompleted(uint32_t selector)
{
	if (seen.witness != NULL && !seen.witness->uncompleted_allowed)
		say("the completion of a call of selector %u was never used: the app waits for "
		    "ever",
		    selector);
}
