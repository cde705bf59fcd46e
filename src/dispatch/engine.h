/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop behind the queues of an app, made with one thread when first asked for. In a forked
 * child there is none again.
 */
#ifndef DISPATCH_ENGINE_H
#define DISPATCH_ENGINE_H

#include <stdbool.h>

#include "queue.h"

/* Never NULL: without memory, descriptors or threads for it the process ends. */
struct loop *engine_loop(void);
/* Whether somebody asked, in this process. */
bool engine_runs(void);
/* Around waiting for what other queues do; on a thread of no engine they do nothing. */
void engine_will_block(void);
void engine_did_block(void);
/* How often this process was forked off another in which somebody had asked. */
unsigned engine_generation(void);

/* The queues that are always there; borrowed. */
#define ENGINE_GLOBAL_QUEUES 5
IODispatchQueue *engine_main_queue(void);
IODispatchQueue *engine_global_queue(unsigned index);

#endif
