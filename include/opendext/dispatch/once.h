/* SPDX-License-Identifier: Apache-2.0 */
/* Something that is done once in the life of a process. */
#ifndef OPENDEXT_DISPATCH_ONCE_H
#define OPENDEXT_DISPATCH_ONCE_H

/* A libdispatch that the system has goes first; base.h says how. */
#if defined(__has_include_next) && !defined(DEXT_OWN_DISPATCH)
#if __has_include_next(<dispatch/once.h>)
#define OPENDEXT_DISPATCH_ONCE_H_NEXT
#endif
#endif

#ifdef OPENDEXT_DISPATCH_ONCE_H_NEXT
#include_next <dispatch/once.h>
#else

#include <dispatch/base.h>

DEXT_BEGIN_DECLS

/* Static or global, and 0 at first. */
typedef intptr_t dispatch_once_t;

/*
 * Runs the function if nobody has; returns when it has run, on whatever thread. A function that
 * comes to its own predicate again waits for ever.
 */
void dispatch_once_f(dispatch_once_t *predicate, void *context, dispatch_function_t function);
#ifdef __BLOCKS__
void dispatch_once(dispatch_once_t *predicate, dispatch_block_t block);
#endif

DEXT_END_DECLS

#endif
#endif
