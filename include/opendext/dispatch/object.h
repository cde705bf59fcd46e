/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues, groups and semaphores are objects with a count of references. Create gives one to the
 * caller, who gives it up with dispatch_release; what runs or waits on an object keeps it.
 *
 * Any thread. The main queue and the global queues live for ever.
 */
#ifndef OPENDEXT_DISPATCH_OBJECT_H
#define OPENDEXT_DISPATCH_OBJECT_H

/* A libdispatch that the system has goes first; base.h says how. */
#if defined(__has_include_next) && !defined(DEXT_OWN_DISPATCH)
#if __has_include_next(<dispatch/object.h>)
#define OPENDEXT_DISPATCH_OBJECT_H_NEXT
#endif
#endif

#ifdef OPENDEXT_DISPATCH_OBJECT_H_NEXT
#include_next <dispatch/object.h>
#else

#include <dispatch/base.h>

DEXT_BEGIN_DECLS

#ifdef __cplusplus
/* Never made or copied by the app. */
struct dispatch_object_s {
      private:
	dispatch_object_s();
	dispatch_object_s(const dispatch_object_s &);
	void operator=(const dispatch_object_s &);
};
typedef struct dispatch_object_s *dispatch_object_t;
#define DISPATCH_DECL(name)                          \
	struct name##_s : public dispatch_object_s { \
	};                                           \
	typedef struct name##_s *name##_t
#else
#define DISPATCH_DECL(name) typedef struct name##_s *name##_t
#endif

DISPATCH_DECL(dispatch_queue);
DISPATCH_DECL(dispatch_queue_attr);
DISPATCH_DECL(dispatch_group);
DISPATCH_DECL(dispatch_semaphore);

#ifndef __cplusplus
/* Any of them. */
typedef union {
	struct dispatch_object_s *_do;
	struct dispatch_queue_s *_dq;
	struct dispatch_group_s *_dg;
	struct dispatch_semaphore_s *_dsema;
} dispatch_object_t __attribute__((transparent_union));
#endif

/*
 * Takes or gives up one reference; with the last one the object goes, what is on a queue still
 * runs. Any thread.
 */
void dispatch_retain(dispatch_object_t object);
void dispatch_release(dispatch_object_t object);

/* A pointer of the app's own, NULL at first. */
void *dispatch_get_context(dispatch_object_t object);
void dispatch_set_context(dispatch_object_t object, void *context);
/*
 * Called with the context after the last release, on a global queue or on the queue's target;
 * not called if the context is NULL.
 */
void dispatch_set_finalizer_f(dispatch_object_t object, dispatch_function_t finalizer);

/*
 * Of a queue: what runs goes on, nothing more is begun until there were as many resumes. A resume
 * too many aborts. Groups, semaphores, the main queue and global queues cannot be suspended: that
 * is ignored, with a log line.
 */
void dispatch_suspend(dispatch_object_t object);
void dispatch_resume(dispatch_object_t object);

DEXT_END_DECLS

#endif
#endif
