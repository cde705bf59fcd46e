/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the headers of dispatch have in common.
 *
 * They stand in for libdispatch where the system has none. Where a compiler finds another
 * <dispatch/dispatch.h> behind this folder, each of these headers is that one's instead. The names
 * of the functions are the same, so that in a program which links libdispatch before libiokit there
 * is one implementation, libdispatch's, for the program and for libiokit.
 */
#ifndef OPENDEXT_DISPATCH_BASE_H
#define OPENDEXT_DISPATCH_BASE_H

/* A libdispatch that the system has goes first; base.h says how. */
#if defined(__has_include_next) && !defined(DEXT_OWN_DISPATCH)
#if __has_include_next(<dispatch/base.h>)
#define OPENDEXT_DISPATCH_BASE_H_NEXT
#endif
#endif

#ifdef OPENDEXT_DISPATCH_BASE_H_NEXT
#include_next <dispatch/base.h>
#else

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dext_cdefs.h>

DEXT_BEGIN_DECLS

typedef void (*dispatch_function_t)(void *context);

/* With clang -fblocks; link -lBlocksRuntime as well. */
#ifdef __BLOCKS__
typedef void (^dispatch_block_t)(void);
#endif

DEXT_END_DECLS

#endif
#endif
